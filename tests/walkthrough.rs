//! What README, notes and worksheets say is so: every console block is run and its output compared,
//! links and pictures exist, and a note's steps are its lab's.

mod common;
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use common::{bin, per_process, repo, run, run_lab, scratch, scrub, sections};
use regex::Regex;

fn pages() -> Vec<PathBuf> {
    let here = |pattern: &str| repo().join(pattern);
    let mut pages = vec![here("README.md"), here("CONTRIBUTING.md"), here("CHANGELOG.md")];
    let notes = fs::read_dir(here("notes")).expect("notes").filter_map(Result::ok);
    pages.extend(
        notes.map(|entry| entry.path()).filter(|path| path.extension().is_some_and(|e| e == "md")),
    );
    pages.extend(sections().iter().map(|section| here(&format!("labs/{section}/worksheet.md"))));
    pages.sort();
    pages
}

/// The fenced blocks of one language.
pub fn blocks(text: &str, language: &str) -> Vec<String> {
    let mut blocks = Vec::new();
    let mut open: Option<(bool, String)> = None;
    for line in text.lines() {
        match (&mut open, line.strip_prefix("```")) {
            (None, Some(name)) => open = Some((name == language, String::new())),
            (Some(_), Some(_)) => blocks.extend(open.take().filter(|one| one.0).map(|one| one.1)),
            (Some((_, block)), None) => *block += &format!("{line}\n"),
            (None, None) => {}
        }
    }
    blocks
}

/// Undoes what depends on the width of the page and on the length of numbers.
fn normal(text: &str) -> Vec<String> {
    let more = Regex::new(r"^([\w ]+ \d+ │)?      +(\S.*)$").expect("continuation");
    let mut lines: Vec<String> = Vec::new();
    for line in text.lines() {
        match (more.captures(line), lines.last_mut()) {
            (Some(found), Some(last)) if !last.trim().is_empty() => {
                *last += &format!(" {}", &found[2])
            }
            _ => lines.push(line.trim_end().to_string()),
        }
    }
    let spaces = Regex::new(" +").expect("spaces");
    let scrubbed = scrub(&lines.join("\n"));
    scrubbed.lines().map(|line| spaces.replace_all(line, " ").trim().to_string()).collect()
}

/// Does `got` have these lines in this order? A line of three dots stands for any number.
fn like(expected: &[String], got: &[String]) -> bool {
    match expected.split_first() {
        None => got.is_empty(),
        Some((dots, rest)) if dots == "..." => (0..=got.len()).any(|skip| like(rest, &got[skip..])),
        Some((line, rest)) => got.first() == Some(line) && like(rest, &got[1..]),
    }
}

/// A copy of what the commands of the pages need, where a student may read it.
fn checkout() -> tempfile::TempDir {
    let dir = scratch();
    let copy = ["cp", "-r", "Cargo.toml", "Makefile", "src", "labs", "notes", "tests"];
    let done = std::process::Command::new(copy[0])
        .args(&copy[1..])
        .arg(dir.path())
        .current_dir(repo())
        .status();
    assert!(done.expect("cp").success());
    // Where cargo puts programs, for the commands that name one.
    fs::create_dir(dir.path().join("target")).expect("target");
    symlink(bin(""), dir.path().join("target/debug")).expect("target/debug");
    dir
}

fn check(page: &Path, block: &str, checkout: &Path) -> Result<(), String> {
    let commands: Vec<&str> = block.lines().filter_map(|line| line.strip_prefix("$ ")).collect();
    let programs = bin("").display().to_string();
    let mark = "\u{1e}";
    let mut script = format!("cd {}; PATH=$PATH:{programs}\n", checkout.display());
    for command in &commands {
        script += &format!("echo '{mark}'\n{{ {command}\n}} 2>&1\n");
    }
    let ran = run(Path::new("sh"))
        .args(&["-c", &script])
        .env("COLUMNS", "80")
        .env("CARGO", "true")
        .env("BIN", programs.trim_end_matches('/'))
        .go();
    let outputs: Vec<&str> = ran.stdout.split(&format!("{mark}\n")).skip(1).collect();
    let expected = format!("\n{block}");
    let expected: Vec<&str> = expected.split("\n$ ").skip(1).collect();
    for ((command, expected), output) in commands.iter().zip(expected).zip(outputs) {
        let expected = expected.split_once('\n').map_or("", |(_, rest)| rest);
        let (want, got) = (normal(expected), normal(output));
        let apart = |text: &str| normal(&per_process(text));
        if !like(&want, &got) && (expected.contains("\n...") || apart(expected) != apart(output)) {
            let (want, got) = (want.join("\n"), got.join("\n"));
            let diff = similar::TextDiff::from_lines(&want, &got).unified_diff().to_string();
            return Err(format!("{}: $ {command}\n{diff}\n{}", page.display(), ran.stderr));
        }
    }
    if !ran.left.is_empty() {
        return Err(format!("{}: the block leaves {:?}", page.display(), ran.left));
    }
    Ok(())
}

#[test]
fn every_console_block_prints_what_the_page_says() {
    let checkout = checkout();
    let mut failed = Vec::new();
    for page in pages() {
        let text = fs::read_to_string(&page).unwrap_or_else(|e| panic!("{}: {e}", page.display()));
        for block in blocks(&text, "console") {
            failed.extend(check(&page, &block, checkout.path()).err());
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n\n"));
}

#[test]
fn every_link_and_picture_exists() {
    let link = Regex::new(r"\]\(([^)\s]+)\)").expect("link");
    for page in pages() {
        let text = fs::read_to_string(&page).expect("a page");
        for found in link.captures_iter(&text) {
            let target = found[1].split('#').next().unwrap_or_default();
            if target.starts_with("https://") || target.is_empty() {
                continue;
            }
            let path = page.parent().expect("a folder").join(target);
            assert!(path.exists(), "{}: {target} does not exist", page.display());
        }
    }
}

#[test]
fn the_steps_of_a_note_are_those_of_its_lab() {
    let printed = Regex::new(r"(?m)^(?:[\w ]+ \d+ │)?── (\d+)  (.*?) ─*$").expect("step");
    let written = Regex::new(r"(?m)^#+ (\d+)  (.*)$").expect("heading");
    // Two processes print their steps as they come to them, so the order is not compared.
    let steps = |rule: &Regex, text: &str| -> BTreeSet<(String, String)> {
        rule.captures_iter(text).map(|step| (step[1].into(), step[2].into())).collect()
    };
    for section in sections() {
        let lab = steps(&printed, &run_lab(&section).go().clean().stdout);
        let note = steps(&written, &fs::read_to_string(note(&section)).expect("the note"));
        assert!(!lab.is_empty() && lab == note, "{section}\nthe lab:  {lab:?}\nthe note: {note:?}");
    }
}

fn note(section: &str) -> PathBuf {
    let mut notes = fs::read_dir(repo().join("notes")).expect("notes").filter_map(Result::ok);
    let found =
        notes.find(|entry| entry.file_name().to_string_lossy().starts_with(&format!("{section}-")));
    found.unwrap_or_else(|| panic!("no note for {section}")).path()
}

/// notes/behaviours.md and the experiments name each other.
#[test]
fn every_behaviour_stands_where_the_list_says() {
    let text = fs::read_to_string(repo().join("notes/behaviours.md")).expect("notes/behaviours.md");
    for section in sections() {
        let list = run_lab(&section).args(&["--list"]).go().clean().stdout;
        for line in list.lines() {
            let name = line.split_whitespace().next().expect("a name");
            let rows = line.trim_end().rsplit_once('(').expect("rows").1.trim_end_matches(')');
            for row in rows.split(' ') {
                let start = format!("| {row} |");
                let entry = text.lines().find(|line| line.starts_with(&start));
                let entry =
                    entry.unwrap_or_else(|| panic!("{row} of {section} {name} is not listed"));
                assert!(
                    entry.contains(&format!("`{name}`")),
                    "{row} does not name {section} `{name}`"
                );
            }
        }
    }
    // And every experiment that the page names is one.
    let named = Regex::new(r"(4\.\d+) `([\w-]+)`").expect("name");
    for found in named.captures_iter(&text).filter(|found| sections().contains(&found[1].into())) {
        let list = run_lab(&found[1]).args(&["--list"]).go().clean().stdout;
        let known = list.lines().any(|line| line.split_whitespace().next() == Some(&found[2]));
        assert!(known, "{} is no experiment", &found[0]);
    }
}
