//! The start of a program is paid once: runs of `lab explore` are copies of a program that is held, and what
//! fork changes is noticed by none. Where a copy would not be the same, each run starts it anew.
#![cfg(target_arch = "x86_64")]

mod common;
use std::process::Command;

use common::foreign::explored;
use common::{bin, can_explore, compiled, run};

/// Held before any of it matters, and copied.
const COPIED: [&str; 9] = [
    "nothing",
    "recursive",
    "checked",
    "pid",
    "tid",
    "death-signal",
    "buffered",
    "alternative-stack",
    "robust",
];

/// What all copies would share, or none would have.
const STARTED_ANEW: [&str; 4] = ["descriptor", "standard-input", "locked", "timer"];

/// How many programs were started, and how often they ran. In each order a program prints what it prints alone.
fn starts_and_runs(what: &str) -> [u64; 2] {
    let program = compiled("c/starts.c", &[]);
    let name = program.display().to_string();
    let run = run(&bin("lab")).args(&["explore", "--json", "--", &name, what]).go();
    assert_eq!(run.code, 0, "{what}: {run:#?}");
    assert!(run.stderr.is_empty(), "{what}: {run:#?}");
    let explored = explored(&run);
    let alone = Command::new(program).arg(what).output().expect("runs");
    let outcomes = explored["outcomes"].as_array().expect("outcomes");
    assert_eq!(outcomes.len(), 1, "{what}: {explored:#?}");
    let printed = outcomes[0]["printed"].as_array().expect("a list");
    let text = printed.iter().map(|piece| piece["text"].as_str().expect("a text"));
    assert_eq!(text.collect::<String>(), String::from_utf8_lossy(&alone.stdout), "{what}");
    assert_eq!(alone.status.code(), Some(0), "{what}");
    ["starts", "runs"].map(|name| explored[name].as_u64().expect("a number"))
}

#[test]
fn copies_do_what_a_program_does_that_was_started() {
    if !can_explore("that runs are copies") {
        return;
    }
    for what in COPIED {
        let [starts, runs] = starts_and_runs(what);
        // The first run, once more when it is seen to look at rows, and the one that is held.
        assert!(starts <= 3, "{what}: {starts} starts, {runs} runs");
        assert!(runs > 3, "{what}: {starts} starts, {runs} runs");
    }
}

#[test]
fn a_program_of_which_a_copy_would_not_be_the_same_is_started_anew() {
    if !can_explore("which programs are started for each run") {
        return;
    }
    for what in STARTED_ANEW {
        let [starts, runs] = starts_and_runs(what);
        assert_eq!(starts, runs + 1, "{what}");
    }
}
