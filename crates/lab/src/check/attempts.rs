//! What the last attempt at a section was like: for what has changed since, for replays, hints and the solution.
//! Kept in the workbook's target folder; where that cannot be written, nothing is remembered.

use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::judge::Verdict;
use super::matching::Holds;

/// See the module.
#[derive(Serialize, Deserialize, Default, Clone)]
pub struct Attempt {
    /// The file that was judged.
    pub source: String,
    pub seed: u64,
    pub found: Vec<Finding>,
    /// It has passed at some time.
    pub has_passed: bool,
    /// How many hints were given since the first finding became what it is.
    pub hints: u32,
}

/// One finding of it.
#[derive(Serialize, Deserialize, Default, Clone)]
pub struct Finding {
    pub rule: String,
    pub title: String,
    pub schedule: Option<String>,
    pub arguments: Vec<String>,
}

/// What is different now.
#[derive(Default)]
pub struct Changed {
    pub mended: Vec<String>,
    pub new: Vec<String>,
}

fn path(root: &Path, section: &str) -> PathBuf {
    root.join("target/attempts").join(format!("{section}.json"))
}

impl Attempt {
    /// The last one, if there was one.
    pub fn last(root: &Path, section: &str) -> Option<Attempt> {
        let text = fs::read_to_string(path(root, section)).ok()?;
        serde_json::from_str(&text).ok()
    }

    /// Remembers it.
    pub fn keep(&self, root: &Path, section: &str) {
        let path = path(root, section);
        let Some(folder) = path.parent() else { return };
        let text = serde_json::to_string(self).unwrap_or_default();
        // Where this is refused, the next attempt is a first one.
        let _ = fs::create_dir_all(folder).and_then(|()| fs::write(&path, text));
    }

    /// The next one, after this one.
    pub fn after(last: Option<&Attempt>, verdict: &Verdict) -> (Attempt, Changed) {
        let finding = |one: &Holds| {
            let fact = one.fact.as_ref().unwrap_or(&verdict.first);
            Finding {
                rule: one.rule.id.clone(),
                title: one.rule.title.clone(),
                schedule: fact.schedule.clone(),
                arguments: fact.arguments.clone(),
            }
        };
        let found: Vec<Finding> = verdict.found.iter().map(finding).collect();
        let passed = !verdict.is_wrong() && verdict.not_judged.is_none();
        let same = last.filter(|last| last.source == verdict.source);
        let mut changed = Changed::default();
        if let Some(last) = same {
            let has = |all: &[Finding], id: &str| all.iter().any(|one| one.rule == id);
            let judged = |id: &str| {
                passed || verdict.passed.iter().any(|rule| rule.id == id) || id == "compile"
            };
            let mended =
                last.found.iter().filter(|one| !has(&found, &one.rule) && judged(&one.rule));
            changed.mended = mended.map(|one| one.title.clone()).collect();
            let new = verdict.found.iter().filter(|one| !has(&last.found, &one.rule.id));
            changed.new = new.map(|one| one.rule.title.clone()).collect();
        }
        let first = |all: &[Finding]| all.first().map(|one| one.rule.clone());
        let goes_on = same.filter(|last| first(&last.found) == first(&found));
        let attempt = Attempt {
            source: verdict.source.clone(),
            seed: verdict.seed,
            has_passed: passed || last.is_some_and(|last| last.has_passed),
            hints: goes_on.map_or(0, |last| last.hints),
            found,
        };
        (attempt, changed)
    }
}
