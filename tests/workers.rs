//! `lab explore` with a second worker answers what it answers with one, byte for byte.
#![cfg(target_arch = "x86_64")]

mod common;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use common::foreign::foreign;
use common::{bin, can_explore, compiled, preloaded, repo, run};
use regex::Regex;

/// Of the zoo, one in so many is explored; with SOAK, all are, and with `--all`, too.
const SHARE: usize = 9;

/// Some that race in memory are among them: they begin again when more is learned.
const RACING: [&str; 4] = ["counter-lost", "counter-in-map", "index", "peterson"];

/// What is not the same in two explorations: how long they took, when they were, and the names of folders that
/// nobody else has.
fn timeless(text: &str) -> String {
    let parts = [
        r#""(seconds|us)":[0-9.e-]+"#,
        r"in [0-9.]+ s \([0-9]+ a\s+second",
        r"shm-workbook-test-\w{6}|lab-explore-\w{6}|counter-\w{6}",
        r"\b1[0-9]{9}\b",
    ];
    let part = Regex::new(&parts.join("|")).expect("a pattern");
    part.replace_all(text, "…").split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Explores with one worker and with two.
fn same_with_both(program: &str, words: &[&str], options: &[&str]) {
    let one = |workers: &str| {
        let options = [&["explore", "--workers", workers], options].concat();
        let run = run(&bin("lab")).args(&[&options[..], words].concat()).go();
        assert!(run.left.is_empty() && run.code != 2, "{run:#?}");
        (run.code, timeless(&run.stdout), timeless(&run.stderr))
    };
    let [(code, out, err), (other, out_of_two, err_of_two)] = [one("1"), one("2")];
    assert_eq!((code, err), (other, err_of_two), "{program} {options:?}");
    // A whole answer is long.
    let mut words = out.split(',').zip(out_of_two.split(','));
    let differs = words.find(|(word, other)| word != other);
    let same = differs.is_none() && out.len() == out_of_two.len();
    assert!(same, "{program} {options:?}: {differs:?}");
}

fn zoo() -> Vec<PathBuf> {
    let files = ["bad", "good"].iter().flat_map(|kind| {
        let dir = repo().join("tests/zoo").join(kind);
        fs::read_dir(dir).expect("tests/zoo").map(|entry| entry.expect("a file").path())
    });
    let mut all: Vec<PathBuf> = files.collect();
    all.sort();
    all
}

#[test]
fn the_answer_is_the_same_with_two() {
    if !can_explore("lab explore with two workers") {
        return;
    }
    let all = std::env::var_os("SOAK").is_some();
    for (at, file) in zoo().iter().enumerate() {
        let name = file.file_stem().expect("a name").to_string_lossy().into_owned();
        // It computes until its time is over, and how far it comes then is not the same each time.
        let races = RACING.iter().any(|word| name.starts_with(word));
        if name == "computes-beside" || !all && !races && at % SHARE != 0 {
            continue;
        }
        let text = fs::read_to_string(file).expect("C");
        let below = file.strip_prefix(repo().join("tests")).expect("below").display().to_string();
        let program = compiled(&below, &["-pthread"]).display().to_string();
        let client = format!("{program} client");
        let first = text.lines().next().unwrap_or_default();
        let pair = first.split(' ').nth(4) == Some("pair");
        let words = match pair {
            true => vec!["--and", &client, "--", &program, "server"],
            false => vec!["--", &program],
        };
        same_with_both(&name, &words, &["--json"]);
        if all {
            same_with_both(&name, &words, &["--all", "--preemptions", "1", "--max", "500"]);
        }
    }
}

/// Explorations that go on long enough for the second worker to be of use.
#[test]
fn also_where_the_second_makes_many_of_the_runs() {
    if !can_explore("lab explore with two workers") {
        return;
    }
    let unbounded = ["--json", "--preemptions", "unbounded"];
    for file in ["bad/no-predicate", "good/signal-thread", "bad/philosophers"] {
        let program = compiled(&format!("zoo/{file}.c"), &["-pthread"]).display().to_string();
        same_with_both(file, &["--", &program], &unbounded);
        same_with_both(file, &["--", &program], &["--all", "--preemptions", "2", "--max", "300"]);
    }
}

/// Each worker has namespaces of its own, and a program finds the same in them: numbers of processes, ids, the time,
/// its folder, its environment.
#[test]
fn a_program_cannot_tell_by_which_it_is_run() {
    if !can_explore("lab explore with two workers") {
        return;
    }
    let program = foreign("surroundings").display().to_string();
    let words = ["explore", "--json", "--all", "--preemptions", "2", "--workers", "2"];
    let run = run(&bin("lab")).args(&[&words[..], &["--", &program]].concat()).go();
    let explored = common::foreign::explored(&run);
    assert!(explored["schedules"].as_u64() > Some(200), "{run:#?}");
    assert_eq!(explored["outcomes"].as_array().map(Vec::len), Some(1), "{run:#?}");
    assert_eq!(explored["complete"], true, "{run:#?}");
}

/// A filter and a room a worker, however long it goes on.
#[test]
fn each_has_one_filter() {
    if !can_explore("lab explore with two workers") {
        return;
    }
    let program = compiled("zoo/good/philosophers-in-order.c", &[]).display().to_string();
    for (workers, filters) in [("1", 1), ("2", 2)] {
        let counted = common::scratch();
        let file = counted.path().join("count");
        fs::write(&file, "").expect("count");
        fs::set_permissions(&file, Permissions::from_mode(0o666)).expect("chmod");
        let words = ["explore", "--json", "--preemptions", "unbounded", "--workers", workers];
        let run = run(&bin("lab"))
            .args(&[&words[..], &["--", &program]].concat())
            .env("LD_PRELOAD", &preloaded("c/count.c"))
            .env("COUNT", &file.display().to_string())
            .go();
        let lines = fs::read_to_string(&file).expect("count");
        let made = lines.lines().filter(|line| *line == "filter").count();
        assert!(made == filters && run.code == 0, "{workers}: {lines} {run:#?}");
    }
}
