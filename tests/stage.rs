//! `lab stage`: who moves next is chosen, and the same keys come to the same.
#![cfg(target_arch = "x86_64")]

mod common;

use common::{Run, bin, can_explore, compiled, repo, run};

fn stage(args: &[&str]) -> Run {
    let workbook = repo().display().to_string();
    run(&bin("lab")).args(&[&["stage", "--workbook", &workbook], args].concat()).go()
}

/// Plays these keys in section 4.8.
fn played(keys: &str) -> String {
    let run = stage(&["4.8", "--script", keys]);
    assert!(run.code == 0 && run.stderr.is_empty() && run.left.is_empty(), "{keys}: {run:#?}");
    run.stdout
}

/// The part of a transcript from the last step on.
fn last_step(transcript: &str) -> &str {
    transcript.rfind("\nStep ").map_or("", |at| &transcript[at + 1..])
}

/// The child stands before pause, and then the signal comes.
const LOST: &str = "c2Acc";

#[test]
fn the_wake_up_is_lost_in_at_most_6_keys() {
    if !can_explore("the lost wake-up on the stage") {
        return;
    }
    assert!(LOST.len() <= 6);
    let transcript = played(LOST);
    assert!(transcript.contains("Something is wrong.\n  deadlock: a (100) sleeps in pause"));
    assert!(transcript.contains("cure: "), "{transcript}");
    // If the child moves last, it comes to pause only when the signal has been handled.
    let transcript = played("g99;");
    assert!(transcript.contains("Nothing is wrong.\n  All have ended: a 0, b 0"), "{transcript}");
}

#[test]
fn the_same_keys_come_to_the_same() {
    if !can_explore("transcripts of the stage") {
        return;
    }
    let times = if std::env::var_os("SOAK").is_some() { 100 } else { 10 };
    let keys = "c2AbbAx?g9;g2;trcBtg99;";
    let first = played(keys);
    for _ in 1..times {
        common::assert_same("a transcript", &first, &played(keys));
    }
}

#[test]
fn what_has_changed_is_said() {
    if !can_explore("what the stage shows") {
        return;
    }
    let transcript = played(LOST);
    for said in [
        "shm 0: new: key 0, size 128, nattch 0, status -, cpid 100, lpid 0",
        "shm 0: nattch 0 -> 1, lpid 0 -> 100",
        "shm 0 message: \"\" -> \"hello, child\"",
        "a 100 │ kill(101, SIGUSR1) = 0",
        "  2: b: begins  (takes the turn)",
    ] {
        assert!(transcript.contains(said), "{said}: {transcript}");
    }
}

#[test]
fn back_is_the_run_as_it_was() {
    if !can_explore("back on the stage") {
        return;
    }
    let there = played("c2A");
    let step = |text: &str| last_step(text).split("\n\n").last().map(str::to_string);
    for keys in ["c2AAb", "c2AAAbb", "c2Arc2A", "c2Accg8;", "g6;2A", "c1b2A"] {
        assert_eq!(step(&played(keys)), step(&there), "{keys}");
    }
    let begin = played("c2Ar");
    assert!(begin.contains("\nBack at step 0.\n"), "{begin}");
}

#[test]
fn what_cannot_be_is_said() {
    if !can_explore("the stage and wrong keys") {
        return;
    }
    for (keys, said) in [
        ("b", "This is the beginning."),
        ("2", "There is no such choice."),
        ("B", "b cannot move now."),
        ("t", "No time can pass here: nobody waits with a limit."),
        ("%", "? lists the keys."),
        ("?", "run on, until other processes can move than now"),
        ("c2Accg99;", "It is over: there is no later step."),
    ] {
        let transcript = played(keys);
        assert!(transcript.contains(said), "{keys}: {transcript}");
    }
    for (args, said) in [
        (&["4.1"][..], "no stage for section 4.1; there are: "),
        (&["--", "./not-there"], "./not-there: ENOENT"),
        (&[], "required"),
        (&["4.8", "--and", "true", "--", "true"], "cannot be used with"),
    ] {
        let run = stage(args);
        assert_eq!((run.code, run.stderr.lines().count()), (2, 1), "{run:#?}");
        assert!(run.stderr.contains(said), "{run:#?}");
    }
}

/// A sleep ends when time passes, and others may move before.
#[test]
fn time_is_a_choice() {
    if !can_explore("time on the stage") {
        return;
    }
    let program = compiled("zoo/bad/sleep-as-cure.c", &[]).display().to_string();
    let run = stage(&["--script", "ccct", "--", &program]);
    assert!(run.code == 0 && run.stdout.contains("time passes for "), "{run:#?}");
}
