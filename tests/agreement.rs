//! Three witnesses: the System V calls that a lab prints, those that `strace` sees it make, and those
//! that `lab trace` sees, are the same, in the same order per process, with the same results.

mod common;
use std::collections::BTreeMap;
use std::sync::LazyLock;

use common::{as_root, bin, have, run_lab, sections};
use regex::Regex;
use serde_json::Value;

const CALLS: &str = "shmget|shmat|shmdt|shmctl|msgget|msgsnd|msgrcv|msgctl|semget|semop|semctl";

/// A call and its result; one that began and never ended; or, in a bulk run, how often a call had an
/// outcome.
#[derive(Debug, Clone, PartialEq)]
enum Seen {
    Call { name: String, args: String, result: String },
    Begun { name: String },
    Bulk { name: String, outcomes: BTreeMap<String, usize> },
}

type ByProcess = BTreeMap<String, Vec<Seen>>;

/// What the lab printed. Lines without a lane are the first process's, `main`. A call that may sleep has
/// two lines, `msgrcv(…) …` and `… msgrcv(…) = 5`: one call.
fn printed(stdout: &str, main: &str) -> ByProcess {
    static LINE: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(&format!(r"^(?:[\w ]+ (\d+) │)?  (… )?({CALLS})\((.*)\) += (.*)$"))
            .expect("line")
    });
    static BEGIN: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(&format!(r"^(?:[\w ]+ (\d+) │)?  ({CALLS})\(.*\) …$")).expect("begin")
    });
    static BULK: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(&format!(r"^(?:[\w ]+ (\d+) │)?  ({CALLS}) x \d+: (.*)$")).expect("bulk")
    });
    let (mut seen, mut begun) = (ByProcess::new(), BTreeMap::new());
    for line in stdout.lines() {
        let (pid, one) = if let Some(found) = BEGIN.captures(line) {
            let pid = found.get(1).map_or(main, |pid| pid.as_str());
            let other = begun.insert(pid.to_string(), found[2].to_string());
            assert_eq!(other, None, "{line} begins in the middle of another call");
            continue;
        } else if let Some(found) = LINE.captures(line) {
            let part = |i| found.get(i).map_or("", |part| part.as_str()).to_string();
            let name = begun.remove(found.get(1).map_or(main, |pid| pid.as_str()));
            assert_eq!(name, found.get(2).map(|_| part(3)), "{line} has not begun, or another has");
            (found.get(1), Seen::Call { name: part(3), args: part(4), result: part(5) })
        } else if let Some(found) = BULK.captures(line) {
            let outcomes = found[3].split(", ").filter_map(|one| one.split_once(' '));
            let outcomes = outcomes.map(|(n, what)| (what.into(), n.parse().expect("a count")));
            (found.get(1), Seen::Bulk { name: found[2].into(), outcomes: outcomes.collect() })
        } else {
            continue;
        };
        seen.entry(pid.map_or(main, |pid| pid.as_str()).into()).or_default().push(one);
    }
    for (pid, name) in begun {
        seen.entry(pid).or_default().push(Seen::Begun { name });
    }
    seen
}

/// A result, as the program got it: a tracer sees what the kernel has in mind before the handler has run.
fn after_a_handler(result: &str) -> String {
    let interrupted = result.starts_with("? ERESTARTNOHAND");
    if interrupted { "-1 EINTR (Interrupted system call)".into() } else { result.into() }
}

/// What strace saw: the first process, and the calls by process, without other programs'.
fn traced(log: &str) -> (String, ByProcess) {
    let line =
        Regex::new(r"^(\d+) +(\w+)\((.*)\) += (-?\w+(?: E\w+ \(.*\))?|\? ERESTARTNOHAND \(.*)")
            .expect("line");
    let start = Regex::new(r"^(\d+) +(.*) <unfinished \.\.\.>$").expect("start");
    let end = Regex::new(r"^(\d+) +<\.\.\. \w+ resumed>(.*)$").expect("end");
    let mut begun: BTreeMap<String, String> = BTreeMap::new();
    let (mut main, mut seen, mut elsewhere) = (String::new(), ByProcess::new(), Vec::new());
    for text in log.lines() {
        let text = if let Some(found) = start.captures(text) {
            begun.insert(found[1].into(), found[2].into());
            continue;
        } else if let Some(found) = end.captures(text) {
            format!("{} {}{}", &found[1], begun.remove(&found[1]).unwrap_or_default(), &found[2])
        } else {
            text.into()
        };
        let Some(found) = line.captures(&text) else { continue };
        let (pid, name) = (found[1].to_string(), found[2].replace("semtimedop", "semop"));
        if name == "execve" {
            if main.is_empty() {
                main = pid;
            } else if &found[4] == "0" {
                elsewhere.push(pid);
            }
        } else if !elsewhere.contains(&pid) {
            let args = found[3].trim_end_matches(", NULL").to_string();
            let args = if &found[2] == "semtimedop" { args } else { found[3].to_string() };
            let call = Seen::Call { name, args, result: after_a_handler(&found[4]) };
            seen.entry(pid).or_default().push(call);
        }
    }
    let name = Regex::new(r"^\w+").expect("name");
    for (pid, call) in begun.into_iter().filter(|(pid, _)| !elsewhere.contains(pid)) {
        let name =
            name.find(&call).map_or("", |found| found.as_str()).replace("semtimedop", "semop");
        if CALLS.split('|').any(|known| known == name) {
            seen.entry(pid).or_default().push(Seen::Begun { name });
        }
    }
    (main, seen)
}

/// Arguments as both can be compared: strace prints a key in a record in decimal, a pointer where
/// it does not decode, and of a received message the whole buffer.
fn same_args(name: &str, ours: &str, theirs: &str) -> bool {
    static KEY: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r"\bkey=0x([0-9a-f]+)").expect("key"));
    let decimal = |text: &str| {
        let key = |found: &regex::Captures| {
            format!("key={}", u32::from_str_radix(&found[1], 16).expect("hex"))
        };
        KEY.replace_all(text, key).into_owned()
    };
    let (ours, theirs) = (decimal(ours), decimal(theirs).replace("key=-", "key=")); // both unsigned below
    let ours = ours.as_str();
    if ours == theirs {
        return true;
    }
    let mask = |text: &str| {
        let record = Regex::new(r"\{.*\}|&\w+|0x7[0-9a-f]{8,}").expect("record");
        record.replace(text, "RECORD").into_owned()
    };
    // Of a record whose table follows, the line says `{…}`.
    let decoded = ours.contains('{') && !ours.contains("{…}") && theirs.contains('{');
    let message = Regex::new(r#"mtype=(\d+), mtext="(.*)""#).expect("message");
    match (message.captures(ours), message.captures(&theirs)) {
        (Some(o), Some(t)) if name == "msgrcv" => {
            o[1] == t[1] && t[2].starts_with(&o[2]) && mask(ours) == mask(&theirs)
        }
        _ => !decoded && mask(ours) == mask(&theirs),
    }
}

fn compare(what: &str, printed: &[Seen], traced: &[Seen]) {
    let mut theirs = traced.iter();
    for (i, ours) in printed.iter().enumerate() {
        match ours {
            Seen::Call { name, args, result } => match theirs.next() {
                Some(Seen::Call { name: n, args: a, result: r })
                    if n == name && r == result && same_args(name, args, a) => {}
                other => panic!("{what}, call {i}:\nprinted {ours:?}\nstrace  {other:?}"),
            },
            Seen::Begun { .. } => {
                assert_eq!(theirs.next(), Some(ours), "{what}, call {i}, which never ended");
            }
            // The calls of a bulk run stand together, in any order of names.
            Seen::Bulk { .. } if i > 0 && matches!(printed[i - 1], Seen::Bulk { .. }) => {}
            Seen::Bulk { .. } => {
                let bulk = printed[i..].iter().map_while(|one| match one {
                    Seen::Bulk { name, outcomes } => Some((name.clone(), outcomes.clone())),
                    _ => None,
                });
                let bulk: BTreeMap<_, _> = bulk.collect();
                let total = bulk.values().flat_map(BTreeMap::values).sum();
                let mut counted: BTreeMap<String, BTreeMap<String, usize>> = BTreeMap::new();
                for one in theirs.by_ref().take(total) {
                    let Seen::Call { name, result, .. } = one else { unreachable!() };
                    let outcome = result.strip_prefix("-1 ").and_then(|e| e.split(' ').next());
                    let outcomes = counted.entry(name.clone()).or_default();
                    *outcomes.entry(outcome.unwrap_or("ok").into()).or_default() += 1;
                }
                assert_eq!(bulk, counted, "{what}, bulk run at call {i}");
            }
        }
    }
    assert_eq!(theirs.next(), None, "{what}: strace saw more than was printed");
}

fn agree(section: &str, args: &[&str], privileged: bool) {
    let filter = format!("trace=execve,semtimedop,{}", CALLS.replace('|', ","));
    let run = run_lab(section).args(args).under(&[
        "strace",
        "-f",
        "--seccomp-bpf",
        "-v",
        "-qq",
        "-o",
        "{dir}/strace",
        "-e",
        &filter,
    ]);
    let run = if privileged { run.privileged() } else { run }.go().clean();
    let log = std::fs::read_to_string(run.dir.path().join("strace")).expect("strace's log");
    let (main, traced) = traced(&log);
    let printed = printed(&run.stdout, &main);
    let what = format!("lab {section} {args:?}");
    assert!(!printed.is_empty() || !args.is_empty(), "{what} printed no call");
    for pid in traced.keys().chain(printed.keys()) {
        let of = |seen: &ByProcess| seen.get(pid).cloned().unwrap_or_default();
        compare(&format!("{what}, process {pid}"), &of(&printed), &of(&traced));
    }
}

#[test]
fn every_lab_prints_what_strace_sees() {
    if have("strace", "that labs print what strace sees") {
        for section in sections() {
            agree(&section, &[], false);
            agree(&section, &["--experiments"], false);
        }
    }
}

/// What only root can show is shown, and only then.
#[test]
fn every_lab_prints_what_strace_sees_as_root() {
    let what = "that labs print what strace sees, as root";
    if as_root(what) && have("strace", what) {
        for section in sections() {
            agree(&section, &["--experiments"], true);
        }
    }
}

/// What `lab trace --json` saw, as [`traced`] has it.
fn watched(json: &str) -> (String, ByProcess) {
    let (mut main, mut seen, mut elsewhere) = (String::new(), ByProcess::new(), Vec::new());
    for event in json.lines() {
        let event: Value = serde_json::from_str(event).expect("an event");
        let (pid, call) = (event["tid"].to_string(), &event["call"]);
        let text = |value: &Value| value.as_str().unwrap_or_default().to_string();
        let name = text(&call["name"]).replace("semtimedop", "semop");
        if event["event"] == "start" {
            main = pid;
        } else if event["event"] != "call" {
            continue;
        } else if name == "execve" && call["result"] == 0 {
            elsewhere.push(pid);
        } else if !elsewhere.contains(&pid) && CALLS.split('|').any(|known| known == name) {
            let args = call["args"].as_array().expect("args").iter();
            let args = args.filter(|arg| arg["name"] != "timeout").map(|arg| text(&arg["text"]));
            let args = args.collect::<Vec<_>>().join(", ");
            let call = Seen::Call { name, args, result: after_a_handler(&text(&call["answer"])) };
            seen.entry(pid).or_default().push(call);
        }
    }
    (main, seen)
}

/// Calls and how each came out, process by process, whatever the processes' numbers are.
fn outcomes(seen: &ByProcess) -> Vec<Vec<String>> {
    let outcome = |one: &Seen| match one {
        Seen::Call { name, result, .. } => {
            let failed = result.strip_prefix("-1 ").and_then(|errno| errno.split(' ').next());
            format!("{name} {}", failed.unwrap_or("ok"))
        }
        Seen::Begun { name } => format!("{name} …"),
        Seen::Bulk { .. } => unreachable!("only a lab prints in bulk"),
    };
    let mut all: Vec<Vec<String>> =
        seen.values().map(|calls| calls.iter().map(outcome).collect()).collect();
    all.sort();
    all
}

#[test]
fn every_lab_prints_what_lab_trace_sees() {
    let tracer = bin("lab").display().to_string();
    for section in sections() {
        for args in [&[][..], &["--experiments"]] {
            let words = [&tracer, "trace", "--json", "-o", "{dir}/trace", "--"];
            let run = run_lab(&section).args(args).under(&words).go().clean();
            let json = std::fs::read_to_string(run.dir.path().join("trace")).expect("a trace");
            let (main, watched) = watched(&json);
            let what = format!("lab {section} {args:?}");
            let printed = printed(&run.stdout, &main);
            for pid in watched.keys().chain(printed.keys()) {
                let of = |seen: &ByProcess| seen.get(pid).cloned().unwrap_or_default();
                compare(&format!("{what}, process {pid}"), &of(&printed), &of(&watched));
            }
            if have("strace", "that lab trace sees what strace sees") {
                let filter = format!("trace=execve,semtimedop,{}", CALLS.replace('|', ","));
                let words =
                    ["strace", "-f", "--seccomp-bpf", "-v", "-qq", "-o", "{dir}/strace", "-e"];
                let words = [&words[..], &[&filter]].concat();
                let run = run_lab(&section).args(args).under(&words).go().clean();
                let log = std::fs::read_to_string(run.dir.path().join("strace")).expect("a log");
                assert_eq!(outcomes(&traced(&log).1), outcomes(&watched), "{what}");
            }
        }
    }
}
