//! Whatever the launcher left: signals that are ignored and blocked (nohup, cron, Python's subprocess),
//! as many processes as may be, an umask, a locale, a narrow terminal, no HOME. A lab does the same.

mod common;
use std::path::Path;

use common::{Run, apart, bin, can_explore, run, run_lab, sections};

/// Ignored and blocked on entry. Not SIGTERM, by which a run that hangs is ended.
const SIGNALS: &str = "CHLD,HUP,INT,PIPE,ALRM,USR1,USR2";

fn ignored_and_blocked() -> [String; 3] {
    ["env".into(), format!("--ignore-signal={SIGNALS}"), format!("--block-signal={SIGNALS}")]
}

/// All that a lab shows, its story and its experiments.
fn all_of(section: &str, before: &[&str]) -> Vec<Run> {
    let shown = [&[][..], &["--experiments"]];
    shown.map(|args| run_lab(section).args(args).under(before).go().clean()).into()
}

#[test]
fn signals_that_are_ignored_and_blocked_change_no_lab() {
    let words = ignored_and_blocked();
    for section in sections() {
        all_of(&section, &words.each_ref().map(String::as_str));
    }
    let sweep = run(&bin("sweep")).under(&words.each_ref().map(String::as_str)).go().clean();
    assert!(sweep.stdout.contains("nothing"), "{sweep:#?}");
}

/// The two sides of 4.9 in parts A and C, and of 4.10.
#[test]
fn nor_two_labs_that_meet() {
    let env = ignored_and_blocked().join(" ");
    for (lab, ready) in [
        ("{lab_4_9} SIDE --part a", "pause, until a client signals"),
        ("{lab_4_9} SIDE", "until a client rings"),
        ("{lab_4_10} SIDE", "it waits for a client"),
    ] {
        let side = |side| lab.replace("SIDE", side);
        let run = common::scene::scene(&format!(
            "echo hello > lines; FROM=lines start server {env} {} --key-file $key; prints server '{ready}'\n\
             start client {env} {} --key-file $key; ended client; ended server",
            side("server"),
            side("client")
        ))
        .go();
        assert!(run.code == 0 && run.left.is_empty(), "{run:#?}");
        let (server, client) =
            (common::scene::did(&run, "server"), common::scene::did(&run, "client"));
        assert_eq!((server.code, client.code), (0, 0), "{lab}: {}{}", server.err, client.err);
        assert!(client.out.contains(": hello"), "{lab}: {}", client.out);
    }
}

/// The tool's own waits: for its children, for a tick, for the three signals that end it.
#[test]
#[cfg(target_arch = "x86_64")]
fn nor_what_the_tool_finds() {
    let words = ignored_and_blocked();
    let under = words.each_ref().map(String::as_str);
    let lab = bin("lab_4_4").display().to_string();
    let trace = run(&bin("lab")).args(&["trace", "--", &lab]).under(&under).go();
    let told = trace.stdout.contains("shmget(") || trace.stderr.contains("shmget(");
    assert!(trace.code == 0 && told && trace.left.is_empty(), "{trace:#?}");
    if !can_explore("lab explore under a launcher's signals") {
        return;
    }
    for (animal, code) in [("bad/bare-pause", 1), ("good/child-ends", 0)] {
        let program = common::compiled(&format!("zoo/{animal}.c"), &[]).display().to_string();
        let explore = run(&bin("lab")).args(&["explore", "--", &program]).under(&under).go();
        assert!(explore.code == code && explore.left.is_empty(), "{animal}: {explore:#?}");
    }
    // A wait that has a limit ends although SIGALRM, its tick, was blocked; and SIGTERM ends the tool.
    let script = "mkfifo pipe; \"$@\" trace -o trace -- sleep 1000 & it=$!; turns=0
        until pgrep -P $it sleep > /dev/null; do turns=$((turns + 1)); [ $turns -gt 2000 ] && exit 99
        read -t 0.01 nothing <> pipe; done; kill -TERM $it; wait $it";
    let env = words.each_ref().map(|word| word.replace("--block-signal=", "--block-signal=TERM,"));
    let lab = bin("lab").display().to_string();
    let args = [&["-c", script, "bash"][..], &env.each_ref().map(String::as_str), &[&lab]].concat();
    let run = run(Path::new("bash")).args(&args).go();
    assert_eq!(run.code, 143, "{run:#?}");
}

/// As many processes and threads as a user may have: one line, exit 1, nobody left. In a user namespace of
/// its own the kernel counts a run alone; root is not counted at all.
#[test]
fn a_process_or_thread_too_many_is_one_line() {
    if !apart("a process too many") {
        return;
    }
    let reasons = [
        "fork() failed: EAGAIN",
        "pthread_create",
        "could not be made",
        "no thread",
        "posix_spawn(",
    ];
    let mut refused = [0; 5];
    for section in sections() {
        // The shell of the test and the lab are two.
        for most in 2..=8 {
            let limit = format!("ulimit -u {most}; exec \"$@\"");
            let run = run_lab(&section).under(&["bash", "-c", &limit, "bash"]).go();
            let why = reasons.iter().position(|why| run.stderr.contains(why));
            let lines = run.stderr.lines().count();
            let told = run.code == 1 && lines == 1 && why.is_some();
            assert!(
                (told || run.code == 0 && lines == 0) && run.left.is_empty(),
                "{section} {most}: {run:#?}"
            );
            why.into_iter().for_each(|i| refused[i] += 1);
        }
    }
    assert!(refused[0] > 9 && refused[1] > 0, "{refused:?}");
}
