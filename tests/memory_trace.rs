//! `lab trace` shows what programs store into segments, though no call shows it.

mod common;
use std::collections::BTreeMap;
use std::path::Path;

use common::foreign::{events, foreign, kind, text, trace_of, traced};
use common::pages::blocks;
use common::{Run, as_root, bin, can_explore, repo, run, scratch};
use serde_json::Value;

/// The program's trace, as events.
fn trace(options: &[&str], case: &str) -> (Run, Vec<Value>) {
    let options = [&["--json"], options].concat();
    let run = traced(run(&foreign("memory/stores")), &options).args(&[case]).go();
    assert_eq!(run.code, 0, "{run:#?}");
    let events = events(&trace_of(&run));
    (run, events)
}

/// What has changed, by the lane's pid: place, bytes before and after.
fn changes(events: &[Value]) -> Vec<(i64, String)> {
    let changed = events.iter().filter(|event| kind(event) == "changed");
    let parts = changed.flat_map(|event| {
        let parts = event["parts"].as_array().expect("a list").iter();
        let pid = event["pid"].as_i64().expect("a pid");
        let of = parts.map(move |part| {
            let bytes = format!("{} -> {}", text(part, "before"), text(part, "after"));
            (pid, format!("+{} {bytes}", part["at"]))
        });
        of.collect::<Vec<_>>()
    });
    parts.collect()
}

fn hex(text: &str) -> String {
    text.bytes().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn stores_are_seen_and_who_has_made_them() {
    let (_, events) = trace(&[], "alone");
    let (parent, child) = (&events[1]["pid"], events.iter().find(|event| kind(event) == "born"));
    let child = child.expect("a child")["pid"].as_i64().expect("a pid");
    let parent = parent.as_i64().expect("a pid");
    let zeros = "00".repeat(14);
    let expected = [
        (parent, format!("+0 0000000000 -> {}", hex("hello"))),
        (parent, "+16 00000000 -> 29000000".into()),
        (parent, "+40 00000000 -> c8cdd2d7".into()),
        (child, format!("+100 {zeros} -> {}", hex("from the child"))),
    ];
    assert_eq!(changes(&events), expected, "{events:#?}");
    assert!(events.iter().filter(|event| kind(event) == "changed").all(|event| {
        event["others"] == false
            && event["more"] == 0
            && event["by"] == serde_json::json!([event["pid"]])
    }));
}

#[test]
fn stores_are_lines_for_people() {
    let run = traced(run(&foreign("memory/stores")), &["--brief"]).args(&["alone"]).go();
    let trace = trace_of(&run);
    let lines: Vec<&str> = trace
        .lines()
        .filter_map(|line| line.split_once("shmid ")?.1.split_once(": +"))
        .map(|line| line.1)
        .collect();
    let expected = [
        "0..+5 \"\" -> \"hello\"",
        "16..+20 0 -> 41",
        "40..+44 00 00 00 00 -> c8 cd d2 d7",
        "100..+114 \"\" -> \"from the child\"",
    ];
    assert_eq!(lines, expected, "{trace}");
}

/// Two that both have run since the last look: either may have written.
#[test]
fn of_two_writers_either_may_have_written() {
    let (_, events) = trace(&[], "both");
    let child = events.iter().find(|event| kind(event) == "born").expect("a child");
    let both = serde_json::json!([child["parent"], child["pid"]]);
    let changed = events.iter().filter(|event| kind(event) == "changed");
    let changed: Vec<&Value> = changed.filter(|event| event["by"] == both).collect();
    assert!(!changed.is_empty(), "{events:#?}");
    assert!(
        changed.iter().all(|event| event["pid"] == 0 && event["others"] == false),
        "{events:#?}"
    );
    // Who has it alone is right, or both are named.
    for (pid, part) in changes(&events) {
        let its = [(&child["pid"], "the child's"), (&child["parent"], "the parent's")];
        for (owner, words) in its {
            assert!(!part.contains(&hex(words)) || pid == 0 || *owner == pid, "{pid} {part}");
        }
    }
    let run = traced(run(&foreign("memory/stores")), &[]).args(&["both"]).go();
    let trace = trace_of(&run);
    assert!(
        trace.lines().any(|line| line.contains("\"the child's\"")
            && line.contains(", by memory-stores ")
            && line.contains(" or child ")),
        "{trace}"
    );
}

#[test]
fn what_the_kernel_stores_for_a_call_is_the_callers() {
    let (_, events) = trace(&[], "kernel");
    let changes = changes(&events);
    assert!(
        !changes.is_empty() && changes.iter().all(|(pid, _)| *pid == events[1]["pid"]),
        "{events:#?}"
    );
}

#[test]
fn other_memory_in_its_place_is_not_the_segment() {
    let (_, events) = trace(&[], "gone");
    let hello = format!("+0 0000000000 -> {}", hex("hello"));
    let found: Vec<String> = changes(&events).into_iter().map(|change| change.1).collect();
    assert_eq!(found, [hello], "{events:#?}");
}

#[test]
fn of_a_large_segment_the_beginning_is_compared() {
    let (_, events) = trace(&[], "large");
    let changed: Vec<&Value> = events.iter().filter(|event| kind(event) == "changed").collect();
    assert_eq!(changed.len(), 2, "{events:#?}");
    assert_eq!(changes(&events)[0].1, "+1000000 0000 -> 7879");
    let parts = changed[1]["parts"].as_array().expect("a list").len() as u64;
    assert_eq!(parts + changed[1]["more"].as_u64().expect("a number"), 4096 / 8);
    let said =
        |event: &&Value| kind(event) == "remark" && text(event, "text").contains("the first MiB");
    assert_eq!(events.iter().filter(said).count(), 1, "{events:#?}");
    let run = traced(run(&foreign("memory/stores")), &[]).args(&["large"]).go();
    assert!(trace_of(&run).contains("    … and 509 more"), "{}", trace_of(&run));
}

/// The line from which each call was made, in whatever way it was compiled.
#[test]
#[cfg(target_arch = "x86_64")]
fn calls_have_their_lines() {
    let source = repo().join("tests/foreign/memory/lines.c");
    let code = std::fs::read_to_string(&source).expect("a source");
    let lines = code.lines().enumerate();
    let named = |(at, line): (usize, &str)| {
        let name = line.split_once("; /* ")?.1.split(' ').next()?;
        Some((name.to_string(), format!("lines.c:{}", at + 1)))
    };
    let expected: BTreeMap<String, String> = lines.filter_map(named).collect();
    assert_eq!(expected.len(), 8, "{expected:?}");
    let dir = scratch();
    let program = dir.path().join("lines");
    for flags in ["-O0 -g", "-O2 -g", "-O2 -g -static", "-O2 -g -fno-pie -no-pie", "-O2"] {
        let mut cc = std::process::Command::new("cc");
        cc.args(flags.split(' ')).arg("-o").arg(&program).arg(&source);
        assert!(cc.status().expect("cc").success(), "{flags}");
        let run = traced(run(&program), &["--json"]).go();
        assert_eq!(run.code, 0, "{flags}: {run:#?}");
        let events = events(&trace_of(&run));
        let calls: Vec<&Value> = events.iter().filter(|event| kind(event) == "call").collect();
        for (name, line) in &expected {
            let at = |call: &&&Value| text_of(call) == *name && call["pid"] == events[1]["pid"];
            let call = calls.iter().find(at).unwrap_or_else(|| panic!("{flags}: {name}"));
            let found = call["call"]["at"].as_str();
            let wanted = flags.contains("-g").then_some(line.as_str());
            assert_eq!(found, wanted, "{flags}: {name}: {call:#}");
        }
        // The shell that libc has started has none.
        let shells = calls.iter().filter(|call| call["lane"] == "sh");
        assert!(
            shells.clone().count() > 0 && shells.clone().all(|call| call["call"]["at"].is_null())
        );
    }
    let program = foreign("memory/lines");
    let line = &expected["shmat"];
    for (options, shown) in [(&["--lines"][..], true), (&[], false)] {
        let trace = trace_of(&traced(run(&program), options).go());
        assert_eq!(trace.contains(&format!(" ({line})")), shown, "{trace}");
    }
    if can_explore("the lines of calls") {
        let lab = bin("lab").display().to_string();
        let path = program.display().to_string();
        let run = run(Path::new(&lab)).args(&["explore", "--json", "--", &path]).go();
        let events = common::foreign::events(&run.stdout);
        let call = events.iter().find(|event| text_of(event) == "shmat").expect("a call");
        assert_eq!(call["call"]["at"], **line, "{call:#}");
        assert!(text(call, "text").ends_with(&format!(" ({line})")), "{call:#}");
    }
}

/// The name of an event's call.
fn text_of(event: &Value) -> &str {
    text(&event["call"], "name")
}

/// What is closed works as it does alone: signals, maps, calls of the kernel, instructions.
#[test]
#[cfg(target_arch = "x86_64")]
fn a_program_notices_nothing() {
    let program = foreign("memory/pitfalls");
    let cases = "blocked ignored in-mask inherited after-exec own-handler nattch ipcs kernel pending strings \
                 instructions robust robust-killed robust-awaited maps vfork short-file sealed";
    for case in cases.split_whitespace() {
        let alone = run(&program).args(&[case]).go();
        let seen = traced(run(&program), &["--memory", "--json"]).args(&[case]).go();
        // Each line of each process; who prints first is another question.
        let sorted = |text: &str| {
            let mut lines: Vec<String> = text.lines().map(str::to_string).collect();
            lines.sort();
            lines
        };
        assert_eq!(sorted(&seen.stdout), sorted(&alone.stdout), "{case}: {seen:#?}");
        assert_eq!((seen.code, alone.code), (0, 0), "{case}: {seen:#?}");
        assert!(seen.left.is_empty(), "{case}: {seen:#?}");
        let events = events(&trace_of(&seen));
        let accesses = events.iter().filter(|event| kind(event) == "access");
        assert!(accesses.count() > 0, "{case}: {events:#?}");
    }
}

/// A robust lock in memory that has no name, and that only root may open.
#[test]
#[cfg(target_arch = "x86_64")]
fn a_robust_lock_without_a_name_is_marked_however_its_owner_ends() {
    if !as_root("robust locks in memory without a name") {
        return;
    }
    let program = foreign("memory/pitfalls");
    let alone = run(&program).args(&["robust-ends"]).privileged().go();
    let seen =
        traced(run(&program).privileged(), &["--memory", "--json"]).args(&["robust-ends"]).go();
    assert_eq!((seen.code, &seen.stdout), (0, &alone.stdout), "{seen:#?}");
    assert_eq!(alone.stdout.matches(": 1 0").count(), 7, "{alone:#?}");
}

/// The mark of a robust lock is told as the last access of its owner, and orders what comes after it.
#[test]
#[cfg(target_arch = "x86_64")]
fn the_mark_of_a_robust_lock_is_told() {
    let program = foreign("memory/pitfalls");
    let run = traced(run(&program), &["--memory", "--json"]).args(&["robust-killed"]).go();
    let events = events(&trace_of(&run));
    let marked = events.iter().filter(|event| {
        // FUTEX_OWNER_DIED. <linux/futex.h>
        kind(event) == "access" && event["locked"] == true && event["holds"] == "00000040"
    });
    let owners: std::collections::BTreeSet<i64> =
        marked.filter_map(|event| event["pid"].as_i64()).collect();
    // Each owner but the one that calls exec, and not the process that takes over.
    assert_eq!(owners.len(), 3, "{run:#?}");
    assert!(!owners.contains(&events[1]["pid"].as_i64().expect("a pid")), "{run:#?}");
    let hints = events.iter().find(|event| kind(event) == "hints").expect("hints");
    assert_eq!(hints["races"], serde_json::json!([]), "{hints:#}");
}

/// Who stores and loads what, and by which line.
#[test]
#[cfg(target_arch = "x86_64")]
fn accesses_are_told_with_their_lines() {
    let code =
        std::fs::read_to_string(repo().join("tests/foreign/memory/stores.c")).expect("a source");
    let line = |words: &str| {
        let at = code.lines().position(|line| line.contains(words)).expect("a line");
        format!("stores.c:{}", at + 1)
    };
    let (_, events) = trace(&["--memory"], "alone");
    let accesses: Vec<&Value> = events.iter().filter(|event| kind(event) == "access").collect();
    let parent = &events[1]["pid"];
    let born = events.iter().find(|event| kind(event) == "born").expect("a child");
    let expected = [
        (parent, 0, 6, hex("hello") + "00", line("\"hello\"")),
        (parent, 16, 4, "01000000".into(), line("[4] = 1;")),
        (parent, 16, 4, "29000000".into(), line("[4] = 41;")),
        (parent, 40, 4, "c8cdd2d7".into(), line("i * 5")),
        (&born["pid"], 100, 15, hex("from the child") + "00", line("from the child")),
    ];
    assert_eq!(accesses.len(), expected.len(), "{accesses:#?}");
    for (access, (pid, at, len, holds, source)) in accesses.iter().zip(expected) {
        let found = (&access["pid"], &access["at"], &access["len"], text(access, "source"));
        assert_eq!(found, (pid, &at.into(), &len.into(), source.as_str()), "{access:#}");
        assert_eq!((text(access, "holds"), &access["writes"]), (holds.as_str(), &true.into()));
    }
    // All of it was seen: nothing is left to be compared.
    assert!(changes(&events).is_empty(), "{events:#?}");
}

/// Two that take turns: who has stored is certain, and loads of what the other has stored are told.
#[test]
#[cfg(target_arch = "x86_64")]
fn of_two_writers_each_is_known() {
    let (_, events) = trace(&["--memory"], "both");
    let born = events.iter().find(|event| kind(event) == "born").expect("a child");
    let of = |pid: &Value, writes: bool| {
        let its = |event: &&Value| kind(event) == "access" && event["pid"] == *pid;
        let its =
            events.iter().filter(its).filter(move |event| event["writes"].is_null() != writes);
        its.collect::<Vec<_>>()
    };
    for (pid, words) in [(&born["pid"], "the child's"), (&born["parent"], "the parent's")] {
        let stored: String = of(pid, true).iter().map(|event| text(event, "holds")).collect();
        assert_eq!(stored.matches(&hex(words)).count(), 20, "{words}: {events:#?}");
        let loads = of(pid, false).len();
        assert!((10..=40).contains(&loads), "{loads} {words}: {events:#?}");
    }
    assert!(changes(&events).is_empty(), "{events:#?}");
    // With all, the loads of one's own, too.
    let loads = |options: &[&str]| {
        let (_, events) = trace(options, "alone");
        events.iter().filter(|event| kind(event) == "access" && event["writes"].is_null()).count()
    };
    assert_eq!(loads(&["--memory"]), 0);
    assert!(loads(&["--memory=all"]) == 0, "no load is made");
}

/// The hints of one run are among those that `lab explore` finds in all; what is ordered is none.
#[test]
#[cfg(target_arch = "x86_64")]
fn hints_are_those_of_the_explorer() {
    let program = foreign("memory/hints");
    let hints = |case: &str| {
        let run = traced(run(&program), &["--memory", "--json"]).args(&[case]).go();
        assert_eq!((run.code, run.stdout.as_str()), (0, "2\n"), "{case}: {run:#?}");
        let events = events(&trace_of(&run));
        events.into_iter().find(|event| kind(event) == "hints")
    };
    assert!(hints("semaphore").is_none());
    let locked = hints("locked").expect("hints");
    assert_eq!(locked["ordering"], serde_json::json!(["shm 0 +0..+4"]), "{locked:#}");
    assert_eq!((&locked["races"], &locked["complete"]), (&serde_json::json!([]), &true.into()));
    let peterson = hints("peterson").expect("hints");
    let races = |all: &Value| {
        let all = all["races"].as_array().expect("a list").iter();
        let side = |side: &Value| format!("{} {}", side["writes"], text(side, "source"));
        let race = |race: &Value| {
            let mut sides: Vec<String> =
                race["sides"].as_array().expect("a list").iter().map(side).collect();
            sides.sort();
            format!("{} {}", text(race, "place"), sides.join(", "))
        };
        all.map(race).collect::<std::collections::BTreeSet<String>>()
    };
    let counter = |races: &std::collections::BTreeSet<String>| {
        races.iter().filter(|race| race.contains("+16..+20")).cloned().collect::<Vec<_>>()
    };
    let seen = races(&peterson);
    assert_eq!(counter(&seen).len(), 2, "{peterson:#}");
    if can_explore("the hints of lab trace") {
        let lab = bin("lab");
        let path = program.display().to_string();
        let run = run(&lab).args(&["explore", "--json", "--", &path, "peterson"]).go();
        let explored = races(&common::foreign::explored(&run)["memory"]);
        assert!(seen.is_subset(&explored), "{seen:#?} {explored:#?}");
        assert_eq!(counter(&seen), counter(&explored));
    }
    let run = traced(run(&program), &["--memory"]).args(&["peterson"]).go();
    let trace = trace_of(&run);
    let heading = "-- Nothing orders these accesses; that alone is no finding:";
    assert!(trace.contains(heading), "{trace}");
}

/// A megabyte is not looked at byte by byte: memory is left open, which is said, and what was stored is compared.
#[test]
#[cfg(target_arch = "x86_64")]
fn a_megabyte_is_told_in_few_lines() {
    let program = foreign("memory/hints");
    let alone = run(&program).args(&["bulk"]).go();
    let seen = traced(run(&program), &["--memory", "--json"]).args(&["bulk"]).go();
    assert_eq!((seen.code, &seen.stdout), (0, &alone.stdout), "{seen:#?}");
    let events = events(&trace_of(&seen));
    assert!(events.len() < 20_000, "{}", events.len());
    let said =
        |event: &&Value| kind(event) == "remark" && text(event, "text").contains("left open");
    assert_eq!(events.iter().filter(said).count(), 1);
    let changed = events.iter().filter(|event| kind(event) == "changed");
    let all = changed.flat_map(|event| event["parts"].as_array().expect("a list"));
    assert!(all.map(|part| part["len"].as_u64().expect("a number")).sum::<u64>() > 500_000);
}

/// The letter of 4.8, as the note's listing writes it.
#[test]
fn the_letter_of_the_listing_is_shown() {
    let note =
        std::fs::read_to_string(repo().join("notes/4.8-parent-and-child.md")).expect("a note");
    let listing =
        blocks(&note, "c").into_iter().find(|block| block.contains("int main")).expect("a listing");
    let dir = scratch();
    let program = dir.path().join("letter");
    std::fs::write(dir.path().join("letter.c"), listing).expect("a file");
    let mut cc = std::process::Command::new("cc");
    let cc = cc.args(["-g", "-o"]).arg(&program).arg(dir.path().join("letter.c")).status();
    assert!(cc.expect("cc").success());
    let run = traced(run(&program), &["--json"]).go();
    assert_eq!(run.code, 0, "{run:#?}");
    let events = events(&trace_of(&run));
    let letter = changes(&events).into_iter().find(|(_, part)| part.contains(&hex("hello, child")));
    let (pid, _) = letter.unwrap_or_else(|| panic!("{events:#?}"));
    assert!(pid == 0 || events[1]["pid"] == pid, "{events:#?}");
}
