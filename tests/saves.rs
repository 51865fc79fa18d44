//! Section 4.3: what it counts is what `strace` counts, what it measures is measured to the end, and
//! who stops it in the middle finds nothing left.

mod common;
use std::collections::BTreeMap;
use std::fs;

use common::{as_root, have, run_lab};
use regex::Regex;

#[test]
fn a_hundred_messages_are_the_calls_that_strace_counts() {
    if !have("strace", "the calls of 4.3's messages") {
        return;
    }
    let strace = "strace -f -y -qq -o {dir}/strace -e trace=read,write,msgsnd,msgrcv";
    let run = run_lab("4.3").under(&strace.split(' ').collect::<Vec<_>>()).go().clean();
    let log = fs::read_to_string(run.dir.path().join("strace")).expect("strace's log");
    let log = joined(&log);
    for name in ["read", "write", "msgsnd", "msgrcv"] {
        // Messages have 64 bytes. Others read as much, too: the pipe of the messages is the busiest.
        let object = if name.starts_with("msg") { r"(\d+)" } else { r"[2-9]\d*<(pipe:\[\d+\])>" };
        let rule = Regex::new(&format!(r"{name}\({object}.*, 64(?:, .*)?\) += (?:64|0)$"));
        let rule = rule.expect("rule");
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for found in log.iter().filter_map(|line| rule.captures(line)) {
            *counts.entry(found[1].into()).or_default() += 1;
        }
        let seen = counts.into_values().max().unwrap_or(0);
        let printed = format!("{name} x {seen}: {seen} ok");
        assert!(seen == 100 && run.stdout.contains(&printed), "{name}: {seen}\n{}", run.stdout);
    }
}

/// The lines of a log of several processes, with each call whole.
fn joined(log: &str) -> Vec<String> {
    let resumed = Regex::new(r"^<\.\.\. \w+ resumed>").expect("rule");
    let mut begun: BTreeMap<&str, &str> = BTreeMap::new();
    let mut lines = vec![];
    for (pid, call) in log.lines().filter_map(|line| line.split_once(' ')) {
        let call = call.trim_start();
        if let Some(start) = call.strip_suffix(" <unfinished ...>") {
            begun.insert(pid, start);
        } else if let Some(found) = resumed.find(call) {
            let start = begun.remove(pid).unwrap_or_default();
            lines.push(format!("{start}{}", &call[found.end()..]));
        } else {
            lines.push(call.into());
        }
    }
    lines
}

#[test]
fn every_way_and_size_is_measured() {
    for cpus in ["one", "two"] {
        let run = run_lab("4.3")
            .args(&["--measure", "--rounds", "1", "--cpus", cpus, "--svg", "{dir}/picture.svg"])
            .go()
            .clean();
        let ways = run.stdout.lines().filter(|line| line.starts_with("  in place, spinning "));
        let figures = ways.map(|row| row.split_whitespace().skip(3).count()).collect::<Vec<_>>();
        assert_eq!(figures, [8, 8, 8, 8], "{}", run.stdout);
        let mut calls = run.stdout.lines().filter(|line| line.starts_with("  shared, spinning "));
        let calls = calls.next_back().expect("the calls").split_whitespace().skip(2);
        assert!(calls.eq(["0"; 8]), "who spins calls nobody: {}", run.stdout);
        let svg = fs::read_to_string(run.dir.path().join("picture.svg")).expect("the picture");
        assert_eq!(svg.matches("<polyline").count(), 18, "nine ways, two charts");
        assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
    }
}

#[test]
fn a_small_ring_and_a_large_one_carry_every_size() {
    for ring in ["256", "1048576"] {
        run_lab("4.3").args(&["--measure", "--rounds", "1", "--ring", ring]).go().clean();
    }
    for ring in ["255", "300", "2097152", "x"] {
        let run = run_lab("4.3").args(&["--measure", "--ring", ring]).go();
        assert!(run.code == 2 && run.stderr.contains("not a power of two"), "{run:#?}");
    }
}

#[test]
fn a_picture_that_cannot_be_written_is_one_line() {
    let run = run_lab("4.3").args(&["--measure", "--rounds", "1", "--svg", "/none/x.svg"]).go();
    assert!(run.code == 1 && run.stderr.lines().count() == 1 && run.left.is_empty(), "{run:#?}");
}

#[test]
fn stopped_or_killed_in_the_middle_of_a_measurement() {
    if !have("strace", "signals in the middle of a measurement") {
        return;
    }
    let calls = ["write", "read", "msgsnd", "msgrcv", "mq_timedsend", "mq_timedreceive", "futex"];
    // Under strace a measurement takes seconds.
    let share = if std::env::var_os("SOAK").is_some() { 1 } else { 4 };
    for call in calls.into_iter().skip(share / 2).step_by(share) {
        for (signal, codes) in [("SIGINT", [130, 130]), ("SIGKILL", [137, 1])] {
            let inject = format!("-e trace={call} -e inject={call}:signal={signal}:when=33");
            let strace = format!("strace -f -qq -o /dev/null {inject}");
            let words: Vec<&str> = strace.split(' ').collect();
            let run = run_lab("4.3").args(&["--measure", "--rounds", "1"]).under(&words).go();
            assert!(codes.contains(&run.code), "{call} {signal}: {run:#?}");
            // When A itself is killed, nobody is left to clean up; the shell says that it was.
            let ours = run.stderr.lines().filter(|line| line.starts_with("lab_")).count();
            let of_a = signal == "SIGKILL" && ours == 0;
            assert!(ours == usize::from(!of_a), "{call} {signal}: {run:#?}");
            assert!(of_a || run.left.is_empty(), "{call} {signal}: {run:#?}");
        }
    }
}

#[test]
fn root_sees_the_page() {
    if !as_root("page frames") {
        return;
    }
    let run = run_lab("4.3").privileged().go().clean();
    let frame = run.stdout.contains("page frame 0x");
    assert!(frame || run.stdout.contains("not shown here"), "{}", run.stdout);
    run_lab("4.3").args(&["--experiment", "frames"]).privileged().go().clean();
}
