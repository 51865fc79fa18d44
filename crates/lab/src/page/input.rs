//! Where runs and trees come from: from files, or from programs that are explored now.

use std::ffi::OsString;
use std::fs;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use super::show::Show;
use super::{Judged, Options, Trouble, usage};
use crate::stage::book::Setting;
use crate::tree::Tree;
use crate::view::complain_as;

/// So many runs are made to try every order; if they are not enough, those within the default bound are tried.
const RUNS: &str = "300";

/// What stands in the page.
pub struct Page {
    pub title: String,
    pub shows: Vec<Show>,
    /// The page that links to this one.
    pub back: Option<String>,
    /// What a reader has to know before: what the run shows, what it was tried with.
    pub shown: Vec<String>,
    pub with: Vec<String>,
}

impl Page {
    fn new(title: String, shows: Vec<Show>) -> Page {
        Page { title, shows, back: None, shown: vec![], with: vec![] }
    }
}

/// Of a run that was judged. Not all that is wrong in it is for the explorer to see: a call may be missing.
pub fn of_judged(events: &[Value], about: Judged) -> Option<Page> {
    let mut shows = Show::of_runs(events, &Setting::default(), "");
    shows.truncate(1);
    let show = shows.first_mut().filter(|show| !show.steps.is_empty())?;
    let mut end = show.end.take().unwrap_or_default();
    end.good = false;
    end.findings.splice(0..0, about.findings);
    show.ends_with(end);
    let (back, with) = (Some(about.back), about.with.to_vec());
    Some(Page { back, with, shown: about.titles, ..Page::new(about.title, shows) })
}

/// What the options ask for.
pub fn page(options: &Options) -> Result<Page, Trouble> {
    let mut page = match &options.what {
        None => {
            let others = options.others.iter().map(|one| one.0.clone());
            let programs = std::iter::once(options.program.clone()).chain(others).collect();
            of_programs(&Setting::of_programs(programs))?
        }
        Some(what) if !what.exists() && is_section(what) => {
            let section = what.to_string_lossy();
            let setting =
                Setting::of_section(options.workbook.as_deref(), &section).map_err(usage)?;
            of_programs(&setting)?
        }
        Some(file) => of_file(file).map_err(usage)?,
    };
    if let Some(cure) = &options.cure {
        let tree = Tree::read(cure).map_err(usage)?;
        if page.shows.iter().any(|show| show.tree.is_none()) {
            return Err(usage("--cure is for a tree, and this is a run".into()));
        }
        page.shows.truncate(1);
        page.shows.push(Show::of_tree(&tree, &Setting::default(), "The cure"));
    }
    if let Some(title) = &options.title {
        page.title = title.clone();
    }
    Ok(page)
}

/// `4.8`
fn is_section(what: &Path) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    what.to_str().and_then(|text| text.split_once('.')).is_some_and(|(a, b)| digits(a) && digits(b))
}

/// Of a file. The error is one line.
fn of_file(path: &Path) -> Result<Page, String> {
    let name = path.display().to_string();
    let text = fs::read_to_string(path).map_err(|error| match error.kind() {
        std::io::ErrorKind::InvalidData => not_ours(&name, "it is no text"),
        _ => format!("{name}: {error}"),
    })?;
    let file = path.file_name().map_or(name.clone(), |name| name.to_string_lossy().into_owned());
    let book = Setting::default();
    if let Ok(Value::Object(whole)) = serde_json::from_str(&text)
        && !whole.contains_key("event")
    {
        if !whole.contains_key("format") {
            return Err(not_ours(&name, "it has no format"));
        }
        let show = Show::of_tree(&Tree::of(&text, &name)?, &book, "The program");
        return Ok(Page::new(show.title.clone(), vec![show]));
    }
    let events = events(&text, &name)?;
    let shows = Show::of_runs(&events, &book, &file);
    let title = shows.first().map(|show| show.title.clone());
    match title {
        Some(title) if shows.iter().all(|show| !show.steps.is_empty()) => {
            Ok(Page::new(title, shows))
        }
        _ => Err(not_ours(&name, "nothing happens in it")),
    }
}

fn not_ours(name: &str, why: &str) -> String {
    format!(
        "{name} is neither a tree nor a run: {why}; write it with lab explore --tree, lab explore --json or lab trace --json"
    )
}

/// The events of a run, one a line.
fn events(text: &str, name: &str) -> Result<Vec<Value>, String> {
    let mut all = vec![];
    for (at, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let event: Value = serde_json::from_str(line)
            .map_err(|_| not_ours(name, &format!("line {} is no JSON object", at + 1)))?;
        if !event["event"].is_string() {
            return Err(not_ours(name, &format!("line {} is no event", at + 1)));
        }
        if event["event"] == "explored" && (event["format"] != "lab-run" || event["version"] != 1) {
            let version =
                event["version"].as_u64().map_or("none".into(), |version| version.to_string());
            return Err(format!(
                "{name} has version {version} of lab-run, and this lab reads version 1: write it with lab explore --json"
            ));
        }
        all.push(event);
    }
    if all.is_empty() {
        return Err(not_ours(name, "it is empty"));
    }
    Ok(all)
}

/// Of programs that are explored now.
fn of_programs(setting: &Setting) -> Result<Page, Trouble> {
    let mut shows = vec![Show::of_tree(&explored(&setting.programs)?, setting, "The program")];
    if !setting.cured.is_empty() {
        shows.push(Show::of_tree(&explored(&setting.cured)?, setting, "The cure"));
    }
    let title = if setting.is_section() { setting.title.clone() } else { shows[0].title.clone() };
    Ok(Page::new(title, shows))
}

/// Every order of them, if these are few; else those within the default bound.
fn explored(programs: &[Vec<OsString>]) -> Result<Tree, Trouble> {
    let all = explore(programs, &["--all", "--preemptions", "unbounded", "--max", RUNS])?;
    if all.complete { Ok(all) } else { explore(programs, &[]) }
}

/// By this program itself, in a process of its own: namespaces and signals are then its business.
fn explore(programs: &[Vec<OsString>], options: &[&str]) -> Result<Tree, Trouble> {
    let failed = |error: std::io::Error| usage(format!("lab explore: {error}"));
    let folder = tempfile::Builder::new().prefix("lab-page-").tempdir().map_err(failed)?;
    let file = folder.path().join("tree.json");
    let mut explorer = Command::new(std::env::current_exe().map_err(failed)?);
    explorer.args(["explore", "--json", "--tree"]).arg(&file).args(options);
    for other in &programs[1..] {
        let words = other.iter().map(|word| word.to_string_lossy());
        explorer.arg("--and").arg(shell_words::join(words));
    }
    explorer.arg("--").args(&programs[0]);
    explorer.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    // SAFETY: the child makes one call, with numbers.
    unsafe {
        explorer.pre_exec(|| {
            libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGTERM);
            Ok(())
        });
    }
    let done = explorer.output().map_err(failed)?;
    if let Some(signal) = done.status.signal() {
        return Err(Trouble(128 + signal as u8, None));
    }
    let code = done.status.code().unwrap_or(2) as u8;
    if !file.exists() || code > 3 {
        let said = String::from_utf8_lossy(&done.stderr);
        said.lines()
            .for_each(|line| complain_as("lab page", line.trim_start_matches("lab explore: ")));
        return Err(Trouble(code.max(1), None));
    }
    Tree::read(&file).map_err(usage)
}
