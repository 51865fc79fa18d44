//! `lab explore` sees each access to shared memory, and the program notices nothing of that.
#![cfg(target_arch = "x86_64")]

mod common;
use common::foreign::{explored, foreign};
use common::{Run, bin, can_explore, not_tested, run};

/// Explores, and answers what it says as JSON.
fn explore(options: &[&str], program: &str, case: &str) -> Run {
    run(&bin("lab")).args(&[&["explore", "--json"], options, &["--", program, case]].concat()).go()
}

/// What is closed while it is explored works as it does alone: signals, maps, calls of the kernel, instructions.
#[test]
fn a_program_notices_nothing() {
    if !can_explore("programs whose memory is watched") {
        return;
    }
    let program = foreign("memory/pitfalls");
    let path = program.display().to_string();
    let cases = "blocked ignored in-mask inherited after-exec own-handler nattch ipcs kernel pending strings \
                 instructions own-code robust robust-killed \
                 robust-awaited maps vfork short-file";
    for case in cases.split_whitespace() {
        let alone = run(&program).args(&[case]).go();
        let explored_run = explore(&[], &path, case);
        let explored = explored(&explored_run);
        // Each line of each process; who prints first is another question.
        let sorted = |text: &str| {
            let mut lines: Vec<String> = text.lines().map(str::to_string).collect();
            lines.sort();
            lines
        };
        let outcomes = explored["outcomes"].as_array().expect("a list");
        for outcome in outcomes {
            let pieces = outcome["printed"].as_array().expect("a list").iter();
            let printed: String =
                pieces.map(|piece| piece["text"].as_str().expect("text")).collect();
            assert_eq!(sorted(&printed), sorted(&alone.stdout), "{case}: {explored_run:#?}");
        }
        assert!(alone.code == 0 && explored_run.code == 0, "{case}: {alone:#?} {explored_run:#?}");
        assert_eq!(explored["complete"], true, "{case}: {explored_run:#?}");
        assert!(explored["memory"]["unwatched"] == false && explored_run.left.is_empty(), "{case}");
    }
}

/// Memory that nobody may close any more ends the exploration, with a line that says why.
#[test]
fn sealed_memory_is_named() {
    if !can_explore("sealed memory") {
        return;
    }
    let program = foreign("memory/pitfalls");
    if run(&program).args(&["sealed"]).go().stdout.contains("no mseal") {
        not_tested("mseal(2), of Linux 6.10", "sealed memory");
        return;
    }
    let run = explore(&[], &program.display().to_string(), "sealed");
    let why = "lab explore: mprotect() of its shared memory is refused: EPERM (Operation not permitted)\n";
    assert_eq!((run.code, run.stderr.as_str()), (3, why), "{run:#?}");
    let calls = explore(&["--calls-only"], &program.display().to_string(), "sealed");
    assert_eq!(calls.code, 0, "{calls:#?}");
}

/// The answer names the bytes that race, who touches them and by which line, and the bytes that order others.
#[test]
fn races_are_hints_with_their_lines() {
    if !can_explore("races as hints") {
        return;
    }
    let path = foreign("memory/hints").display().to_string();
    let peterson = explored(&explore(&[], &path, "peterson"));
    let races = peterson["memory"]["races"].as_array().expect("a list");
    let sources: Vec<&str> =
        races.iter().filter_map(|race| race["sides"][0]["source"].as_str()).collect();
    assert!(
        !races.is_empty() && sources.iter().all(|line| line.starts_with("hints.c:")),
        "{races:#?}"
    );
    assert_eq!(peterson["outcomes"].as_array().map(Vec::len), Some(1), "{peterson:#?}");
    let ordered = explored(&explore(&[], &path, "semaphore"));
    assert_eq!(ordered["memory"]["races"], serde_json::json!([]), "{ordered:#?}");
    assert_eq!(ordered["memory"]["ordering"], serde_json::json!([]), "{ordered:#?}");
    let locked = explored(&explore(&[], &path, "locked"));
    assert_eq!(locked["memory"]["races"], serde_json::json!([]), "{locked:#?}");
    assert_eq!(locked["memory"]["ordering"], serde_json::json!(["shm 0 +0..+4"]), "{locked:#?}");
    let calls = explored(&explore(&["--calls-only"], &path, "peterson"));
    assert_eq!(calls["memory"]["watched"], false, "{calls:#?}");
    assert!(calls["ordered"].as_str().is_some_and(|said| said.contains("plain loads and stores")));
}

/// What is copied in bulk and ordered by a semaphore costs no stop for each access.
#[test]
fn a_megabyte_is_looked_at_page_by_page() {
    if !can_explore("a megabyte of shared memory") {
        return;
    }
    let path = foreign("memory/hints").display().to_string();
    let run = explore(&[], &path, "bulk");
    let all = explored(&run);
    assert!(run.code == 0 && all["complete"] == true, "{run:#?}");
    let printed = &all["outcomes"][0]["printed"][0]["text"];
    assert_eq!(printed, "1048576 bytes\n", "{run:#?}");
}

/// Which stores wait in a buffer, and what empties it. What cannot be followed to its end is said.
#[test]
fn a_store_waits_until_something_empties_the_buffer() {
    if !can_explore("lab explore --tso") {
        return;
    }
    let path = foreign("memory/buffers").display().to_string();
    // Whether both sides can miss the other's store, and whether a buffer was emptied before it had to be.
    let ways = [
        ("plain", true, ""),
        ("near", true, ""),
        ("calls", true, ""),
        ("increment", true, ""),
        ("wide", true, ""),
        ("string", true, ""),
        ("threads", true, ""),
        ("locked", false, ""),
        ("cpuid", false, ""),
        ("part", false, "A thread loaded bytes of which only a part was in its buffer"),
        ("far", false, "Some stores left the buffer before they had to"),
    ];
    for (way, miss, early) in ways {
        let without = explored(&explore(&[], &path, way));
        let outcomes = |all: &serde_json::Value| all["outcomes"].as_array().map(Vec::len);
        assert_eq!((outcomes(&without), &without["complete"]), (Some(1), &true.into()), "{way}");
        let run = explore(&["--tso"], &path, way);
        let with = explored(&run);
        assert_eq!(
            (run.code, &with["complete"]),
            (i32::from(miss), &true.into()),
            "{way}: {run:#?}"
        );
        assert_eq!(with["memory"]["tso"], true, "{way}: {with:#?}");
        let said = with["ordered"].as_str().expect("a text");
        assert!(said.contains(early), "{way}: {said}");
        if !early.is_empty() {
            assert_eq!(with["memory"]["drained_early"], true, "{way}: {with:#?}");
        }
        let all = explored(&explore(&["--tso", "--preemptions", "1", "--all"], &path, way));
        let some = explored(&explore(&["--tso", "--preemptions", "1"], &path, way));
        assert_eq!(outcomes(&all), outcomes(&some), "{way}");
    }
    // A store that waits while functions are called waits for longer, and its schedule says so.
    let calls = explored(&explore(&["--tso"], &path, "calls"));
    let findings = calls["outcomes"].as_array().expect("a list");
    let schedule =
        findings.iter().find_map(|one| one["first"].as_str().filter(|it| it.contains('~')));
    let schedule = schedule.expect("a schedule").to_string();
    assert!(schedule.contains("@~~"), "{calls:#?}");
    let again = explore(&["--replay", &schedule], &path, "calls");
    assert_eq!(again.code, 1, "{again:#?}");
    let both = explore(&["--tso", "--calls-only"], &path, "plain");
    assert!(both.code == 2 && both.stderr.contains("--calls-only"), "{both:#?}");
}
