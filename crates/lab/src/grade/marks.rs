//! What is reported: each submission with its verdict and its mark; and the class as a whole.

use std::collections::BTreeMap;
use std::path::Path;

use super::clean;
use super::journal::{Override, Settings};
use crate::check::apart::{Finding, Judged};

/// What came of a submission.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Word {
    Passed,
    Findings,
    /// It is no pass, and no zero.
    NotJudged,
    /// Its turn has not come: the run was stopped.
    Waiting,
}

impl Word {
    /// As the formats have it.
    pub fn name(self) -> &'static str {
        match self {
            Word::Passed => "passed",
            Word::Findings => "findings",
            Word::NotJudged => "not_judged",
            Word::Waiting => "waiting",
        }
    }

    /// Of several, for people.
    pub fn says_of_several(self) -> &'static str {
        if self == Word::Findings { "with findings" } else { self.says() }
    }

    /// For people.
    pub fn says(self) -> &'static str {
        match self {
            Word::Passed => "passed",
            Word::Findings => "findings",
            Word::NotJudged => "could not be judged",
            Word::Waiting => "not judged yet",
        }
    }
}

/// One submission in the report.
pub struct Mark {
    pub id: String,
    /// From the root of the machine.
    pub path: String,
    /// What is judged, as it was named: `submissions/anna/main.c`
    pub source: String,
    /// A hash of the submission; and one of all that its verdict depends on.
    pub submission: String,
    pub key: String,
    pub word: Word,
    pub judged: Judged,
    pub by_hand: Option<Override>,
    /// The name of its files in the report, without an ending.
    pub name: String,
}

impl Mark {
    /// With what is known of it.
    pub fn new(
        one: &super::class::Submission,
        judged: Option<Judged>,
        by_hand: Option<Override>,
        key: String,
    ) -> Mark {
        let word = match &judged {
            None => Word::Waiting,
            Some(judged) if judged.is_wrong() => Word::Findings,
            Some(judged) if judged.not_judged.is_some() => Word::NotJudged,
            Some(_) => Word::Passed,
        };
        let shown = |path: &Path| clean::plain(&path.display().to_string());
        let absolute = std::path::absolute(&one.path).unwrap_or(one.path.clone());
        Mark {
            id: one.id.clone(),
            path: shown(&absolute),
            source: shown(one.source.as_deref().unwrap_or(&one.path)),
            submission: one.hash.clone(),
            key,
            word,
            judged: judged.unwrap_or_default(),
            by_hand,
            name: clean::file_name(&one.id),
        }
    }

    /// What the judge gives: nothing, if it could not judge.
    pub fn judged_points(&self) -> Option<u32> {
        matches!(self.word, Word::Passed | Word::Findings).then_some(self.judged.points)
    }

    /// The mark: a person's, or the judge's.
    pub fn points(&self) -> Option<f64> {
        let by_hand = self.by_hand.as_ref().map(|one| one.points);
        by_hand.or(self.judged_points().map(f64::from))
    }

    /// The root cause.
    pub fn first(&self) -> Option<&Finding> {
        self.judged.findings.first().filter(|_| self.word == Word::Findings)
    }

    /// Why there is no verdict.
    pub fn why_not(&self) -> Option<&str> {
        match self.word {
            Word::NotJudged => self.judged.not_judged.as_deref(),
            Word::Waiting => Some("it was stopped before"),
            _ => None,
        }
    }

    /// The points of a person were given for another submission.
    pub fn is_by_hand_for_another(&self) -> bool {
        self.by_hand.as_ref().is_some_and(|one| one.submission != self.submission)
    }
}

/// The class.
pub struct Class {
    pub settings: Settings,
    pub title: String,
    /// The note of the section, from the workbook's folder, and its headings by step.
    pub note: String,
    pub headings: BTreeMap<String, String>,
    pub of: u32,
    pub marks: Vec<Mark>,
}

/// A finding that several have.
pub struct Common<'a> {
    pub finding: &'a Finding,
    /// Of how many it is a finding; of how many the first.
    pub count: usize,
    pub first: usize,
}

impl Class {
    /// How many of each.
    pub fn count(&self, word: Word) -> usize {
        self.marks.iter().filter(|one| one.word == word).count()
    }

    /// The commonest findings first; of the same number, by their rule.
    pub fn common(&self) -> Vec<Common<'_>> {
        let mut all: BTreeMap<&str, Common> = BTreeMap::new();
        for mark in self.marks.iter().filter(|one| one.word != Word::Waiting) {
            let mut seen = vec![];
            for finding in &mark.judged.findings {
                let none = Common { finding, count: 0, first: 0 };
                let common = all.entry(&finding.rule).or_insert(none);
                if !seen.contains(&&finding.rule) {
                    seen.push(&finding.rule);
                    common.count += 1;
                    let is_first = mark.first().is_some_and(|first| first.rule == finding.rule);
                    common.first += usize::from(is_first);
                }
            }
        }
        let mut all: Vec<Common> = all.into_values().collect();
        all.sort_by_key(|one| std::cmp::Reverse((one.count, one.first)));
        all
    }

    /// The steps at which submissions go wrong first, the commonest first. A finding without a step is of none.
    pub fn steps(&self) -> Vec<(String, usize)> {
        let mut all: BTreeMap<String, usize> = BTreeMap::new();
        for finding in self.marks.iter().filter_map(Mark::first) {
            if !finding.step.is_empty() {
                *all.entry(self.step(&finding.step)).or_default() += 1;
            }
        }
        let mut all: Vec<_> = all.into_iter().collect();
        all.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        all
    }

    /// A step in words: `step 8, B: the signal comes between the check and pause`
    pub fn step(&self, step: &str) -> String {
        let number = step.chars().all(|one| one.is_ascii_digit());
        match (step, self.headings.get(step)) {
            ("", _) => String::new(),
            (step, Some(heading)) => format!("step {step}: {heading}"),
            (step, None) if number => format!("step {step}"),
            (step, None) if step.starts_with("4.") => step.into(),
            (step, None) => format!("note, {step}"),
        }
    }
}

/// The steps of a note: `## 8  B: the signal …`
pub fn headings(note: &str) -> BTreeMap<String, String> {
    let steps = note.lines().filter_map(|line| line.strip_prefix("## ")?.split_once("  "));
    let numbered = steps.filter(|(step, _)| step.chars().all(|one| one.is_ascii_digit()));
    numbered.map(|(step, text)| (step.to_string(), text.trim().to_string())).collect()
}

/// Points without a zero behind the point.
pub fn spelled(points: f64) -> String {
    format!("{points}")
}
