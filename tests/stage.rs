//! `lab stage`: who moves next is chosen, and the same keys come to the same.
#![cfg(target_arch = "x86_64")]

mod common;

use std::fs;

use common::{Run, bin, can_explore, compiled, repo, run};
use regex::Regex;
use serde_json::Value;

fn stage(args: &[&str]) -> Run {
    let workbook = repo().display().to_string();
    // What cargo sets there makes the loader look into many folders.
    let lab = run(&bin("lab")).env("LD_LIBRARY_PATH", "");
    lab.args(&[&["stage", "--workbook", &workbook], args].concat()).go()
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

#[test]
fn orders_are_counted_and_predictions_answered() {
    if !can_explore("orders and predictions on the stage") {
        return;
    }
    let transcript = played("oc2p1;2;3;4;5;AA");
    for said in [
        "Of 5 orders from here, 3 go wrong: 3 deadlock\nWho moves next?",
        "Who sleeps after the next move?\n  1. nobody\n  2. a\n  3. b\n  4. a and b\n  5. something else",
        "The answer: nobody. 1 of 15 said so.",
        "Of 1 order from here, 1 goes wrong: 1 deadlock",
    ] {
        assert!(transcript.contains(said), "{said}: {transcript}");
    }
    // Both sleep in the end, and none does before.
    let transcript = played("c2Accbp0;1;0;7;0; ");
    assert!(transcript.contains("The answer: a and b. 7 of 8 said so."), "{transcript}");
    let transcript = played("g4;p;;;p;1;;;c");
    assert!(transcript.contains("nattch of segment 0 is 1. What is it"), "{transcript}");
}

/// Sleepers, the rows, and then what the search of all orders from here knows.
#[test]
fn the_tree_answers_a_question() {
    if !can_explore("a question that the tree answers") {
        return;
    }
    let transcript = played("c2p;;;;;p;;;;p0;1;5;2;0;A");
    for said in
        ["How many of the orders from here go wrong?", "The answer: 2 of 3. 5 of 8 said so."]
    {
        assert!(transcript.contains(said), "{said}: {transcript}");
    }
}

#[test]
fn a_run_is_recorded() {
    if !can_explore("a recorded stage") {
        return;
    }
    let run = stage(&["4.8", "--script", LOST, "--record", "{dir}/lesson.json"]);
    let read = |name: &str| fs::read_to_string(run.dir.path().join(name)).expect(name);
    let lines = |text: &str| -> Vec<Value> {
        text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
    };
    let events = lines(&read("lesson.json"));
    assert_eq!(events.last().expect("an end")["finding"], "deadlock", "{run:#?}");
    let frames = lines(&read("lesson.cast"));
    assert!(frames[0]["version"] == 2 && frames[0]["width"].is_u64(), "{}", frames[0]);
    let shown = frames[1..].iter().map(|frame| frame[2].as_str().expect("text"));
    assert_eq!(shown.collect::<String>().replace('\r', ""), run.stdout);
    let run = stage(&["4.8", "--script", "", "--record", "/not/there.json"]);
    assert!(run.code == 2 && run.stderr.starts_with("lab stage: /not/there.json: "), "{run:#?}");
}

/// Two programs; four threads, one of which reads too early.
#[test]
fn other_sections_have_a_stage() {
    if !can_explore("stages of 4.9 and 4.10") {
        return;
    }
    let run = stage(&["4.9", "--script", "g99;"]);
    assert!(run.code == 0 && run.stdout.contains("b prints: client: hello, client"), "{run:#?}");
    assert!(run.stdout.contains("shm 0 pid: 100 -> 101"), "{run:#?}");
    let run = stage(&["4.10", "--script", "g99;"]);
    assert!(run.code == 0 && run.stdout.contains("a prints: received 2"), "{run:#?}");
    assert!(run.stdout.contains("d (thread of b): has ended"), "{run:#?}");
    assert!(run.stdout.contains("shm 0 to_parent.full: 0 -> 1"), "{run:#?}");
}

/// Experiments of the labs that fork, with as many processes as they have; all of these with SOAK.
const EXPERIMENTS: [(&str, &str, usize); 18] = [
    ("4.5", "fork", 3),
    ("4.5", "minus-one", 2),
    ("4.5", "exit-exec-kill", 3),
    ("4.5", "past-the-end", 2),
    ("4.5", "read-only", 3),
    ("4.5", "execute", 3),
    ("4.5", "mode-forbids", 2),
    ("4.6", "last-detach", 2),
    ("4.6", "dead-address", 3),
    ("4.6", "by-a-thread", 3),
    ("4.8", "handler-late", 2),
    ("4.8", "mask-inherited", 2),
    ("4.10", "coalesce", 2),
    ("4.10", "sem-undo", 3),
    ("4.10", "dead-holder", 3),
    ("4.10", "robust", 4),
    ("4.10", "condition", 3),
    ("4.10", "futex-private", 3),
];

#[test]
fn experiments_have_a_stage() {
    if !can_explore("experiments on the stage") {
        return;
    }
    let soak = std::env::var_os("SOAK").is_some();
    // The last lines say how each of them stands.
    let stands = Regex::new(r"(?m)^  [a-z] (\d+|\(thread of [a-z]\)): ").expect("a lane");
    let some = EXPERIMENTS.iter().take(if soak { EXPERIMENTS.len() } else { 1 });
    for (section, name, processes) in some {
        let lab = common::lab(section).display().to_string();
        let run = stage(&["--script", "g9999;", "--", &lab, "--experiment", name]);
        let last = run.stdout.rsplit("\n\n").next().unwrap_or_default();
        assert_eq!(
            (run.code, stands.find_iter(last).count()),
            (0, *processes),
            "{section} {name}: {last}"
        );
        assert!(last.contains("It is over."), "{section} {name}: {last}");
    }
}

/// Those that the note names have none, and make says so in one line.
#[test]
fn experiments_without_a_stage_say_so() {
    let note = fs::read_to_string(repo().join("notes/stage.md")).expect("the note");
    for name in ["store-buffers", "peterson", "seqlock"] {
        let experiment = format!("EXPERIMENT={name}");
        let mut make = std::process::Command::new("make");
        make.args(["--no-print-directory", "-C"]).arg(repo()).args(["stage-4.10", &experiment]);
        let done = make.env_remove("MAKEFLAGS").output().expect("make");
        let said = String::from_utf8_lossy(&done.stderr).into_owned();
        let first = format!("make: {name} of 4.10 has no stage: notes/stage.md says why");
        assert!(done.status.code() == Some(2) && said.starts_with(&first), "{done:?}");
        assert!(note.contains(&format!("`{name}` of 4.10")), "{name}");
    }
}

#[test]
fn each_sentence_stands_in_the_note() {
    for section in ["4.8", "4.9", "4.10"] {
        let path = repo().join(format!("labs/{section}/stage.toml"));
        let text = fs::read_to_string(&path).expect("stage.toml");
        let file: toml::Table = toml::from_str(&text).expect("TOML");
        let notes = fs::read_dir(repo().join("notes")).expect("notes").filter_map(Result::ok);
        let of_section = format!("{section}-");
        let note = notes.map(|one| one.path()).find(|path| {
            path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(&of_section))
        });
        let note = fs::read_to_string(note.expect("a note")).expect("text").replace('\n', " ");
        for one in file.get("sentence").and_then(|all| all.as_array()).into_iter().flatten() {
            let says = one["says"].as_str().expect("a sentence");
            assert!(note.contains(says), "{section}: {says}");
        }
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
