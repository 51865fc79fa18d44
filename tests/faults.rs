//! What goes wrong around a lab: each of its calls fails, a signal arrives at each of them, its
//! output cannot be written. It says one line, ends with the right code, and leaves nothing.

mod common;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::thread;

use common::{Run, have, run_lab, sections};
use regex::Regex;

/// Errors that the man pages name for a call, the likelier ones first.
const ERRORS: [(&str, &[&str]); 11] = [
    ("shmget", &["ENFILE", "ENOMEM"]),
    ("shmat", &["EIDRM", "ENOMEM"]),
    ("shmdt", &["EINVAL", "ENOMEM"]),
    ("shmctl", &["EIDRM", "EPERM"]),
    ("msgget", &["ENOMEM", "ENOSPC"]),
    ("msgsnd", &["ENOMEM", "EIDRM"]),
    ("msgrcv", &["E2BIG", "EIDRM"]),
    ("msgctl", &["EIDRM", "EPERM"]),
    ("semget", &["ENOMEM", "ENOSPC"]),
    ("semtimedop", &["EFBIG", "EIDRM"]),
    ("semctl", &["EIDRM", "EPERM"]),
];
/// In a loop the calls are alike: how many of one name are tried.
const MOST: usize = 25;

/// The story of a section, or one of its experiments.
#[derive(Clone)]
struct Part {
    section: String,
    arguments: Vec<String>,
}

fn parts() -> Vec<Part> {
    let mut parts = Vec::new();
    for section in sections() {
        parts.push(Part { section: section.clone(), arguments: vec![] });
        let list = run_lab(&section).args(&["--list"]).go().clean().stdout;
        let known = list.lines().filter(|line| !line.starts_with("  none here: "));
        for name in known.filter_map(|line| line.split_whitespace().next()) {
            let arguments = vec!["--experiment".into(), name.into()];
            parts.push(Part { section: section.clone(), arguments });
        }
    }
    parts
}

impl Part {
    fn run(&self, strace: &[&str]) -> Run {
        let arguments: Vec<&str> = self.arguments.iter().map(String::as_str).collect();
        run_lab(&self.section).args(&arguments).under(strace).go()
    }

    /// How often each process called what, at most, and which errors it was answered at which turn.
    fn calls(&self) -> BTreeMap<String, Vec<BTreeSet<String>>> {
        let names = ERRORS.map(|(name, _)| name).join(",");
        let strace = ["strace", "-f", "-qq", "-o", "{dir}/strace", "-e"];
        let run = self.run(&[&strace[..], &[format!("trace={names}").as_str()]].concat()).clean();
        let log = fs::read_to_string(run.dir.path().join("strace")).expect("strace's log");
        let line = Regex::new(r"^(\d+) +(?:<\.\.\. )?(\w+)(?:\(.*| resumed>.*)= (-1 (E\w+)|\w+)")
            .expect("line");
        let mut turns: BTreeMap<(String, String), usize> = BTreeMap::new();
        let mut calls: BTreeMap<String, Vec<BTreeSet<String>>> = BTreeMap::new();
        for found in log.lines().filter_map(|text| line.captures(text)) {
            let turn = turns.entry((found[1].into(), found[2].into())).or_default();
            let answers = calls.entry(found[2].into()).or_default();
            if answers.len() == *turn {
                answers.push(BTreeSet::new());
            }
            answers[*turn].extend(found.get(4).map(|errno| errno.as_str().to_string()));
            *turn += 1;
        }
        calls
    }
}

/// Tries `one` on every call of every part, on both processors.
fn at_every_call(one: impl Fn(&Part, &str, usize, &BTreeSet<String>) + Sync) {
    let cells: Vec<(Part, String, usize, BTreeSet<String>)> = parts()
        .into_iter()
        .flat_map(|part| {
            part.calls().into_iter().flat_map(move |(name, turns)| {
                let part = part.clone();
                let turns = turns.into_iter().take(MOST).enumerate();
                turns.map(move |(turn, errors)| (part.clone(), name.clone(), turn + 1, errors))
            })
        })
        .collect();
    assert!(!cells.is_empty());
    let (next, failed) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let work = || {
        while let Some((part, name, turn, errors)) = cells.get(next.fetch_add(1, SeqCst)) {
            let attempt = || one(part, name, *turn, errors);
            if let Err(panic) = std::panic::catch_unwind(std::panic::AssertUnwindSafe(attempt)) {
                let text = panic.downcast_ref::<String>().cloned().unwrap_or_default();
                failed.lock().expect("failed").push(text);
            }
        }
    };
    thread::scope(|scope| {
        scope.spawn(work);
        work();
    });
    let failed = failed.into_inner().expect("failed");
    assert!(failed.is_empty(), "{} of {} cells:\n{}", failed.len(), cells.len(), failed.join("\n"));
}

/// One line on standard error; where `strace` let the call of several processes fail, and each of
/// them tells its own failure, at most as many.
fn one_line(run: &Run) -> bool {
    let log = fs::read_to_string(run.dir.path().join("strace")).expect("strace's log");
    let disturbed = log.lines().filter(|line| line.contains("(INJECTED)"));
    let pids: BTreeSet<&str> = disturbed.filter_map(|line| line.split(' ').next()).collect();
    let said: Vec<&str> = run.stderr.lines().collect();
    said.iter().all(|line| line.starts_with("lab_"))
        && (1..=pids.len().max(1)).contains(&said.len())
}

/// The words that put `strace` before a program and let it disturb one call.
fn inject(name: &str, what: &str) -> Vec<String> {
    let (trace, inject) = (format!("trace={name}"), format!("inject={name}:{what}"));
    let words = ["strace", "-f", "-qq", "-o", "{dir}/strace", "-e", &trace, "-e", &inject];
    words.map(String::from).to_vec()
}

#[test]
fn a_call_that_fails_is_one_line_and_leaves_nothing() {
    if !have("strace", "what labs do when a call fails") {
        return;
    }
    at_every_call(|part, name, turn, answered| {
        let known = ERRORS.iter().find(|(known, _)| *known == name).expect("a call we trace").1;
        // An error that this very call is expected to have would change nothing.
        let Some(error) = known.iter().find(|error| !answered.contains(**error)) else { return };
        let words = inject(name, &format!("error={error}:when={turn}"));
        let run = part.run(&words.iter().map(String::as_str).collect::<Vec<_>>());
        assert!(
            run.code == 1 && one_line(&run) && run.left.is_empty(),
            "{} {:?}: {name} number {turn} fails with {error}: {run:#?}",
            part.section,
            part.arguments
        );
    });
}

#[test]
fn a_signal_at_any_call_leaves_nothing() {
    if !have("strace", "what labs do when a signal comes") {
        return;
    }
    at_every_call(|part, name, turn, _| {
        for signal in
            if part.arguments.is_empty() { &["SIGINT", "SIGTERM"][..] } else { &["SIGINT"] }
        {
            let words = inject(name, &format!("signal={signal}:when={turn}"));
            let run = part.run(&words.iter().map(String::as_str).collect::<Vec<_>>());
            assert!(
                run.code != 0 && run.code != 124 && one_line(&run) && run.left.is_empty(),
                "{} {:?}: {signal} at {name} number {turn}: {run:#?}",
                part.section,
                part.arguments
            );
        }
    });
}

#[test]
fn a_removal_that_never_succeeds_is_named() {
    if !have("strace", "what labs say of what they could not remove") {
        return;
    }
    for section in sections() {
        let part = Part { section, arguments: vec![] };
        if !part.calls().contains_key("shmctl") {
            continue;
        }
        let words = inject("shmctl", "error=EPERM:when=1+");
        let run = part.run(&words.iter().map(String::as_str).collect::<Vec<_>>());
        let named = run.stderr.lines().filter(|line| line.contains("left behind: shmid ")).count();
        assert!(
            run.code == 1 && named == run.left.len() && named > 0,
            "{}: {run:#?}",
            part.section
        );
        assert!(run.stderr.contains("make sweep"), "{run:#?}");
    }
}

#[test]
fn output_that_nobody_takes_is_no_panic() {
    for part in parts().into_iter().filter(|part| part.arguments.is_empty()) {
        for (shell, code, lines) in [
            (r#""$@" > /dev/full"#, 1, 1),
            (r#""$@" >&-"#, 0, 0),
            (r#"{ "$@"; echo $? > code; } | :; exit $(cat code)"#, 141, 0),
            (r#"{ "$@"; echo $? > code; } | sed 3q > /dev/null; exit $(cat code)"#, 141, 0),
        ] {
            for all in [None, Some("--experiments")] {
                let args: Vec<&str> = all.into_iter().collect();
                let run = run_lab(&part.section).args(&args).under(&["sh", "-c", shell, "sh"]).go();
                // A reader that leaves may have taken everything by then.
                let ended = run.code == code || (code == 141 && run.code == 0);
                let said = run.stderr.lines().count() == lines;
                assert!(ended && said && run.left.is_empty(), "{} {shell}: {run:#?}", part.section);
            }
        }
    }
}
