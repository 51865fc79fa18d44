//! The changes of the worksheets: each one is made in a copy of the workbook, compiles as it is written
//! there, and has the outcome that labs/4.x/answers.md shows. All of them with SOAK; otherwise a share.

mod common;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use common::pages::{Item, blocks, check, checkout, items, renewed};
use common::{repo, sections};
use regex::Regex;

/// Of how many changes one is made without SOAK, and which: others with CHANGES, a number below this.
const SHARE: usize = 12;
const WHICH: usize = 5;

/// A change of a worksheet.
struct Change {
    section: String,
    number: usize,
    /// Below `src/bin/lab_4_x`; a change without one changes nothing.
    diff: Option<(PathBuf, String)>,
    answer: String,
}

fn worksheet(section: &str) -> String {
    let path = repo().join(format!("labs/{section}/worksheet.md"));
    fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

fn answers(section: &str) -> PathBuf {
    repo().join(format!("labs/{section}/answers.md"))
}

fn changes() -> Vec<Change> {
    let mut all = Vec::new();
    let file = Regex::new(r"`([\w/]+\.rs)`").expect("a file");
    for section in sections() {
        let page = fs::read_to_string(answers(&section)).expect("answers.md");
        let answers = items(&page, "Change");
        for Item { number, text } in items(&worksheet(&section), "Change") {
            let answer = answers.iter().find(|answer| answer.number == number);
            let answer = answer.unwrap_or_else(|| panic!("{section}: no answer to {number}"));
            let dedented = text.lines().map(|line| line.strip_prefix("   ").unwrap_or(line));
            let diff = blocks(&dedented.collect::<Vec<_>>().join("\n"), "diff");
            let diff = diff.first().map(|diff| {
                let named = file.captures(&text).expect("the file that is changed");
                let lab = format!("src/bin/lab_{}", section.replace('.', "_"));
                (Path::new(&lab).join(&named[1]), diff.clone())
            });
            all.push(Change {
                section: section.clone(),
                number,
                diff,
                answer: answer.text.clone(),
            });
        }
    }
    all
}

/// The text with the change made: the lines with `-` are there, once, and those with `+` take their
/// place. `...` stands for any lines.
fn changed(text: &str, diff: &str) -> Result<String, String> {
    let mut lines: Vec<String> = text.lines().map(String::from).collect();
    let mut from = None;
    let hunks: Vec<Vec<&str>> = diff.split("...\n").map(|hunk| hunk.lines().collect()).collect();
    for hunk in hunks {
        let words = |line: &str| line.get(1..).unwrap_or_default().trim().to_string();
        let old: Vec<String> =
            hunk.iter().filter(|line| !line.starts_with('+')).map(|line| words(line)).collect();
        let at = |at: &usize| old.iter().zip(&lines[*at..]).all(|(a, b)| a == b.trim());
        let start = from.unwrap_or(0);
        let places: Vec<usize> = (start..=lines.len() - old.len()).filter(at).collect();
        // After what has been found above; the first hunk is the only such place.
        let place = match (places.as_slice(), from) {
            ([one], _) => *one,
            ([first, ..], Some(_)) => *first,
            _ => return Err(format!("{} places for\n{}", places.len(), hunk.join("\n"))),
        };
        let mut new = Vec::new();
        let mut kept = place;
        for line in &hunk {
            match line.chars().next() {
                Some('+') => new.push(line[1..].to_string()),
                Some('-') => kept += 1,
                _ => {
                    new.push(lines[kept].clone());
                    kept += 1;
                }
            }
        }
        from = Some(place + new.len());
        lines.splice(place..kept, new);
    }
    Ok(lines.join("\n") + "\n")
}

/// A copy of the workbook, and a target folder in it that begins with what has been built for ours.
fn workshop() -> tempfile::TempDir {
    let copy = checkout();
    let here = |path: &str| copy.path().join(path);
    let does = |command: &mut Command| {
        let done = command.output().expect("a command");
        assert!(done.status.success(), "{command:?}: {done:?}");
    };
    for entry in fs::read_dir(repo()).expect("the workbook").filter_map(Result::ok) {
        if ["target", ".git"].iter().all(|name| entry.file_name() != *name) {
            // With their times: then what is built for the workbook is built for the copy, too.
            does(Command::new("cp").arg("-a").arg(entry.path()).arg(copy.path()));
        }
    }
    fs::remove_file(here("target/debug")).expect("the link");
    let built = Path::new(env!("CARGO_BIN_EXE_lab_4_4")).parent().expect("target/debug");
    fs::create_dir_all(here("target/debug/deps")).expect("a folder");
    for folder in ["build", ".fingerprint"] {
        does(Command::new("cp").arg("-a").arg(built.join(folder)).arg(here("target/debug")));
    }
    for entry in fs::read_dir(built.join("deps")).expect("deps").filter_map(Result::ok) {
        let name = entry.file_name().to_string_lossy().into_owned();
        // Libraries. Programs are linked anew.
        if [".rlib", ".rmeta", ".so", ".d"].iter().any(|end| name.ends_with(end)) {
            let to = here("target/debug/deps").join(name);
            if fs::hard_link(entry.path(), &to).is_err() {
                fs::copy(entry.path(), &to).expect("a copy");
            }
        }
    }
    symlink(built.join("lab"), here("target/debug/lab")).expect("lab");
    copy
}

/// Makes a change, builds its lab, and undoes the change. What cargo says if it does not compile.
fn built(change: &Change, copy: &Path) -> Result<(), String> {
    let name = format!("lab_{}", change.section.replace('.', "_"));
    let mut before = None;
    if let Some((path, diff)) = &change.diff {
        let path = copy.join(path);
        let text = fs::read_to_string(&path).map_err(|e| format!("{}: {e}", path.display()))?;
        fs::write(&path, changed(&text, diff)?).expect("a file");
        before = Some((path, text));
    }
    let cargo = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--offline", "--workspace", "--bin", &name])
        .env("CARGO_TARGET_DIR", copy.join("target"))
        .env_remove("LD_PRELOAD")
        .current_dir(copy)
        .output()
        .expect("cargo");
    if let Some((path, text)) = before {
        fs::write(path, text).expect("a file");
    }
    let said = String::from_utf8_lossy(&cargo.stderr).into_owned();
    if cargo.status.success() { Ok(()) } else { Err(said) }
}

#[test]
fn every_change_compiles_and_has_the_outcome_that_is_promised() {
    let soak = std::env::var_os("SOAK").is_some();
    let all = changes();
    assert!(sections().len() < 10 || all.len() > 40, "only {} changes", all.len());
    let write = std::env::var("GOLDEN").is_ok_and(|mode| mode == "write");
    let which = std::env::var("CHANGES").ok().and_then(|share| share.parse().ok());
    let which = which.unwrap_or(WHICH);
    let copy = workshop();
    let mut wrong = Vec::new();
    for (n, change) in all.iter().enumerate() {
        if !soak && !write && n % SHARE != which {
            continue;
        }
        let name = format!("{} change {} (CHANGES={which})", change.section, change.number);
        let slow = change.answer.contains("twenty seconds");
        if let Err(why) = built(change, copy.path()) {
            wrong.push(format!("{name}: {why}"));
        } else if !slow || soak || write {
            let runs = blocks(&change.answer, "console");
            assert!(!runs.is_empty(), "{name}: no run shows the outcome");
            let page = answers(&change.section);
            let programs = copy.path().join("target/debug");
            for block in runs {
                match check(&page, &block, copy.path(), &programs) {
                    Err(_) if write => renewed(&page, &block, copy.path(), &programs),
                    found => wrong.extend(found.err()),
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[test]
fn a_change_that_does_not_fit_is_seen() {
    let text = "one\n    two\nthree\ntwo\n";
    assert_eq!(changed(text, "-two\n three\n+four\n"), Ok("one\nthree\nfour\ntwo\n".into()));
    assert!(changed(text, "-two\n").is_err(), "two places");
    assert!(changed(text, "-five\n").is_err(), "no place");
    assert_eq!(changed(text, "-one\n...\n two\n+2\n").as_deref(), Ok("    two\n2\nthree\ntwo\n"));
}
