//! The files of a report. Each is written whole; what is of no submission any more is removed.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use super::journal::replace;
use super::marks::{Class, Mark, Word};

mod csv;
mod github;
mod gradescope;
mod html;
mod json;
mod junit;

/// What is in them belongs to a submission each.
const FOLDERS: [&str; 3] = ["submissions", "runs", "gradescope"];

/// Writes all of them.
pub fn write(class: &Class, folder: &Path) -> Result<(), String> {
    let put = |name: &str, text: &str| replace(&folder.join(name), text, false);
    let mut files = BTreeSet::new();
    for one in FOLDERS {
        let below = folder.join(one);
        fs::create_dir_all(&below).map_err(|error| format!("{}: {error}", below.display()))?;
    }
    for mark in &class.marks {
        let page = page(mark);
        let mut runs = vec![false; mark.judged.runs.len()];
        for (n, has_page) in runs.iter_mut().enumerate() {
            if let Some(text) = html::run(class, mark, n) {
                let name = run(mark, n);
                put(&name, &text)?;
                files.insert(name);
                *has_page = true;
            }
        }
        put(&page, &html::submission(class, mark, &runs))?;
        files.insert(page);
        // Without a mark there is no file: Gradescope would read one without a score as an error, or as a zero.
        if mark.points().is_some() {
            let name = format!("gradescope/{}.json", mark.name);
            put(&name, &gradescope::results(class, mark))?;
            files.insert(name);
        }
    }
    for one in FOLDERS {
        for entry in fs::read_dir(folder.join(one)).into_iter().flatten().flatten() {
            let name = format!("{one}/{}", entry.file_name().to_string_lossy());
            if !files.contains(&name) {
                let path = entry.path();
                fs::remove_file(&path).map_err(|error| format!("{}: {error}", path.display()))?;
            }
        }
    }
    put("marks.csv", &csv::marks(class)?)?;
    put("grade.json", &json::report(class))?;
    put("junit.xml", &junit::suites(class))?;
    put("annotations.txt", &github::annotations(class))?;
    put("index.html", &html::class(class))
}

/// The page of a submission, in the report.
fn page(mark: &Mark) -> String {
    format!("submissions/{}.html", mark.name)
}

/// The page of one of its runs. No other id has a file of this name: what is behind the last hyphen is the number.
fn run(mark: &Mark, n: usize) -> String {
    format!("runs/{}-{}.html", mark.name, n + 1)
}

/// Rules that cost nothing, and of which nothing is said.
const NOT_NEEDED: &str = "rules about what this program does not need";

/// A verdict in a few words.
fn summary(mark: &Mark) -> String {
    match (mark.word, mark.why_not()) {
        (Word::Findings, _) => match mark.judged.findings.len() {
            1 => "1 finding".into(),
            n => format!("{n} findings"),
        },
        (word, Some(why)) => format!("{}: {why}", word.says()),
        (word, None) => word.says().into(),
    }
}
