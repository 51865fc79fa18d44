//! One submission of a class, judged in a process of its own: whatever becomes of it, neither `lab grade` nor the next
//! submission is harmed. It says one line of JSON, and remembers no attempt.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::finding::Shown;
use super::judge::{self, Asked, NoVerdict, Verdict};
use super::matching::Holds;
use super::report;
use super::rules::Class;
use super::workbook::Section;

/// So many findings are run again, to have their story told; and so much of it.
const STORIES: usize = 3;
const LINES: usize = 300;
/// Lines of the source around the one that a finding is about.
const AROUND: usize = 3;

/// What came of a submission.
#[derive(Serialize, Deserialize, Clone, PartialEq, Debug, Default)]
pub struct Judged {
    pub findings: Vec<Finding>,
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
    /// The run that shows it, line by line, as `lab check --replay` tells it.
    pub story: Vec<String>,
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
            lines.chain(&mut one.happened).chain(&mut one.story).for_each(change);
            one.file.iter_mut().for_each(change);
        }
        for one in &mut self.passed {
            change(&mut one.rule);
            change(&mut one.says);
        }
        self.tried.iter_mut().for_each(|(name, _)| change(name));
        self.not_judged.iter_mut().for_each(change);
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
    let finding = |(n, holds): (usize, &Holds)| {
        let shown = Shown::of(verdict, holds, String::new());
        let again = verdict.again(holds).filter(|_| n < STORIES);
        let story = again.and_then(|again| judge::replayed(section, source, asked, again).ok());
        let mut story = story.unwrap_or_default();
        story.truncate(LINES);
        let (file, line) = shown.place.unzip();
        Finding {
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
            story,
        }
    };
    let passed = verdict.passed.iter().map(|rule| Passed {
        rule: rule.id.clone(),
        says: rule.passed.clone(),
        points: rule.points,
    });
    let (points, of) = report::points(verdict, &section.rules);
    // A rule about a call that a right program does not need costs it nothing.
    let has_passed = !verdict.is_wrong() && verdict.not_judged.is_none();
    let points = if has_passed { of } else { points };
    Judged {
        findings: verdict.found.iter().enumerate().map(finding).collect(),
        passed: passed.collect(),
        tried: verdict.tried.iter().map(|one| (one.instrument.clone(), one.runs)).collect(),
        not_judged: verdict.not_judged.clone(),
        points,
        of,
    }
}

fn around(verdict: &Verdict, file: Option<&str>, line: Option<usize>) -> Vec<(usize, String)> {
    let text = verdict.files.iter().find(|(name, _)| file == Some(name)).map(|(_, text)| text);
    let (Some(text), Some(line)) = (text, line) else { return vec![] };
    let lines = text.lines().enumerate().map(|(n, text)| (n + 1, text.to_string()));
    lines.filter(|(n, _)| n.abs_diff(line) <= AROUND).collect()
}
