//! One submission of a class, judged in a process of its own: whatever becomes of it, neither `lab grade` nor the next
//! submission is harmed. It says one line of JSON, and remembers no attempt.

use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::evidence::Trying;
use super::finding::Shown;
use super::judge::{self, Again, Asked, NoVerdict, Verdict};
use super::report;
use super::rules::Class;
use super::workbook::Section;

/// So many runs are run again, to have their story told; and so much of it.
const RUNS: usize = 6;
const LINES: usize = 300;
/// Lines of the source around the one that a finding is about.
const AROUND: usize = 3;

/// What came of a submission.
#[derive(Serialize, Deserialize, Clone, PartialEq, Debug, Default)]
pub struct Judged {
    pub findings: Vec<Finding>,
    /// The runs that show them.
    pub runs: Vec<Ran>,
    pub passed: Vec<Passed>,
    /// The instruments, and in how many runs there was something to see.
    pub tried: Vec<(String, u64)>,
    /// Why it cannot be said whether all is well: then there are no points.
    pub not_judged: Option<String>,
    pub points: u32,
    pub of: u32,
}

/// Something that was found.
#[derive(Serialize, Deserialize, Clone, PartialEq, Debug, Default)]
pub struct Finding {
    pub rule: String,
    /// `defect`, `style`, `not the exercise`, `cheating`
    pub class: String,
    pub step: String,
    /// What its rule is worth.
    pub points: u32,
    pub title: String,
    pub expected: String,
    pub happened: Vec<String>,
    pub why: String,
    pub file: Option<String>,
    pub line: Option<usize>,
    /// Lines of the source around it, with their numbers.
    pub source: Vec<(usize, String)>,
    /// Which of the runs shows it.
    pub run: Option<usize>,
}

/// A run that shows a finding, or several.
#[derive(Serialize, Deserialize, Clone, PartialEq, Debug, Default)]
pub struct Ran {
    /// Line by line, as `lab check --replay` tells it.
    pub story: Vec<String>,
    /// Which input it had, and what was done in it: a call that fails, a signal.
    pub with: Vec<String>,
    /// The same run as events, as `lab explore --json` writes it. None: there are too many.
    pub events: Vec<Value>,
}

/// A rule that does not hold.
#[derive(Serialize, Deserialize, Clone, PartialEq, Debug, Default)]
pub struct Passed {
    pub rule: String,
    pub says: String,
    pub points: u32,
}

impl Judged {
    /// There is no verdict.
    pub fn without(why: String) -> Judged {
        Judged { not_judged: Some(why), ..Judged::default() }
    }

    /// Something has to be mended: more than style.
    pub fn is_wrong(&self) -> bool {
        self.findings.iter().any(|one| one.class != Class::Style.name())
    }

    /// Points of rules that do not hold, and of which nothing is said: they are about what the program does not need.
    pub fn rest(&self) -> Option<u32> {
        let said: u32 = self.passed.iter().map(|one| one.points).sum();
        self.points.checked_sub(said).filter(|rest| *rest > 0)
    }

    /// Each text in it.
    pub fn each_text(&mut self, change: &dyn Fn(&mut String)) {
        for one in &mut self.findings {
            for text in [
                &mut one.rule,
                &mut one.step,
                &mut one.title,
                &mut one.expected,
                &mut one.why,
                &mut one.class,
            ] {
                change(text);
            }
            let lines = one.source.iter_mut().map(|(_, line)| line);
            lines.chain(&mut one.happened).for_each(change);
            one.file.iter_mut().for_each(change);
        }
        for one in &mut self.runs {
            one.story.iter_mut().chain(&mut one.with).for_each(change);
            one.events.iter_mut().for_each(|event| each_in(event, change));
        }
        for one in &mut self.passed {
            change(&mut one.rule);
            change(&mut one.says);
        }
        self.tried.iter_mut().for_each(|(name, _)| change(name));
        self.not_judged.iter_mut().for_each(change);
    }
}

/// Each text of an event, line by line: a program may print several.
fn each_in(value: &mut Value, change: &dyn Fn(&mut String)) {
    match value {
        Value::String(text) => {
            let mut lines: Vec<String> = text.split('\n').map(String::from).collect();
            lines.iter_mut().for_each(change);
            *text = lines.join("\n");
        }
        Value::Array(all) => all.iter_mut().for_each(|one| each_in(one, change)),
        Value::Object(all) => all.values_mut().for_each(|one| each_in(one, change)),
        _ => {}
    }
}

/// Ends with the grader, which is our parent; if it has ended before, at once.
pub fn ends_with(grader: i32) -> Result<(), NoVerdict> {
    // SAFETY: it takes numbers.
    unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
    match nix::unistd::getppid().as_raw() == grader {
        true => Ok(()),
        false => Err(NoVerdict::NotJudged("lab grade has ended".into())),
    }
}

/// Judges one: the line that is said. Only a signal leaves it without one.
pub fn judged(section: &Section, source: &Path, asked: &Asked) -> Result<String, NoVerdict> {
    let judged = match judge::judged(section, source, asked, &mut |_| {}) {
        Ok(verdict) => of(section, source, asked, &verdict),
        Err(NoVerdict::Signal(signal)) => return Err(NoVerdict::Signal(signal)),
        Err(NoVerdict::Usage(why) | NoVerdict::NotJudged(why)) => Judged::without(why),
    };
    Ok(serde_json::to_string(&judged).unwrap_or_default() + "\n")
}

fn of(section: &Section, source: &Path, asked: &Asked, verdict: &Verdict) -> Judged {
    let mut runs = Runs { cell: None, tried: vec![], told: vec![] };
    let mut findings = vec![];
    for holds in &verdict.found {
        let shown = Shown::of(verdict, holds, String::new());
        let again = verdict.again(holds);
        let run = again.and_then(|again| runs.of(section, source, asked, again));
        let (file, line) = shown.place.unzip();
        findings.push(Finding {
            source: around(verdict, file.as_deref(), line),
            rule: shown.id,
            class: shown.class.name().into(),
            step: shown.step,
            points: holds.rule.points,
            title: shown.title,
            expected: shown.expected,
            happened: shown.happened,
            why: shown.why,
            file,
            line,
            run,
        });
    }
    let passed = verdict.passed.iter().map(|rule| Passed {
        rule: rule.id.clone(),
        says: rule.passed.clone(),
        points: rule.points,
    });
    let (points, of) = report::points(verdict, &section.rules);
    Judged {
        findings,
        runs: runs.told,
        passed: passed.collect(),
        tried: verdict.tried.iter().map(|one| (one.instrument.clone(), one.runs)).collect(),
        not_judged: verdict.not_judged.clone(),
        points,
        of,
    }
}

/// The runs that show findings. Several findings may have the same one.
struct Runs<'a> {
    cell: Option<Again<'a>>,
    tried: Vec<(&'a Trying, Option<usize>)>,
    told: Vec<Ran>,
}

impl<'a> Runs<'a> {
    /// The number of this one.
    fn of(
        &mut self,
        section: &'a Section,
        source: &Path,
        asked: &'a Asked,
        again: &'a Trying,
    ) -> Option<usize> {
        if let Some((_, run)) = self.tried.iter().find(|(one, _)| *one == again) {
            return *run;
        }
        if self.told.len() == RUNS {
            return None;
        }
        if self.cell.is_none() {
            self.cell = Again::new(section, source, asked).ok();
        }
        let answer = self.cell.as_mut().and_then(|cell| cell.run(again).ok());
        if answer.is_none() {
            // It may have ended.
            self.cell = None;
        }
        let run = answer.map(|answer| {
            let mut story = answer.story;
            story.truncate(LINES);
            let events: Result<Vec<Value>, _> =
                answer.events.lines().map(serde_json::from_str).collect();
            self.told.push(Ran { story, with: answer.with, events: events.unwrap_or_default() });
            self.told.len() - 1
        });
        self.tried.push((again, run));
        run
    }
}

fn around(verdict: &Verdict, file: Option<&str>, line: Option<usize>) -> Vec<(usize, String)> {
    let text = verdict.files.iter().find(|(name, _)| file == Some(name)).map(|(_, text)| text);
    let (Some(text), Some(line)) = (text, line) else { return vec![] };
    let lines = text.lines().enumerate().map(|(n, text)| (n + 1, text.to_string()));
    lines.filter(|(n, _)| n.abs_diff(line) <= AROUND).collect()
}
