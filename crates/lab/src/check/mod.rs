//! `lab check`: judges what a student has written, by what it does. notes/judged.md
//!
//! | module | what it holds |
//! |---|---|
//! | [`workbook`] | the sections that have an exercise, on the disk |
//! | [`rules`] | the rules of a section, as data |
//! | [`matching`] | which rules hold, for what was seen |
//! | [`judge`] | instrument after instrument, and the verdict |
//! | [`trying`] | what an instrument is to try |
//! | [`payload`] | messages that nobody can know before |
//! | [`compile`] | from a source to a program |
//! | [`cell`], [`tree`], [`walls`] | where it is compiled and run: namespaces, files, limits |
//! | [`instruments`] | how it is tried |
//! | [`evidence`] | what was seen |
//! | [`safe`] | what a handler may call |
//! | [`finding`], [`report`] | a finding for people; a verdict in its formats |
//! | [`attempts`] | what the last attempt was like |
//! | [`hints`] | help in three levels, and a solution |
//! | [`watching`] | judges again at each save |
//! | [`apart`] | one submission of a class, for `lab grade` |

use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use say::tell;
use screen::words::translated;

use crate::asked;
use crate::view::complain_as;

pub mod apart;
mod attempts;
mod cell;
mod compile;
mod evidence;
mod finding;
pub mod hints;
mod instruments;
mod judge;
mod matching;
mod payload;
mod report;
mod rules;
mod safe;
mod tree;
mod trying;
mod walls;
mod watching;
pub mod workbook;

use attempts::Attempt;
use judge::{NoVerdict, Verdict};
use matching::Holds;
use report::Format;
use workbook::Section;

/// What the exit codes mean.
mod exit {
    pub const PASSED: u8 = 0;
    pub const FOUND: u8 = 1;
    pub const USAGE: u8 = 2;
    pub const NOT_JUDGED: u8 = 3;
}

/// Judge the exercise of a section: a source in C, C++ or Rust, a program, or a folder with a Makefile
#[derive(Args)]
#[command(after_help = "Exit codes: 0 passed, 1 findings, 2 usage, 3 could not judge.")]
pub struct Options {
    /// 4.8; without it, all sections that have an exercise
    section: Option<String>,
    /// What is judged; without it, the file in labs/SECTION/exercise that was changed last
    source: Option<PathBuf>,
    /// Show all findings, and try everything even if something was found
    #[arg(long)]
    all: bool,
    /// How the verdict is printed
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
    /// Other messages, and another number of them
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Also print points
    #[arg(long)]
    points: bool,
    /// The workbook's folder
    #[arg(long, value_name = "DIR")]
    workbook: Option<PathBuf>,
    /// Judge without the walls of the cell: the program can do what you can
    #[arg(long)]
    trust: bool,
    /// Show the run of the N-th finding of the last attempt again
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    replay: Option<u32>,
    /// Judge again each time the source is saved
    #[arg(long, conflicts_with = "replay")]
    watch: bool,
    /// With --watch: look at the file each second, where the kernel does not tell
    #[arg(long, requires = "watch")]
    poll: bool,
    /// Seconds that one instrument may take; longer is "could not judge"
    #[arg(long, value_name = "S", default_value_t = 120, value_parser = clap::value_parser!(u64).range(1..))]
    patience: u64,
    /// For lab grade, whose process this is: one line of JSON, and no attempt is remembered
    #[arg(long, hide = true, value_name = "PID")]
    apart: Option<i32>,
}

impl Options {
    /// Is what it says for people? The formats for programs, and the line for `lab grade`, are the same in every
    /// language.
    pub fn for_people(&self) -> bool {
        self.format == Format::Text && self.apart.is_none()
    }
}

/// How this program was called: a command that is shown works as it stands.
pub struct Called {
    lab: String,
    workbook: String,
}

impl Called {
    /// By the words of our own command.
    pub fn here(workbook: Option<&Path>) -> Called {
        let lab = std::env::args_os().next().map_or("lab".into(), PathBuf::from);
        let workbook =
            workbook.map_or(String::new(), |one| format!(" --workbook {}", one.display()));
        Called { lab: shorter(lab).display().to_string(), workbook }
    }

    /// `target/debug/lab check 4.8 --replay 1`
    pub fn replay(&self, section: &str, n: usize) -> String {
        format!("{} check {section} --replay {n}{}", self.lab, self.workbook)
    }
}

fn complain(text: &str) {
    complain_as("lab check", text);
}

/// Says why there is no verdict, and returns the exit code for that.
fn no_verdict(why: NoVerdict) -> u8 {
    match why {
        NoVerdict::Signal(signal) => 128 + signal as u8,
        NoVerdict::Usage(why) => {
            complain(&why);
            exit::USAGE
        }
        NoVerdict::NotJudged(why) => {
            complain(&tell!("could not judge: {why}"));
            exit::NOT_JUDGED
        }
    }
}

/// Which walls of the cell stand on this machine, for `lab doctor`. The error says which of the first ones does not.
pub fn walls_here() -> Result<String, String> {
    let content = cell::Content { items: vec![], shown: vec![], trust: false };
    drop(cell::Cell::new(&content)?);
    let second = match walls::landlock::version() {
        Ok(version) => tell!("landlock {version} is a second wall"),
        Err(_) => translated("no landlock: there is no second wall").into(),
    };
    Ok(tell!("processes, files, IPC, network and user of their own; {second}"))
}

/// Judges, and says by the exit code what was found.
pub fn run(options: &Options) -> ExitCode {
    asked::listen(&[libc::SIGINT, libc::SIGTERM, libc::SIGHUP]);
    let code = match &options.section {
        Some(name) => one(options, name),
        None => every(options),
    };
    ExitCode::from(code.unwrap_or_else(no_verdict))
}

fn one(options: &Options, name: &str) -> Result<u8, NoVerdict> {
    let root = workbook::root(options.workbook.as_deref()).map_err(NoVerdict::Usage)?;
    let section = Section::read(&root, name).map_err(NoVerdict::Usage)?;
    if let Some(n) = options.replay {
        return replay(options, &section, n);
    }
    let source = match &options.source {
        Some(source) => source.clone(),
        None => shorter(section.newest().map_err(NoVerdict::Usage)?),
    };
    if !options.watch {
        return judge_one(options, &section, &source);
    }
    watching::at_each_save(&source, options.poll, &mut || {
        // A teacher may have changed the rules, too.
        let section = Section::read(&root, name).map_err(NoVerdict::Usage)?;
        judge_one(options, &section, &source).map(drop)
    })?;
    Ok(exit::PASSED)
}

/// From the current folder, where that is shorter.
fn shorter(path: PathBuf) -> PathBuf {
    let here = std::env::current_dir().unwrap_or_default();
    path.strip_prefix(&here).map_or(path.clone(), Path::to_path_buf)
}

fn asked_of(options: &Options) -> judge::Asked {
    judge::Asked {
        seed: options.seed,
        all: options.all,
        trust: options.trust,
        patience: Duration::from_secs(options.patience),
    }
}

fn judged(options: &Options, section: &Section, source: &Path) -> Result<Verdict, NoVerdict> {
    let terminal = std::io::stderr().is_terminal();
    let mut tells = |instrument: &str| {
        if terminal {
            eprint!("\r\x1b[K{}: {} …", section.name, translated(instrument));
        }
    };
    let verdict = judge::judged(section, source, &asked_of(options), &mut tells);
    if terminal {
        eprint!("\r\x1b[K");
    }
    verdict
}

fn judge_one(options: &Options, section: &Section, source: &Path) -> Result<u8, NoVerdict> {
    if let Some(grader) = options.apart {
        apart::ends_with(grader)?;
        out(&apart::judged(section, source, &asked_of(options))?)?;
        return Ok(exit::PASSED);
    }
    let verdict = judged(options, section, source)?;
    let last = Attempt::last(&section.root, &section.name);
    let (attempt, changed) = Attempt::after(last.as_ref(), &verdict);
    attempt.keep(&section.root, &section.name);
    let colours = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let lab = Called::here(options.workbook.as_deref());
    let how = report::Options { all: options.all, points: options.points, colours, lab };
    out(&report::printed(options.format, &verdict, &section.rules, &changed, &how))?;
    Ok(code(&verdict))
}

fn code(verdict: &Verdict) -> u8 {
    match (verdict.is_wrong(), &verdict.not_judged) {
        (true, _) => exit::FOUND,
        (false, Some(_)) => exit::NOT_JUDGED,
        (false, None) => exit::PASSED,
    }
}

/// All sections, as a table.
fn every(options: &Options) -> Result<u8, NoVerdict> {
    let root = workbook::root(options.workbook.as_deref()).map_err(NoVerdict::Usage)?;
    let mut worst = exit::PASSED;
    for name in workbook::sections(&root) {
        let section = Section::read(&root, &name).map_err(NoVerdict::Usage)?;
        let source = shorter(section.newest().map_err(NoVerdict::Usage)?);
        let (code, text) = match judged(options, &section, &source) {
            Ok(verdict) => {
                let (has, of) = report::points(&verdict, &section.rules);
                let first = verdict.found.first().map_or(String::new(), Holds::title);
                let word = match code(&verdict) {
                    exit::PASSED => translated("passed"),
                    exit::FOUND => translated("findings"),
                    _ => translated("not judged"),
                };
                let why = verdict.not_judged.clone().filter(|_| first.is_empty()).unwrap_or(first);
                let (word, has) = (screen::cell(word, 10), format!("{has:>3}"));
                (code(&verdict), tell!("{word} {has} of {of:<3} {why}"))
            }
            Err(NoVerdict::NotJudged(why)) => {
                let word = screen::cell(translated("not judged"), 21);
                (exit::NOT_JUDGED, format!("{word} {why}"))
            }
            Err(other) => return Err(other),
        };
        out(&format!("{name:<5} {} {text}\n", screen::cell(&section.rules.title, 28)))?;
        // What was not judged weighs less than what is wrong.
        worst =
            if worst == exit::FOUND || code == exit::FOUND { exit::FOUND } else { worst.max(code) };
    }
    Ok(worst)
}

fn replay(options: &Options, section: &Section, n: u32) -> Result<u8, NoVerdict> {
    let usage = |why: &str| NoVerdict::Usage(why.to_string());
    let last = Attempt::last(&section.root, &section.name);
    let last = last.ok_or_else(|| usage(translated("there was no attempt yet")))?;
    let finding = last.found.get(n as usize - 1);
    let finding =
        finding.ok_or_else(|| usage(translated("the last attempt had no such finding")))?;
    let again = finding.again.as_ref();
    let again = again.ok_or_else(|| usage(translated("this finding has no run of its own")))?;
    let asked = judge::Asked { seed: last.seed, ..asked_of(options) };
    let source = PathBuf::from(&last.source);
    let story = judge::Again::new(section, &source, &asked)?.run(again)?.story;
    out(&(story.join("\n") + "\n"))?;
    Ok(exit::PASSED)
}

fn out(text: &str) -> Result<(), NoVerdict> {
    let mut stdout = std::io::stdout();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(NoVerdict::NotJudged(tell!("standard output: {error}")))
        }
        _ => Ok(()),
    }
}
