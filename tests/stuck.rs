//! The tool never sticks a kernel, and never waits for one that is stuck: how many filters and
//! namespaces it makes, counted from outside; what it says of a kernel that does not answer; and
//! that SIGINT and SIGTERM end it, whatever becomes of what it traces.
#![cfg(target_arch = "x86_64")]

mod common;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use common::{Load, Run, Runner, apart, bin, can_explore, compiled, have, preloaded, run};

#[test]
fn one_filter_and_few_namespaces_for_a_thousand_schedules() {
    if !can_explore("lab on a kernel that does not answer") {
        return;
    }
    let program = compiled("zoo/good/philosophers-in-order.c", &[]).display().to_string();
    let counted = common::scratch();
    let file = counted.path().join("count");
    fs::write(&file, "").expect("count");
    fs::set_permissions(&file, Permissions::from_mode(0o666)).expect("chmod");
    // A second worker has a filter and a room of its own: tests/workers.rs.
    let options = ["--json", "--all", "--preemptions", "unbounded", "--max", "1000"];
    let words = [&["explore", "--workers", "1"], &options[..]].concat();
    let run = run(&bin("lab"))
        .args(&[&words[..], &["--", &program]].concat())
        .env("LD_PRELOAD", &preloaded("c/count.c"))
        .env("COUNT", &file.display().to_string())
        .go();
    assert!(run.stdout.contains("\"runs\":1000,"), "{run:#?}");
    let lines = fs::read_to_string(&file).expect("count");
    let made = |what: &str| lines.lines().filter(|line| *line == what).count();
    // The room's, and the one that the test itself runs in.
    assert_eq!(made("filter"), 1, "{lines}");
    assert!((1..=10).contains(&made("ipc")), "{lines}");
}

/// The words before `lab`: on a kernel that does not answer one call, and where time passes so many
/// times as fast.
fn on_a_stuck_kernel(what: &str, hurry: &str) -> [String; 4] {
    let set = |name: &str, value: &str| format!("{name}={value}");
    let library = preloaded("c/stuck.c");
    ["env".into(), set("STUCK", what), set("HURRY", hurry), set("LD_PRELOAD", &library)]
}

fn stuck(what: &str, words: &[&str]) -> Runner {
    let before = on_a_stuck_kernel(what, "100");
    run(&bin("lab")).args(words).under(&before.each_ref().map(String::as_str))
}

/// One line, which names where the starter sleeps.
fn one_line(run: &Run, code: i32) {
    assert!(run.code == code && run.stderr.lines().count() == 1, "{run:#?}");
    for part in ["not started after 60 s: process ", " waits in ", "; see lab doctor"] {
        assert!(run.stderr.contains(part), "{part}: {run:#?}");
    }
}

#[test]
fn a_filter_that_does_not_come_is_told_of() {
    if !can_explore("lab on a kernel that does not answer") {
        return;
    }
    let trace = stuck("filter", &["trace", "-o", "/dev/null", "--", "true"]).go();
    one_line(&trace, 1);
    one_line(&stuck("filter", &["explore", "--", "true"]).go(), 3);
    one_line(&stuck("unshare", &["explore", "--", "true"]).go(), 3);
}

#[test]
fn the_doctor_does_what_it_reports() {
    if !have("cc", "lab doctor on a kernel that does not answer") {
        return;
    }
    let row = |run: &Run, name: &str| {
        let at = run.stdout.find(name).unwrap_or_else(|| panic!("no {name}: {run:#?}"));
        run.stdout[at..].lines().take(2).collect::<Vec<_>>().join(" ")
    };
    let words = "does not answer; this kernel is stuck, restart the machine";
    let run = stuck("filter", &["doctor"]).go();
    assert!(run.code == 1 && row(&run, "seccomp filter").contains(words), "{run:#?}");
    assert!(row(&run, "seccomp filter").contains(" waits in "), "{run:#?}");
    let run = stuck("unshare", &["doctor"]).go();
    assert!(run.code == 1 && row(&run, "namespaces").contains(words), "{run:#?}");
    let well = common::run(&bin("lab")).args(&["doctor"]).go();
    for name in ["ptrace", "seccomp filter", "pidfd"] {
        assert!(well.stdout.contains(&format!("ok   {name}")), "{name}: {well:#?}");
    }
}

#[test]
fn the_doctor_does_not_tell_what_it_could_not_read() {
    if !apart("lab doctor beside files that cannot be read") {
        return;
    }
    for (hidden, row) in [
        ("/proc/sys/kernel/shm_rmid_forced", "forced removal"),
        ("/proc/sys/kernel/shmmni", "limits"),
    ] {
        let script =
            format!("mount --bind /dev/null {hidden} && exec {} doctor", bin("lab").display());
        let run = run(Path::new("unshare")).args(&["-r", "--mount", "sh", "-c", &script]).go();
        let line = run.stdout.lines().find(|line| line.contains(row)).unwrap_or_default();
        assert!(line.contains("cannot tell: read("), "{row}: {run:#?}");
    }
}

/// Starts `lab` in the background, waits until it has a child with that in its command, sends it the
/// signal, and answers its exit code when nobody of them is left; 99: it did not come so far.
fn asked_to_stop(what: &str, signal: &str, words: &str, child: &str) -> Run {
    let before = on_a_stuck_kernel(what, "10").join(" ");
    let script = format!(
        "mkfifo pipe; turn() {{ turns=$((turns + 1)); [ $turns -gt 2000 ] && exit 99; \
         read -t 0.01 nothing <> pipe; }}; set -m; \
         {before} \"$0\" {words} > out 2> err & it=$!; set +m; turns=0; \
         until pgrep -P $it -f '{child}' > children; do turn; done; \
         kill {signal} $it; wait $it; code=$?; turns=0; cat err >&2; \
         while for p in $(cat children); do [ -e /proc/$p ] && break; done; do turn; done; exit $code"
    );
    run(Path::new("bash")).args(&["-c", &script, &bin("lab").display().to_string()]).go()
}

#[test]
fn int_and_term_end_it_whatever_the_tracee_does() {
    if !can_explore("lab on a kernel that does not answer") {
        return;
    }
    let endless = compiled("zoo/good/philosophers-in-order.c", &[]).display().to_string();
    let exploring = format!("explore --all --preemptions unbounded --max 1000000 -- {endless}");
    for (signal, code) in [("-TERM", 143), ("-INT", 130)] {
        // The starter sleeps for ever on its way.
        for words in ["trace -- sleep 1000", "explore -- sleep 1000"] {
            let run = asked_to_stop("filter", signal, words, "lab");
            assert!(run.code == code && run.left.is_empty(), "{signal} {words}: {run:#?}");
        }
        // What it traces does not die of SIGKILL while it lives.
        let run = asked_to_stop("kill", signal, &exploring, &endless);
        assert!(run.code == code && run.left.is_empty(), "{signal}: {run:#?}");
    }
    let run = asked_to_stop("kill", "-TERM", "trace -- sleep 1000", "sleep");
    assert_eq!(run.code, 143, "{run:#?}");
    assert!(run.stderr.contains("SIGKILL was sent and does not end it: process "), "{run:#?}");
}

/// Ctrl-C is the program's; who insists ends the trace.
#[test]
fn three_ctrl_c_end_a_trace_whose_program_does_not_listen() {
    let script = "mkfifo pipe; turn() { turns=$((turns + 1)); [ $turns -gt 2000 ] && exit 99; \
        read -t 0.01 nothing <> pipe; }; set -m; \
        \"$0\" trace -o trace -- bash -c 'trap : INT; mkfifo none; touch ready; while :; do read x <> none; done' & it=$!; turns=0; until [ -e ready ]; do turn; done; \
        for i in 1 2 3; do kill -INT -$it; \
          until [ ! -e /proc/$it ] || [ $(grep -c SIGINT trace) -ge $i ]; do turn; done; done; \
        wait $it; exit $?";
    let run = run(Path::new("bash")).args(&["-c", script, &bin("lab").display().to_string()]).go();
    assert_eq!(run.code, 130, "{run:#?}");
}

/// The kernel's workers that sleep where no signal reaches them.
fn stuck_workers() -> usize {
    let processes = fs::read_dir("/proc").expect("/proc").filter_map(Result::ok);
    let stats = processes.filter_map(|entry| fs::read_to_string(entry.path().join("stat")).ok());
    stats.filter(|stat| stat.contains("(kworker") && stat.contains(") D ")).count()
}

/// Four explorations at once beside two busy loops, which once stuck a kernel. With SOAK for ten
/// minutes, else once each.
#[test]
fn explorations_beside_each_other_stick_nothing() {
    if !can_explore("lab on a kernel that does not answer") {
        return;
    }
    let soak = std::env::var_os("SOAK").is_some();
    let until = Instant::now() + Duration::from_secs(if soak { 600 } else { 0 });
    let animals = ["signal-thread", "sigsuspend", "queue", "semaphores"];
    let programs =
        animals.map(|name| compiled(&format!("zoo/good/{name}.c"), &[]).display().to_string());
    let before = stuck_workers();
    let load = Load::new();
    std::thread::scope(|scope| {
        for program in &programs {
            scope.spawn(move || {
                loop {
                    let words = ["explore", "--json", "--spread", "--max", "250", "--", program];
                    let run = run(&bin("lab")).args(&words).go();
                    assert!([0, 3].contains(&run.code) && run.stderr.is_empty(), "{run:#?}");
                    if Instant::now() >= until {
                        break;
                    }
                }
            });
        }
    });
    drop(load);
    // One that is about to go on is none: it may take a moment.
    let looks = (0..500).map(|_| {
        std::thread::park_timeout(Duration::from_millis(10));
        stuck_workers()
    });
    let after = looks.into_iter().find(|now| *now <= before);
    assert!(after.is_some(), "kernel workers in D: {before} before, {} now", stuck_workers());
}
