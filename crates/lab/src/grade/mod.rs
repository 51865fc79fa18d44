//! `lab grade`: judges the submissions of a class with `lab check`. notes/grading.md
//!
//! | module | what it holds |
//! |---|---|
//! | [`class`] | the submissions: a folder of them, or a roster |
//! | [`hash`] | what they are known by |
//! | [`journal`] | verdicts that are kept, whatever ends us |
//! | [`workers`] | several at a time, each in a process of its own |
//! | [`progress`] | how far it is |
//! | [`marks`] | verdicts and marks, and the class as a whole |
//! | [`clean`] | what students have written, made harmless |
//! | [`report`] | the files that are written |
//! | [`reproduce`] | a verdict of before, once more |

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;

use crate::asked;
use crate::check::apart::Judged;
use crate::check::workbook::{self, Section};
use crate::view::complain_as;

mod class;
mod clean;
mod hash;
mod journal;
mod marks;
mod progress;
mod report;
mod reproduce;
mod workers;

use class::Submission;
use journal::{Closed, Journal, Override, Record, Settings};
use marks::{Class, Mark, Word};
use progress::Progress;
use workers::{How, Stop};

/// What the exit codes mean.
mod exit {
    pub const DONE: u8 = 0;
    pub const FAILED: u8 = 1;
    pub const USAGE: u8 = 2;
    pub const NOT_JUDGED: u8 = 3;
}

/// So much memory one submission may need, in bytes.
const MEMORY: u64 = 2 << 30;

/// Judge the submissions of a class: a folder of them, or a roster; and write a report with marks
#[derive(Args)]
#[command(after_help = "Exit codes: 0 each submission has a verdict, 1 failure, 2 usage, \
                        3 some could not be judged.")]
pub struct Options {
    /// A folder with a folder for each submission: one source in C, C++ or Rust, or a Makefile
    #[arg(value_name = "DIR", required_unless_present_any = ["roster", "reproduce"])]
    folder: Option<PathBuf>,
    /// A table (CSV) with the columns id and path, instead of a folder
    #[arg(long, value_name = "CSV", conflicts_with = "folder")]
    roster: Option<PathBuf>,
    /// Where the report is written; the same command again goes on where it was stopped
    #[arg(short, long, value_name = "DIR", default_value = "report")]
    output: PathBuf,
    /// The section whose exercise it is
    #[arg(long, value_name = "SECTION", default_value = "4.8")]
    section: String,
    /// Judge this submission alone, and again if it was judged before
    #[arg(long, value_name = "ID")]
    only: Option<String>,
    /// Judge those again that could not be judged
    #[arg(long)]
    retry: bool,
    /// Give points by hand, and say why; they stay until --no-override
    #[arg(long, num_args = 3, value_names = ["ID", "POINTS", "WHY"], action = clap::ArgAction::Append)]
    r#override: Vec<String>,
    /// Take the points by hand back
    #[arg(long, value_name = "ID")]
    no_override: Vec<String>,
    /// Judge a submission once more as it was judged for the report, and compare
    #[arg(long, value_name = "ID", conflicts_with_all = ["only", "override", "no_override", "retry"])]
    reproduce: Option<String>,
    /// So many at a time; without it, as many as there are processors and memory for
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    jobs: Option<u16>,
    /// Other messages, and another number of them
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Seconds that one instrument may take; longer is "could not judge"
    #[arg(long, value_name = "S", default_value_t = 120, value_parser = clap::value_parser!(u64).range(1..))]
    patience: u64,
    /// Seconds that one submission may take; longer is "could not judge"
    #[arg(long, value_name = "S", default_value_t = 600, value_parser = clap::value_parser!(u64).range(1..))]
    limit: u64,
    /// Judge without the walls of the cell: what is judged can do what you can
    #[arg(long)]
    trust: bool,
    /// The workbook's folder
    #[arg(long, value_name = "DIR")]
    workbook: Option<PathBuf>,
}

/// Why it ended early.
enum End {
    Usage(String),
    Failed(String),
    Signal(i32),
}

impl From<Stop> for End {
    fn from(stop: Stop) -> End {
        match stop {
            Stop::Signal(signal) => End::Signal(signal),
            Stop::Failed(why) => End::Failed(why),
        }
    }
}

impl From<Closed> for End {
    fn from(closed: Closed) -> End {
        match closed {
            Closed::Usage(why) => End::Usage(why),
            Closed::Failed(why) => End::Failed(why),
        }
    }
}

fn complain(text: &str) {
    complain_as("lab grade", text);
}

/// Judges, reports, and says by the exit code how it went.
pub fn run(options: &Options) -> ExitCode {
    asked::listen(&[libc::SIGINT, libc::SIGTERM, libc::SIGHUP]);
    let done = match &options.reproduce {
        Some(id) => reproduce::again(options, id),
        None => grade(options),
    };
    ExitCode::from(done.unwrap_or_else(|end| match end {
        End::Usage(why) => {
            complain(&clean::plain(&why));
            exit::USAGE
        }
        End::Failed(why) => {
            complain(&clean::plain(&why));
            exit::FAILED
        }
        End::Signal(signal) => 128 + signal as u8,
    }))
}

fn grade(options: &Options) -> Result<u8, End> {
    let root = workbook::root(options.workbook.as_deref()).map_err(End::Usage)?;
    let section = Section::read(&root, &options.section).map_err(End::Usage)?;
    let submissions = match (&options.folder, &options.roster) {
        (Some(folder), _) => class::of_folder(folder, &options.output),
        (None, Some(roster)) => class::of_roster(roster),
        (None, None) => Err("name a folder, or a roster".into()),
    };
    let submissions = submissions.map_err(End::Usage)?;
    // As it is shown, or as it is.
    let known = |id: &str| match submissions.iter().find(|one| one.id == clean::plain(id)) {
        Some(one) => Ok(one),
        None => Err(End::Usage(format!("no submission {id}"))),
    };
    let only = options.only.as_deref().map(known).transpose()?;
    let wanted = by_hand(options, &known)?;
    let settings =
        Settings::now(&section, options.seed, options.patience, options.limit, options.trust);
    let settings = settings.map_err(End::Failed)?;
    let journal = Journal::open(&options.output, &section.name)?;
    let mut overrides = journal.overrides().map_err(End::Failed)?;
    if !wanted.is_empty() || !options.no_override.is_empty() {
        options.no_override.iter().for_each(|id| drop(overrides.remove(&clean::plain(id))));
        overrides.extend(wanted);
        journal.keep_overrides(&overrides).map_err(End::Failed)?;
    }
    let mut grading = Grading {
        options,
        section: &section,
        settings,
        journal,
        overrides,
        verdicts: BTreeMap::new(),
    };
    let waiting = grading.recalls(&submissions, only);
    // What was true before, and is not any more, is in no report from now on.
    grading.reports(&submissions)?;
    let stopped = grading.judges(waiting);
    if let Err(End::Failed(why)) = stopped {
        return Err(End::Failed(why));
    }
    let class = grading.reports(&submissions)?;
    said(&class, &options.output)?;
    match stopped {
        Err(End::Signal(signal)) => {
            let done = class.marks.len() - class.count(Word::Waiting);
            let all = class.marks.len();
            complain(&format!("stopped: {done} of {all} are judged; the same command goes on"));
            Err(End::Signal(signal))
        }
        Err(other) => Err(other),
        Ok(()) if class.count(Word::NotJudged) > 0 => Ok(exit::NOT_JUDGED),
        Ok(()) => Ok(exit::DONE),
    }
}

/// The points that are given by hand now.
fn by_hand<'a>(
    options: &Options,
    known: &dyn Fn(&str) -> Result<&'a Submission, End>,
) -> Result<BTreeMap<String, Override>, End> {
    let mut all = BTreeMap::new();
    for words in options.r#override.chunks(3) {
        let [id, points, why] = words else { continue };
        let number = points.parse().ok().filter(|one: &f64| one.is_finite() && *one >= 0.0);
        let points = number.ok_or_else(|| {
            End::Usage(format!("--override {id}: {points} is no number of points"))
        })?;
        if why.trim().is_empty() {
            return Err(End::Usage(format!("--override {id}: say why")));
        }
        let one = known(id)?;
        let (why, submission) = (clean::plain(why), one.hash.clone());
        all.insert(one.id.clone(), Override { points, why, submission });
    }
    options.no_override.iter().try_for_each(|id| known(id).map(drop))?;
    Ok(all)
}

/// What a run knows.
struct Grading<'a> {
    options: &'a Options,
    section: &'a Section,
    settings: Settings,
    journal: Journal,
    overrides: BTreeMap<String, Override>,
    /// By submission.
    verdicts: BTreeMap<String, Judged>,
}

impl Grading<'_> {
    /// Takes what was judged before out of the journal, and returns what is to be judged.
    fn recalls<'s>(
        &mut self,
        submissions: &'s [Submission],
        only: Option<&Submission>,
    ) -> Vec<&'s Submission> {
        let mut waiting = vec![];
        for one in submissions {
            if let Err(why) = &one.source {
                self.verdicts.insert(one.id.clone(), Judged::without(why.clone()));
                continue;
            }
            let record = self.journal.read(&self.settings.key(one));
            // What took too long may be judged within another limit.
            let again = record.as_ref().is_some_and(|record| {
                let other = record.settings.limit != self.settings.limit;
                record.judged.not_judged.is_some() && (self.options.retry || other)
            });
            let is_wanted = match only {
                Some(only) => only.id == one.id,
                None => record.is_none() || again,
            };
            if is_wanted {
                waiting.push(one);
            } else if let Some(record) = record {
                self.verdicts.insert(one.id.clone(), record.judged);
            }
        }
        waiting
    }

    /// Judges them, and keeps each verdict at once.
    fn judges(&mut self, waiting: Vec<&Submission>) -> Result<(), End> {
        if waiting.is_empty() {
            return Ok(());
        }
        let room = self.journal.room().map_err(End::Failed)?;
        // The cell that is tried first is made in there, too, and goes with it.
        // SAFETY: we have one thread.
        unsafe { std::env::set_var("TMPDIR", &room.0) };
        if !self.options.trust {
            crate::check::walls_here().map_err(|why| {
                let why = format!("no walls: {why}; --trust judges all the same (lab doctor)");
                End::Failed(why)
            })?;
        }
        let how = how(self.options, self.section, &self.settings, &room.0);
        let mut progress = Progress::new(self.verdicts.len());
        let (journal, settings, verdicts) = (&self.journal, &self.settings, &mut self.verdicts);
        let mut done = |one: &Submission, judged: Judged| {
            let judged = cleaned(judged, one);
            let record = Record {
                id: one.id.clone(),
                path: one.path.display().to_string(),
                submission: one.hash.clone(),
                settings: settings.clone(),
                judged: judged.clone(),
            };
            journal.keep(&settings.key(one), &record)?;
            verdicts.insert(one.id.clone(), judged);
            Ok(())
        };
        let ends = workers::all(waiting, &how, &mut done, &mut |far| progress.show(far));
        progress.end();
        Ok(ends?)
    }

    /// Writes the report.
    fn reports(&self, submissions: &[Submission]) -> Result<Class, End> {
        let note = self.section.root.join(&self.section.rules.note);
        let rules = self.section.rules.rules.iter().filter(|rule| rule.on);
        let mark = |one: &Submission| {
            let judged = self.verdicts.get(&one.id).cloned();
            let key = self.settings.key(one);
            Mark::new(one, judged, self.overrides.get(&one.id).cloned(), key)
        };
        let class = Class {
            settings: self.settings.clone(),
            title: self.section.rules.title.clone(),
            note: self.section.rules.note.clone(),
            headings: marks::headings(&std::fs::read_to_string(note).unwrap_or_default()),
            of: rules.map(|rule| rule.points).sum(),
            marks: submissions.iter().map(mark).collect(),
        };
        report::write(&class, &self.options.output).map_err(End::Failed)?;
        Ok(class)
    }
}

/// A verdict in which no text does harm. One of a submission that has changed meanwhile is none.
fn cleaned(mut judged: Judged, one: &Submission) -> Judged {
    if hash::of_submission(&one.path) != one.hash {
        return Judged::without("it was changed while it was judged: grade it again".into());
    }
    judged.each_text(&|text| *text = clean::plain(text));
    judged
}

/// How each is judged.
fn how(options: &Options, section: &Section, settings: &Settings, room: &Path) -> How {
    let mut words: Vec<OsString> = vec!["check".into()];
    let mut option = |name: &str, value: &std::ffi::OsStr| {
        words.push(name.into());
        words.push(value.into());
    };
    option("--seed", settings.seed.to_string().as_ref());
    option("--patience", settings.patience.to_string().as_ref());
    option("--workbook", section.root.as_ref());
    if settings.trust {
        words.push("--trust".into());
    }
    How {
        words,
        section: section.name.clone(),
        room: room.into(),
        jobs: options.jobs.map_or_else(means, usize::from),
        limit: Duration::from_secs(settings.limit),
    }
}

/// How many at a time this machine has the means for.
fn means() -> usize {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let text = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    let room = kib.map_or(processors, |kib| (kib * 1024 / MEMORY) as usize);
    processors.min(room).max(1)
}

/// The last lines on standard output.
fn said(class: &Class, output: &Path) -> Result<(), End> {
    let mut text = format!("{}: {} submissions", class.settings.section, class.marks.len());
    for word in [Word::Passed, Word::Findings, Word::NotJudged, Word::Waiting] {
        match class.count(word) {
            0 => {}
            n => text += &format!(", {n} {}", word.says_of_several()),
        }
    }
    text += "\n";
    for mark in class.marks.iter().filter(|one| one.word == Word::NotJudged) {
        let (id, why) = (&mark.id, mark.why_not().unwrap_or_default());
        text += &format!("  could not judge {id}: {why}\n");
    }
    let index = clean::plain(&output.join("index.html").display().to_string());
    text += &format!("report: {index}\n");
    say(&text)
}

fn say(text: &str) -> Result<(), End> {
    let mut stdout = std::io::stdout();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(End::Failed(format!("standard output: {error}")))
        }
        _ => Ok(()),
    }
}
