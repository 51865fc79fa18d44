//! What was printed is part of an outcome of `lab explore`: by whom, to which stream, and, where that was
//! asked for, in which order; and --expect makes a finding of anything else.
#![cfg(target_arch = "x86_64")]

mod common;
use std::fs;

use common::{Run, bin, can_explore, compiled, run};
use serde_json::Value;

fn explore(options: &[&str], what: &str) -> Run {
    let program = compiled("c/printers.c", &[]).display().to_string();
    let words = [&["explore"], options, &["--", &program, what]].concat();
    run(&bin("lab")).args(&words).go()
}

/// The first line of JSON.
fn explored(options: &[&str], what: &str) -> Value {
    common::foreign::explored(&explore(&[&["--json"], options].concat(), what))
}

/// What was printed, for each outcome.
fn outputs(explored: &Value) -> Vec<String> {
    let one = |piece: &Value| {
        let word = |name: &str| piece[name].as_str().expect("a word").to_string();
        format!("{} {} {}", word("who"), word("stream"), word("text"))
    };
    let of = |outcome: &Value| {
        outcome["printed"].as_array().expect("a list").iter().map(one).collect::<String>()
    };
    let mut all: Vec<String> =
        explored["outcomes"].as_array().expect("outcomes").iter().map(of).collect();
    all.sort();
    all
}

#[test]
fn different_output_in_different_orders_is_told() {
    if !can_explore("what lab explore says of output") {
        return;
    }
    let early = explored(&[], "early");
    let both =
        ["a stdout parent\nb stdout child: \n", "a stdout parent\nb stdout child: a letter\n"];
    assert_eq!(outputs(&early), both, "{early:#?}");
    assert_eq!(
        (&early["prints_differently"], &early["prints_by_chance"]),
        (&true.into(), &false.into())
    );
    let run = explore(&[], "early");
    for part in [
        "It prints different things in different orders:\n  schedule ",
        "│ b, stdout, line 1: \"child: \\n\"",
        "b prints \"child: a letter\\n\"",
    ] {
        assert!(run.stdout.contains(part), "{part}: {run:#?}");
    }
    // The letter is stored while it may be looked at; by calls alone nobody can say that this is why.
    assert!(run.code == 1 && run.stdout.contains("race: shm 0 "), "{run:#?}");
    let calls = explore(&["--calls-only"], "early");
    assert!(calls.code == 0 && calls.stdout.contains("in different orders:"), "{calls:#?}");
    let late = explored(&[], "late");
    assert_eq!(outputs(&late), ["a stdout parent\nb stdout child: a letter\n"]);
    assert_eq!(late["prints_differently"], false);
    let complains = explored(&[], "complains");
    assert_eq!(outputs(&complains), ["b stderr late|\n", "b stderr |\n"], "{complains:#?}");
    assert_eq!(outputs(&explored(&[], "twice")), ["a stdout before\nb stdout before\n"]);
}

#[test]
fn what_is_expected_is_held_in_every_order() {
    if !can_explore("lab explore --expect") {
        return;
    }
    let expected = "parent\\nchild: a letter\\n";
    let run = explore(&["--expect", expected], "early");
    for part in [
        "prints what is not expected",
        "▶ b prints \"child: \", and \"child: a letter\" was expected",
        "cure: ",
        "--expect ",
    ] {
        assert!(run.stdout.contains(part), "{part}: {run:#?}");
    }
    assert_eq!(run.code, 1, "{run:#?}");
    let schedule = run.stdout.lines().find_map(|line| line.strip_prefix("SCHEDULE "));
    let again = explore(&["--expect", expected, "--replay", schedule.expect("it")], "early");
    assert!(again.code == 1 && again.stdout.contains("was expected"), "{again:#?}");
    // Lines of different processes in any order; and from a file.
    for expected in ["child: a letter\\nparent", "parent\\nchild: a letter"] {
        let run = explore(&["--expect", expected], "late");
        assert_eq!(run.code, 0, "{run:#?}");
    }
    let dir = common::scratch();
    let file = dir.path().join("expected").display().to_string();
    fs::write(&file, "child: a letter\nparent\n").expect("a file");
    assert_eq!(explore(&["--expect", &file], "late").code, 0);
    assert_eq!(explore(&["--expect", &file], "early").code, 1);
    let folder = dir.path().display().to_string();
    let refused = explore(&["--expect", &folder], "late");
    assert!(refused.code == 2 && refused.stderr.lines().count() == 1, "{refused:#?}");
    let missing = explore(&["--expect", "child: a letter\\nparent\\nmore"], "late");
    assert!(missing.stdout.contains("nobody prints \"more\", which was expected"), "{missing:#?}");
}

#[test]
fn who_prints_first_counts_where_that_is_asked_for() {
    if !can_explore("lab explore --interleaving") {
        return;
    }
    let both = explored(&[], "both");
    assert_eq!(both["schedules"], 1, "nobody can tell who came first: {both:#?}");
    assert_eq!(outputs(&both), ["a stdout parent\nb stdout child\n"]);
    let told_apart = explored(&["--interleaving"], "both");
    let two = ["a stdout parent\nb stdout child\n", "b stdout child\na stdout parent\n"];
    assert_eq!(outputs(&told_apart), two, "{told_apart:#?}");
    // Equal bytes to one stream: nobody can tell who wrote which.
    let equal = explored(&["--interleaving"], "equal");
    assert_eq!(equal["schedules"], 1, "{equal:#?}");
}

#[test]
fn output_that_depends_on_more_than_order_is_told() {
    if !can_explore("what lab explore says of output") {
        return;
    }
    let run = explore(&[], "chance");
    assert!(run.stdout.contains("differs from run to run"), "{run:#?}");
    // The time of day is no difference, and neither are pids.
    let when = explored(&["--all", "--preemptions", "unbounded"], "when");
    assert_eq!(outputs(&when).len(), 1, "{when:#?}");
    let text = outputs(&when).remove(0);
    assert!(text.ends_with(" 100\n"), "{text}");
    let much = explore(&[], "much");
    assert!(much.code == 3 && much.stdout.contains("it prints more than"), "{}", much.stderr);
}
