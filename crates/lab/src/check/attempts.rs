//! What the last attempt at a section was like: for what has changed since, for replays, hints and the solution.
//! Kept in the workbook's target folder; where that cannot be written, nothing is remembered.

use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::evidence::Trying;
use super::judge::Verdict;
use super::matching::Holds;

/// See the module.
#[derive(Serialize, Deserialize, Default, Clone)]
pub struct Attempt {
    /// The file that was judged, from the root of the machine.
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
    /// Why it matters.
    pub why: Option<String>,
    /// The run that shows it.
    pub again: Option<Trying>,
}

/// What is different now.
#[derive(Default)]
pub struct Changed {
    pub mended: Vec<String>,
    /// The rules that did not hold then, and their titles.
    pub new: Vec<(String, String)>,
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
            let again = verdict.again(one).cloned();
            let why = Some(one.filled(&one.rule.why));
            Finding { rule: one.rule.id.clone(), title: one.title(), why, again }
        };
        let source = fs::canonicalize(&verdict.source).unwrap_or(verdict.source.clone().into());
        let source = source.display().to_string();
        let found: Vec<Finding> = verdict.found.iter().map(finding).collect();
        let passed = !verdict.is_wrong() && verdict.not_judged.is_none();
        let same = last.filter(|last| last.source == source);
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
            changed.new = new.map(|one| (one.rule.id.clone(), one.title())).collect();
        }
        let first = |all: &[Finding]| all.first().map(|one| one.rule.clone());
        let goes_on = same.filter(|last| first(&last.found) == first(&found));
        let attempt = Attempt {
            source,
            seed: verdict.seed,
            has_passed: passed || last.is_some_and(|last| last.has_passed),
            hints: goes_on.map_or(0, |last| last.hints),
            found,
        };
        (attempt, changed)
    }
}
