//! A claim can fail: each sentence that a lab prints with a ✓ becomes "not so" when the kernel's answer of
//! which it speaks is another. A preloaded library (tests/c/lies.c) tells one lie a run: about each answer of
//! each call in turn. What no lie can make false was not checked by any answer, or is named below. With SOAK,
//! the experiments, too: three thousand lies and more.

mod common;
use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::sync::Mutex;

use common::{apart, experiments, have, is_root, run_lab, scratch, sections};
use regex::Regex;

/// The answers that are lied about, and of how many of each at most.
const LIES: [(&str, usize); 52] = [
    ("stat-nattch", 12),
    ("stat-cpid", 4),
    ("stat-lpid", 4),
    ("stat-size", 3),
    ("stat-mode", 8),
    ("stat-key", 5),
    ("stat-owner", 3),
    ("stat-creator", 3),
    ("stat-atime", 4),
    ("stat-dtime", 4),
    ("stat-ctime", 3),
    ("stat-id", 4),
    ("info-0", 1),
    ("info-1", 1),
    ("info-2", 3),
    ("info-3", 1),
    ("info-4", 1),
    ("info-answer", 1),
    ("shmat", 6),
    ("shmat-address", 4),
    ("shmat-same", 4),
    ("shmat-errno", 2),
    ("shmdt", 4),
    ("rmid", 2),
    ("shmctl-errno", 3),
    ("get-errno", 3),
    ("shmget-same", 16),
    ("shmget-other", 16),
    ("msgget-same", 3),
    ("msgget-other", 3),
    ("msgstat", 3),
    ("msgsnd-errno", 1),
    ("msgrcv", 5),
    ("getval", 2),
    ("semstat", 3),
    ("lock", 8),
    ("ftok-other", 5),
    ("ftok-same", 4),
    ("ftok-negative", 2),
    ("read", 14),
    ("pread", 4),
    ("poll", 3),
    ("seals", 1),
    ("ppoll", 4),
    ("fcntl", 3),
    ("pipe-size", 1),
    ("readlink", 4),
    ("output", 6),
    ("waitpid", 4),
    ("rows", 6),
    ("letters", 16),
    ("proc", 24),
];

/// Claims that are about something else than an answer of these calls: a section, the beginning of the
/// sentence, and about what.
const ELSEWHERE: [(&str, &str, &str); 46] = [
    ("4.1", "ipcs -q: no row has this key", ABSENT),
    ("4.1", "the queue is empty, and B has read last", "ipcs -q, which is compared before"),
    ("4.1", "its handler has run", SIGNALS),
    ("4.2", "/proc/self/fd lists what it listed before", "a folder of /proc"),
    ("4.2", "two opens: two descriptors", "the answers of open"),
    ("4.2", "found by its name, and the same memory", "memory of mmap"),
    ("4.2", "and the bytes are in the memory", "memory of mmap"),
    ("4.2", "the segment has what was stored", "one address, stored and loaded"),
    ("4.3", "no call for any message", OWN),
    ("4.3", "two calls for each message: in by write", OWN),
    ("4.3", "two calls for each message: msgsnd", OWN),
    ("4.4", "made and removed, again and again", "ids that are used at once: EINVAL comes before"),
    ("4.4", "a slot lower than the one before", "ids that are used at once: EINVAL comes before"),
    ("4.4", "an absent segment: ENOENT", "another answer ends the lab, and is named"),
    ("4.4", "and what was written before it", "memory that no call answers"),
    ("4.5", "(void *) -N: all bits are set", "an answer that is no error would be found before"),
    ("4.5", "the first use of it kills", "another answer ends the lab, and is named"),
    ("4.5", "and it is not NULL", "an answer that is no error would be found before"),
    ("4.5", "and the pages after it are as they were", "memory that no call answers"),
    ("4.6", "a load kills", "another answer ends the lab, and is named"),
    ("4.6", "there both are N, for the same id", PROGRAM),
    ("4.6", "a signal came during some detaches", SIGNALS),
    ("4.6", "and the byte is there", "memory that no call answers"),
    ("4.7", "no dd", "letters of /proc that no lie changes"),
    ("4.7", "dd: a core dump", "letters of /proc that no lie changes"),
    ("4.7", "MADV_DODUMP: no dd", "letters of /proc that no lie changes"),
    ("4.7", "it ended with N", PROGRAM),
    ("4.7", "and the smallest segment", PROGRAM),
    ("4.7", "out here nothing of it is listed", ABSENT),
    ("4.8", "SA_RESTART: the handler has run", SIGNALS),
    ("4.8", "the program finds EBADF", SIGNALS),
    ("4.8", "saved and put back", SIGNALS),
    ("4.8", "blocked by who started it", SIGNALS),
    ("4.10", "one: a signal that waits already", SIGNALS),
    ("4.10", "the reader thread is asleep", "a look into /proc after many others"),
    ("4.10", "two segments of its size", "a look into /proc after many others"),
    ("4.10", "who waits for that mutex", "a look into /proc after many others"),
    ("4.10", "sequentially consistent", PROCESSOR),
    ("4.10", "a fence of SeqCst", PROCESSOR),
    ("4.10", "N: the kernel looked", "the answer of a call that has no name in the C library"),
    ("4.10", "N: without the flag", "the answer of a call that has no name in the C library"),
    ("4.10", "the waiter sleeps on", "a look into /proc after many others"),
    ("4.10", "where the sequence was even", "memory that no call answers"),
    ("4.10", "a word of our own", "memory that no call answers"),
    ("4.10", "N and N are not N", "memory that no call answers"),
    ("4.10", "and the news is there", "memory that no call answers"),
];
const ABSENT: &str = "something that is not there";
const OWN: &str = "what the program counts itself; coverage.rs compares it with strace";
const PROCESSOR: &str = "the processor, which no call answers";
const PROGRAM: &str = "what another program prints, or how it ends";
const SIGNALS: &str = "signals, which no call answers";

/// A sentence without its numbers.
fn without_numbers(sentence: &str) -> String {
    Regex::new(r"0x[0-9a-f]+|\d+").expect("numbers").replace_all(sentence.trim(), "N").into_owned()
}

/// The claims of a run that holds.
fn claimed(stdout: &str) -> BTreeSet<String> {
    let claims = stdout.lines().filter_map(|line| line.split_once("· ✓ "));
    let known = |claim: &str| claim.split(", and those of").next().unwrap_or_default().to_string();
    claims.map(|(_, claim)| without_numbers(&known(claim))).collect()
}

/// The claims that a run says are not so.
fn refused(stderr: &str) -> BTreeSet<String> {
    let differs = Regex::new(r"\d: \w+ is .* for .*, .* for ").expect("a comparison");
    let refused = |line: &str| match line.split_once("not so: ") {
        Some((_, claim)) => Some(without_numbers(claim)),
        None => differs.is_match(line).then(|| "all fields are equal".into()),
    };
    stderr.lines().filter_map(refused).collect()
}

/// What the lab is asked for, and the claims that no lie has made false.
fn never_false(section: &str, args: &[&str], library: &Path) -> BTreeSet<String> {
    let lab = |under: &[&str]| {
        let run = run_lab(section).args(args).under(under).env("COLUMNS", "1000");
        if is_root() { run.privileged() } else { run }
    };
    let mut left = claimed(&lab(&["env"]).go().clean().stdout);
    for (call, most) in LIES {
        for number in 1..=most {
            if left.is_empty() {
                return left;
            }
            let preload = format!("LD_PRELOAD={}", library.display());
            let lie = format!("LIE={call} {number}");
            let words = ["timeout", "-k", "1", "10", "env", &preload, &lie, "LIE_TOLD={dir}/told"];
            let run = lab(&words).go();
            left.retain(|claim| !refused(&run.stderr).contains(claim));
            if !run.dir.path().join("told").exists() {
                break;
            }
        }
    }
    left
}

#[test]
fn each_claim_is_refused_when_the_kernel_answers_otherwise() {
    if !have("cc", "that claims can fail") || !apart("that claims can fail") {
        return;
    }
    let dir = scratch();
    let library = dir.path().join("lies.so");
    let source = common::repo().join("tests/c/lies.c");
    let flags = ["-shared", "-fPIC", "-O1", "-Wall", "-Wextra", "-Werror", "-o"];
    let cc = Command::new("cc").args(flags).arg(&library).arg(source).status();
    assert!(cc.expect("cc").success());
    let mut places = vec![];
    for section in sections() {
        if !["4.8", "4.9", "4.10"].contains(&&*section) {
            places.push((section.clone(), None));
        }
        if std::env::var_os("SOAK").is_none() {
            continue;
        }
        let names = experiments(&section).into_iter();
        places.extend(names.map(|one| (section.clone(), Some(one.name))));
    }
    let (places, found) = (Mutex::new(places), Mutex::new(vec![]));
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                loop {
                    let Some((section, name)) = places.lock().expect("places").pop() else {
                        return;
                    };
                    let args: Vec<&str> =
                        name.iter().flat_map(|name| ["--experiment", name]).collect();
                    let left = never_false(&section, &args, &library);
                    let named = |claim: &str| {
                        ELSEWHERE
                            .iter()
                            .any(|(of, start, _)| *of == section && claim.starts_with(start))
                    };
                    let left = left.into_iter().filter(|claim| !named(claim));
                    let name = name.as_deref().unwrap_or("story");
                    let left = left.map(|claim| format!("{section} {name}: ✓ {claim}"));
                    found.lock().expect("found").extend(left);
                }
            });
        }
    });
    let mut found = found.into_inner().expect("found");
    found.sort();
    assert!(found.is_empty(), "no lie makes these false:\n{}", found.join("\n"));
}
