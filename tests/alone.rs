//! A program does under `lab explore` what it does alone: it prints the same, and ends in the same way.
#![cfg(target_arch = "x86_64")]

mod common;
use std::process::{Command, Stdio};

use common::{bin, can_explore, compiled, run};
use serde_json::Value;

/// Programs of every system, for a shell. None of them says what depends on the process that it is.
const COMMANDS: [&str; 34] = [
    "true",
    "false",
    "exit 7",
    "echo a; echo b >&2",
    "printf '%s\\n' c b a | sort",
    "seq 1 500 | wc -l",
    "seq 1 20000 | tail -n 1",
    "head -c 100000 /dev/zero | sha256sum",
    "yes | head -n 3",
    "cat /etc/passwd | cut -d: -f1 | sort | uniq -c",
    "grep root /etc/passwd",
    "grep nobody-is-called-so /etc/passwd",
    "sed -n 1p /etc/passwd",
    "awk -F: 'NR < 4 { print $3 }' /etc/passwd",
    "find /etc/skel -type f | sort",
    "date -u -d @86400",
    "cat /nowhere",
    "ls -d /etc /usr",
    "expr 6 '*' 7",
    "for i in 1 2 3; do echo $i & done | sort; wait",
    "(sleep 1; echo later) & echo first; wait",
    "trap 'echo caught' USR1; kill -USR1 $$; echo after",
    "sh -c 'kill -9 $$'; echo $?",
    "sh -c 'kill -TERM $$' & wait $!; echo $?",
    "x=$(echo inner | tr a-z A-Z); echo $x",
    "echo text > file; cat file; rm file; ls file",
    "rm -f pipe; mkfifo pipe; echo through > pipe & cat pipe; rm pipe",
    "timeout 1 sleep 5; echo $?",
    "timeout 5 sleep 1; echo $?",
    "bash -c 'a=(1 2 3); echo ${#a[@]}; [[ abc =~ b ]] && echo match'",
    "bash -c 'coproc cat; echo x >&${COPROC[1]}; read -r y <&${COPROC[0]}; echo $y'",
    "bash -c 'set -o pipefail; false | true; echo $?'",
    "perl -e 'print join(\",\", sort { $a <=> $b } 10, 9, 8), \"\\n\"; exit 3'",
    "diff /etc/passwd /etc/group > /dev/null; echo $?",
];

/// What a process has written to a stream, and how the first one has ended.
#[derive(PartialEq, Debug)]
struct Did {
    end: String,
    out: String,
    err: String,
}

fn alone(command: &str) -> Did {
    let dir = tempfile::tempdir().expect("a folder");
    let mut shell = Command::new("sh");
    shell.args(["-c", command]).current_dir(&dir).stdin(Stdio::null()).env("LC_ALL", "C");
    let output = shell.output().expect("sh");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let end = output.status.code().map_or("killed".into(), |code| code.to_string());
    Did { end, out: text(&output.stdout), err: text(&output.stderr) }
}

fn explored(command: &str) -> Did {
    let words = ["explore", "--json", "--replay", "-", "--", "sh", "-c", command];
    let run = run(&bin("lab")).env("LC_ALL", "C").args(&words).go();
    let events: Vec<Value> =
        run.stdout.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let last = events.last().unwrap_or_else(|| panic!("{command}: {run:#?}"));
    let end = last["ends"][0].as_str().unwrap_or_else(|| panic!("{command}: {run:#?}"));
    let stream = |fd: u64| {
        let its = events.iter().filter(|event| event["event"] == "write" && event["fd"] == fd);
        its.map(|event| event["text"].as_str().expect("a text")).collect()
    };
    Did { end: end.into(), out: stream(1), err: stream(2) }
}

#[test]
fn programs_do_what_they_do_alone() {
    if !can_explore("that programs do under lab explore what they do alone") {
        return;
    }
    let both = COMMANDS.iter().map(|command| (command, alone(command), explored(command)));
    let differ: Vec<_> = both.filter(|(_, alone, explored)| alone != explored).collect();
    assert!(differ.is_empty(), "{differ:#?}");
}

/// The leak detector of AddressSanitizer will not work for a traced program, and ends it.
#[test]
fn a_leak_detector_that_refuses_a_tracer_is_named() {
    let flags = ["-fsanitize=address", "-g"];
    if !can_explore("programs with AddressSanitizer") {
        return;
    }
    let program = compiled("zoo/good/child-ends.c", &flags);
    let explore = |options: &str| {
        let words = ["explore", "--", &program.display().to_string()];
        // Its runtime must come first of all libraries.
        run(&bin("lab")).env("LD_PRELOAD", "").env("ASAN_OPTIONS", options).args(&words).go()
    };
    let refused = explore("");
    assert!(refused.stderr.contains("ASAN_OPTIONS=detect_leaks=0"), "{refused:#?}");
    assert_eq!((refused.code, refused.stderr.lines().count()), (3, 1), "{refused:#?}");
    let without = explore("detect_leaks=0");
    assert!(without.code == 0 && without.stderr.is_empty(), "{without:#?}");
}
