//! The start of a program is paid once: runs of `lab explore` are copies of a program that is held, and what
//! fork changes is noticed by none. Where a copy would not be the same, each run starts it anew.
#![cfg(target_arch = "x86_64")]

mod common;
use std::process::Command;

use common::{bin, can_explore, compiled, run};
use serde_json::Value;

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

fn explored(what: &str) -> Value {
    let program = compiled("c/starts.c", &[]).display().to_string();
    let run = run(&bin("lab")).args(&["explore", "--json", "--", &program, what]).go();
    assert_eq!(run.code, 0, "{what}: {run:#?}");
    assert!(run.stderr.is_empty(), "{what}: {run:#?}");
    serde_json::from_str(run.stdout.lines().next().expect("a line")).expect("JSON")
}

/// What it prints alone, and in each order.
fn prints_what_it_prints_alone(what: &str, explored: &Value) {
    let alone = Command::new(compiled("c/starts.c", &[])).arg(what).output().expect("runs");
    let outcomes = explored["outcomes"].as_array().expect("outcomes");
    assert_eq!(outcomes.len(), 1, "{what}: {explored:#?}");
    let printed = outcomes[0]["printed"].as_array().expect("a list");
    let text = printed.iter().map(|piece| piece["text"].as_str().expect("a text"));
    assert_eq!(text.collect::<String>(), String::from_utf8_lossy(&alone.stdout), "{what}");
    assert_eq!(alone.status.code(), Some(0), "{what}");
}

#[test]
fn copies_do_what_a_program_does_that_was_started() {
    if !can_explore("that runs are copies") {
        return;
    }
    for what in COPIED {
        let explored = explored(what);
        prints_what_it_prints_alone(what, &explored);
        let count = |name: &str| explored[name].as_u64().expect("a number");
        // The first run, once more when it is seen to look at rows, and the one that is held.
        assert!(count("starts") <= 3, "{what}: {explored:#?}");
        assert!(count("runs") > 3, "{what}: {explored:#?}");
    }
}

#[test]
fn a_program_of_which_a_copy_would_not_be_the_same_is_started_anew() {
    if !can_explore("which programs are started for each run") {
        return;
    }
    for what in STARTED_ANEW {
        let explored = explored(what);
        prints_what_it_prints_alone(what, &explored);
        let count = |name: &str| explored[name].as_u64().expect("a number");
        assert_eq!(count("starts"), count("runs") + 1, "{what}: {explored:#?}");
    }
}
