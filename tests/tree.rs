//! What `lab explore` writes for programs to read: a run as events, and every place of a program as a tree.
#![cfg(target_arch = "x86_64")]

mod common;
use std::fs;
use std::path::{Path, PathBuf};

use common::{Run, bin, can_explore, compiled, repo, run};
use regex::Regex;
use serde_json::Value;

/// From the zoo: a signal that is lost between a check and a pause.
fn check_then_pause() -> PathBuf {
    compiled("zoo/bad/check-then-pause.c", &[])
}

fn lab(args: &[&str]) -> Run {
    // What cargo sets there makes the loader look into many folders.
    run(&bin("lab")).env("LD_LIBRARY_PATH", "").args(args).go()
}

/// The tree lies in the folder of the run.
fn tree_of(options: &[&str], program: &[&str]) -> (Run, PathBuf) {
    let run = lab(&[&["explore", "--tree", "tree.json"], options, &["--"], program].concat());
    let file = run.dir.path().join("tree.json");
    (run, file)
}

fn json(file: &Path) -> Value {
    serde_json::from_str(&fs::read_to_string(file).expect("a tree")).expect("JSON")
}

#[test]
fn every_event_of_a_run_is_documented() {
    if !can_explore("what lab explore --json says") {
        return;
    }
    let notes = fs::read_to_string(repo().join("notes/events.md")).expect("notes/events.md");
    let heading = Regex::new(r"(?m)^###+ `(\w+)`").expect("heading");
    let known: Vec<String> = heading.captures_iter(&notes).map(|one| one[1].to_string()).collect();
    let program = check_then_pause().display().to_string();
    let spins = compiled("zoo/good/spin.c", &[]).display().to_string();
    let mut seen = vec![];
    for words in [
        vec!["explore", "--json", "--", &program],
        vec!["explore", "--json", "--replay", "-", "--", &program],
        vec!["explore", "--json", "--replay", "-", "--", &spins],
    ] {
        for line in lab(&words).stdout.lines() {
            let event: Value = serde_json::from_str(line).expect("JSON");
            let kind = event["event"].as_str().expect("an event").to_string();
            assert!(known.contains(&kind), "{kind} is not documented");
            let mut todo = vec![&event];
            while let Some(value) = todo.pop() {
                match value {
                    Value::Object(fields) => {
                        for (name, value) in fields {
                            assert!(notes.contains(&format!("`{name}`")), "{name} of {kind}");
                            todo.push(value);
                        }
                    }
                    Value::Array(values) => todo.extend(values),
                    _ => {}
                }
            }
            seen.push(kind);
        }
    }
    for kind in ["explored", "move", "call", "table", "signal", "exit", "spins", "finding", "ended"]
    {
        assert!(seen.iter().any(|one| one == kind), "{kind} never came");
    }
}

#[test]
fn a_move_says_who_could_have_moved_and_with_which_call() {
    if !can_explore("what lab explore --json says of moves") {
        return;
    }
    let program = check_then_pause().display().to_string();
    let run = lab(&["explore", "--json", "--", &program]);
    let lines: Vec<Value> =
        run.stdout.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!((&lines[0]["format"], &lines[0]["version"]), (&"lab-run".into(), &1.into()));
    let choices: Vec<&Value> = lines
        .iter()
        .filter(|line| line["event"] == "move" && line["could"].as_array().map(Vec::len) == Some(2))
        .collect();
    assert!(!choices.is_empty(), "{run:#?}");
    let calls = |line: &&Value| {
        let all = line["could"].as_array().expect("a list").iter();
        all.map(|one| one["call"].as_str().unwrap_or_default().to_string()).collect::<Vec<_>>()
    };
    let both =
        |calls: &Vec<String>| calls[0].starts_with("pause(") && calls[1].starts_with("kill(");
    assert!(choices.iter().map(calls).any(|calls| both(&calls)), "{choices:#?}");
}

/// Every order of the explored ones is a path through the tree, and leads to an end.
#[test]
fn a_tree_holds_every_order_that_was_tried() {
    if !can_explore("lab explore --tree") {
        return;
    }
    let program = check_then_pause().display().to_string();
    for options in
        [&["--json"][..], &["--json", "--all"], &["--json", "--all", "--preemptions", "unbounded"]]
    {
        let (run, file) = tree_of(options, &[&program]);
        let explored: Value =
            serde_json::from_str(run.stdout.lines().next().expect("a line")).expect("JSON");
        let tree = json(&file);
        let places = tree["places"].as_array().expect("places");
        let orders = places[0]["orders"].as_array().expect("orders").iter();
        let count: f64 = orders.map(|pair| pair[1].as_f64().expect("a number")).sum();
        assert_eq!(count, explored["schedules"].as_f64().expect("a number"), "{options:?}");
        assert_eq!(tree["complete"], true);
        let mut paths = 0;
        let mut todo = vec![0_usize];
        while let Some(at) = todo.pop() {
            let choices = places[at]["choices"].as_array().cloned().unwrap_or_default();
            let leads: Vec<usize> =
                choices.iter().filter_map(|one| Some(one["to"].as_u64()? as usize)).collect();
            assert_eq!(leads.is_empty(), places[at]["end"].is_u64(), "{at}");
            if options.contains(&"unbounded") {
                assert_eq!(leads.len(), choices.len(), "a choice leads nowhere");
            }
            paths += usize::from(leads.is_empty());
            todo.extend(leads);
        }
        assert_eq!(paths as f64, count, "{options:?}");
        let said = lab(&["tree", &file.display().to_string()]);
        assert!(
            said.code == 0 && said.stdout.contains("▶") && said.stdout.contains("deadlock"),
            "{said:#?}"
        );
        assert!(said.stdout.contains("orders go wrong"), "{said:#?}");
    }
}

#[test]
fn what_is_no_tree_is_refused_in_one_line() {
    if !can_explore("files that are no trees") {
        return;
    }
    let program = check_then_pause().display().to_string();
    let (run, file) = tree_of(&[], &[&program]);
    let good = json(&file);
    let with = |field: &str, value: Value| {
        let mut bad = good.clone();
        bad[field] = value;
        bad.to_string()
    };
    let whole = good.to_string();
    for (text, why) in [
        (with("version", 2.into()), "has version 2 of lab-tree, and this lab reads version 1"),
        (with("format", "lab-run".into()), "is no tree (its format: lab-run)"),
        (with("moves", Value::Array(vec![])), "there is no move"),
        (with("places", Value::Array(vec![])), "there is no place 0"),
        (whole[..whole.len() / 2].to_string(), "is no tree: "),
        ("[1]".into(), "is no tree (its format: none)"),
    ] {
        let bad = run.dir.path().join("bad.json");
        fs::write(&bad, text).expect("a file");
        let said = lab(&["tree", &bad.display().to_string()]);
        assert!(said.code == 2 && said.stderr.contains(why), "{why}: {said:#?}");
        assert!(said.stderr.contains("write it with lab explore --tree"), "{said:#?}");
        assert_eq!(said.stderr.lines().count(), 1, "{said:#?}");
    }
    let said = lab(&["tree", "/nowhere/tree.json"]);
    assert!(
        said.code == 2 && said.stderr.contains("/nowhere/tree.json: No such file"),
        "{said:#?}"
    );
    let said = lab(&["explore", "--tree", "/nowhere/tree.json", "--", &program]);
    assert!(said.code == 2 && said.stderr.contains("/nowhere/tree.json"), "{said:#?}");
}

/// For a page that carries both.
#[test]
fn the_trees_of_4_8_are_small() {
    if !can_explore("the trees of 4.8") {
        return;
    }
    let lab_4_8 = bin("lab_4_8").display().to_string();
    let size = |part: &[&str]| {
        let words = [&[&*lab_4_8, "--part"], part, &["--unwatched"]].concat();
        let (run, file) = tree_of(&["--preemptions", "1"], &words);
        assert!(run.code < 2, "{run:#?}");
        fs::metadata(&file).expect("a tree").len()
    };
    let lost = size(&["a"]);
    assert!(lost <= 100_000, "{lost} bytes");
    if std::env::var_os("SOAK").is_some() {
        let safe = size(&["c", "--rounds", "1"]);
        assert!(lost + safe <= 200_000, "{lost} and {safe} bytes");
    }
}
