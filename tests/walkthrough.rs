//! What README, notes and worksheets say is so: every console block is run and its output compared,
//! links and pictures exist, and a note's steps are its lab's.

mod common;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use common::pages::{blocks, check, checkout};
use common::{Experiment, apart, bin, experiments, lab, not_tested, repo, run, run_lab, sections};
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

#[test]
fn every_console_block_prints_what_the_page_says() {
    let checkout = checkout();
    let mut failed = Vec::new();
    for page in pages() {
        let text = fs::read_to_string(&page).unwrap_or_else(|e| panic!("{}: {e}", page.display()));
        for block in blocks(&text, "console") {
            failed.extend(check(&page, &block, checkout.path(), &bin("")).err());
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
        for Experiment { name, line } in experiments(&section) {
            let rows = line.rsplit_once('(').expect("rows").1.trim_end_matches(')');
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
        let known = experiments(&found[1]).iter().any(|one| one.name == found[2]);
        assert!(known, "{} is no experiment", &found[0]);
    }
}

/// A limit that the administrator has lowered is said, by its name, and fails no experiment.
#[test]
fn a_lower_limit_is_said_and_fails_nothing() {
    if !apart("limits that are set lower") {
        return;
    }
    let limits = [("shmmni", "1"), ("shmmax", "100000"), ("shmall", "100")];
    for section in sections() {
        for (name, value) in limits {
            let lab = lab(&section).display().to_string();
            let script = format!(
                "echo {value} > /proc/sys/kernel/{name} && cat /proc/sys/kernel/{name} && exec {lab} --experiments"
            );
            let words = ["unshare", "-r", "--ipc", "sh", "-c", &script];
            let run = run(Path::new(words[0])).args(&words[1..]).go();
            // A user may since Linux 5.19.
            if run.stderr.contains("Permission denied") {
                not_tested("Linux 5.19", "limits that are set lower");
                return;
            }
            assert!(run.code == 0 && run.stderr.is_empty(), "{section}, {name} {value}: {run:#?}");
            let named = run.stdout.contains(&format!("kernel.{name}"));
            let wanted = [
                ("4.3", "shmmni"),
                ("4.3", "shmmax"),
                ("4.5", "shmmax"),
                ("4.6", "shmall"),
                ("4.10", "shmmni"),
            ];
            assert!(
                named || !wanted.contains(&(section.as_str(), name)),
                "{section}, {name}: {run:#?}"
            );
        }
    }
}
