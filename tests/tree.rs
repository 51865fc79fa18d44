//! What `lab explore` writes for programs to read: a run as events, and every place of a program as a tree.
#![cfg(target_arch = "x86_64")]

mod common;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use common::pages::blocks;
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
    let spins = compiled("zoo/bad/flag-reset-late.c", &[]).display().to_string();
    let mut seen = vec![];
    for words in [
        vec!["explore", "--json", "--", &program],
        vec!["explore", "--json", "--replay", "-", "--", &program],
        vec!["explore", "--json", "--", &spins],
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

/// The objects of `--json`.
fn events(run: &Run) -> Vec<Value> {
    run.stdout.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

#[test]
fn the_shortest_bad_run_and_the_shortest_good_one_are_told() {
    if !can_explore("which runs lab explore --json tells") {
        return;
    }
    let program = check_then_pause().display().to_string();
    let good = compiled("zoo/good/spin.c", &[]).display().to_string();
    for (program, runs) in [(program, &["finding", "ended"][..]), (good, &["ended"])] {
        let events = events(&lab(&["explore", "--json", "--", &program]));
        let starts: Vec<usize> = (1..events.len()).filter(|at| events[*at]["n"] == 1).collect();
        let ends = starts[1..].iter().copied().chain([events.len()]);
        let kinds: Vec<&str> = ends.filter_map(|end| events[end - 1]["event"].as_str()).collect();
        assert_eq!((starts[0], &*kinds), (1, runs));
    }
}

#[test]
fn a_signal_says_who_has_sent_it() {
    if !can_explore("who has sent a signal") {
        return;
    }
    let program = check_then_pause().display().to_string();
    let events = events(&lab(&["explore", "--json", "--", &program]));
    let mut signals = 0;
    for event in events.iter().filter(|event| event["signal"] == "SIGUSR1") {
        signals += 1;
        assert!(event["from"].is_u64() && event["from"] != event["pid"], "{event}");
        assert!(event["text"].as_str().expect("a text").contains("SIGUSR1 from "), "{event}");
    }
    assert_eq!(signals, 4);
}

/// The same program gives the same tree: times of day, pids and addresses are those of the room.
#[test]
fn a_tree_is_the_same_in_each_exploration() {
    if !can_explore("that trees are equal") {
        return;
    }
    let program = check_then_pause().display().to_string();
    let tree = || fs::read_to_string(tree_of(&[], &[&program]).1).expect("a tree");
    // Beside each other, the kernel takes longer to give up the numbers of the run before.
    let some = || (0..5).map(|_| tree()).collect::<Vec<_>>();
    let all: BTreeSet<String> = std::thread::scope(|scope| {
        let beside: Vec<_> = (0..4).map(|_| scope.spawn(some)).collect();
        beside.into_iter().flat_map(|one| one.join().expect("trees")).collect()
    });
    assert_eq!(all.len(), 1, "{all:#?}");
}

/// All names of fields, without those of the events, which the test of events looks at.
fn fields(value: &Value, names: &mut BTreeSet<String>) {
    match value {
        Value::Object(all) => {
            for (name, value) in all {
                names.insert(name.clone());
                fields(value, names);
            }
        }
        Value::Array(all) => all.iter().for_each(|value| fields(value, names)),
        _ => {}
    }
}

#[test]
fn the_page_describes_the_tree_that_is_written() {
    if !can_explore("what notes/events.md says of trees") {
        return;
    }
    let notes = fs::read_to_string(repo().join("notes/events.md")).expect("notes/events.md");
    let program = check_then_pause().display().to_string();
    let sleeps = compiled("zoo/good/spin.c", &[]).display().to_string();
    let mut names = BTreeSet::new();
    let (_run, file) = tree_of(&["--all", "--max", "9"], &[&sleeps]);
    fields(&json(&file), &mut names);
    let (_run, file) = tree_of(&[], &[&program]);
    let tree = json(&file);
    fields(&tree, &mut names);
    for name in names {
        assert!(notes.contains(&format!("`{name}`")), "{name} is not documented");
    }
    // The example is of this tree.
    let example = blocks(&notes, "json").concat();
    let parts = serde_json::Deserializer::from_str(&example).into_iter::<Value>();
    let parts: Vec<Value> = parts.map(|part| part.expect("JSON")).collect();
    assert_eq!(parts.len(), 2);
    let mut all = ["places", "moves"].iter().map(|list| tree[list].as_array().expect("a list"));
    let stands = |part: &Value| all.next().is_some_and(|list| list.contains(part));
    assert!(parts.iter().all(stands), "{tree:#}");
    let block = blocks(&notes, "text").concat();
    let (_, shown) = block.split_once("$ lab tree tree.json\n./check-then-pause\n").expect("it");
    let said = lab(&["tree", &file.display().to_string()]);
    assert_eq!(said.stdout.split_once('\n').expect("lines").1, shown);
}

/// Who could have moved, and with which call, stands in the tree; so does the reason why it was not tried.
#[test]
fn what_was_not_tried_is_named_with_the_reason() {
    if !can_explore("what trees leave out") {
        return;
    }
    let program = check_then_pause().display().to_string();
    for (options, reasons) in [
        (&["--json"][..], &["bound", "equal"][..]),
        (&["--json", "--preemptions", "unbounded"], &["equal"]),
        (&["--json", "--preemptions", "0"], &["bound"]),
        (&["--json", "--all"], &["bound"]),
        (&["--json", "--all", "--preemptions", "unbounded"], &[]),
        (&["--json", "--max", "4"], &["unfinished"]),
    ] {
        let (run, file) = tree_of(options, &[&program]);
        let tree = json(&file);
        let list = |name: &str| tree[name].as_array().expect("a list").clone();
        let places = list("places");
        let choices = places.iter().flat_map(|place| place["choices"].as_array().into_iter());
        let left_out = list("left_out");
        let lists = choices.chain(left_out.iter().map(|list| list.as_array().expect("a list")));
        let (mut named, mut why) = (BTreeSet::new(), BTreeSet::new());
        for choice in lists.flatten() {
            let call = choice["call"].as_u64().map(|call| &tree["calls"][call as usize]);
            let who = choice["who"].as_u64().expect("a lane") as usize;
            let name = &tree["lanes"][who]["who"];
            named.insert(format!("{name} {}", call.unwrap_or(&Value::Null)));
            why.extend(choice["why"].as_str().map(String::from));
            assert_ne!(choice["why"].is_null(), choice["to"].is_null(), "{choice}");
        }
        assert!(why.iter().eq(reasons), "{options:?}: {why:?}");
        assert_eq!(tree["complete"], !options.contains(&"--max"));
        let events = events(&run);
        let moves = events.iter().filter_map(|one| Some((&one["who"], one["could"].as_array()?)));
        for (who, could) in moves {
            for other in could.iter().filter(|one| one["who"] != *who) {
                let one = format!("{} {}", other["who"], other["call"]);
                assert!(named.contains(&one), "{options:?}: {one} is not in {named:?}");
            }
        }
    }
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
        (whole.replacen("\"to\":", "\"to\":0,\"was\":", 1), "does not lead on"),
        (whole.replacen("\"to\":", "\"was\":", 1), "where it leads, or why it was not tried"),
        (whole.replace("\"equal\"", "\"dull\""), "unknown variant `dull`"),
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

/// A file that is not ours to replace, and one that nobody may write.
#[test]
fn what_cannot_be_written_is_one_line() {
    if !can_explore("trees that cannot be written") {
        return;
    }
    let program = check_then_pause().display().to_string();
    let script = "mkfifo pipe; mkdir folder; ln -s /dev/null null
        for file in pipe folder null /dev/stdout gone/tree.json; do
        $1 explore --tree $file -- $2 > out 2> err; echo $? $(wc -l < out) $(wc -l < err) $file
        grep -c \"$file\" err; done; [ -p pipe ] && [ -L null ] && [ -c /dev/null ] && echo as before";
    let words = ["-c", script, "sh", &bin("lab").display().to_string(), &program];
    let run = run(Path::new("sh")).args(&words).go();
    let refused = |file| format!("2 0 1 {file}\n1\n");
    let all = ["pipe", "folder", "null", "/dev/stdout", "gone/tree.json"].map(refused).concat();
    assert_eq!(run.stdout, all + "as before\n", "{run:#?}");
}

#[test]
fn a_reader_that_has_gone_is_no_fault() {
    if !can_explore("lab tree in a pipe") {
        return;
    }
    let (_run, file) = tree_of(&[], &[&check_then_pause().display().to_string()]);
    let script = "mkfifo pipe; exec 3<> pipe 4> pipe 3<&-; $1 tree $2 >&4; echo $?";
    let words =
        ["-c", script, "sh", &bin("lab").display().to_string(), &file.display().to_string()];
    let run = run(Path::new("bash")).args(&words).go();
    assert_eq!((run.stdout.as_str(), run.stderr.as_str()), ("0\n", ""), "{run:#?}");
}

/// The answer is known, and the tree is being made: what there is of it is written, and what was found is found.
#[test]
fn a_signal_while_the_tree_is_made() {
    if !can_explore("signals while a tree is made") {
        return;
    }
    let program = bin("lab_4_8").display().to_string();
    let script = "mkfifo pipe
        env --default-signal=INT $1 explore --json --preemptions 1 --tree tree.json -- $2 --part a --unwatched > pipe &
        it=$!; exec 3< pipe; read -r answer <&3; kill -INT $it; cat <&3 > rest; wait $it; echo $?
        $1 tree tree.json";
    let words = ["-c", script, "sh", &bin("lab").display().to_string(), &program];
    let run = run(Path::new("bash")).args(&words).go();
    let tree = json(&run.dir.path().join("tree.json"));
    assert!(run.stdout.starts_with("1\n") && run.left.is_empty(), "{run:#?}");
    assert!(tree["complete"] == false && run.stdout.contains("not every choice"), "{run:#?}");
}

/// For a page that carries both.
#[test]
fn the_trees_of_4_8_are_small() {
    if !can_explore("the trees of 4.8") {
        return;
    }
    let lab_4_8 = bin("lab_4_8").display().to_string();
    let size = |options: &[&str], part: &str| {
        let words = [&lab_4_8, "--part", part, "--rounds", "1", "--unwatched"];
        let (run, file) = tree_of(&[&["--preemptions", "1"], options].concat(), &words);
        assert!(run.code < 2, "{run:#?}");
        fs::metadata(&file).expect("a tree").len()
    };
    let soak = std::env::var_os("SOAK").is_some();
    for (options, most) in
        [(&["--calls-only"][..], 200_000), (&[], 290_000)].into_iter().take(1 + usize::from(soak))
    {
        let (lost, safe) = (size(options, "a"), size(options, "c"));
        assert!(lost + safe <= most, "{options:?}: {lost} and {safe} bytes");
    }
}
