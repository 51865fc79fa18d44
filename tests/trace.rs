//! `lab trace`: what it sees of programs that know nothing of us is what strace sees; and the
//! program behaves as if nobody looked.

mod common;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::LazyLock;

use common::foreign::{events, foreign, kind, text, trace_of, traced};
use common::scene::{did, scene, shell};
use common::{Run, bin, have, lab, repo, run, scratch, sections};
use expectrl::{ControlCode, Expect};
use regex::Regex;
use serde_json::Value;

/// The programs of tests/foreign that are looked at, and their exit codes.
const PROGRAMS: [(&str, i32); 13] = [
    ("attach", 0),
    ("keys", 0),
    ("records", 0),
    ("queue", 0),
    ("semaphores", 0),
    ("signals", 0),
    ("ping", 0),
    ("threads", 0),
    ("programs", 0),
    ("deaths", 0),
    ("sleeps", 0),
    ("spelling", 0),
    ("left", 5),
];

/// `shmat(3, NULL, 0) = 0x7f…`
fn line(call: &Value) -> String {
    let args = call["args"].as_array().expect("args").iter().map(|arg| text(arg, "text"));
    let args: Vec<&str> = args.collect();
    format!("{}({}) = {}", text(call, "name"), args.join(", "), text(call, "answer"))
}

/// What happened in one process or thread: its calls, its signals and its end, in order.
#[derive(Default, Debug)]
struct Story {
    calls: Vec<String>,
    signals: Vec<String>,
    end: String,
}

/// Threads in the order in which they come.
#[derive(Default)]
struct Stories(Vec<(String, Story)>);

impl Stories {
    fn of(&mut self, tid: &str) -> &mut Story {
        if !self.0.iter().any(|(known, _)| known == tid) {
            self.0.push((tid.into(), Story::default()));
        }
        let found = self.0.iter_mut().find(|(known, _)| known == tid);
        &mut found.expect("just added").1
    }

    /// With what differs from run to run masked, pids by their order.
    fn masked(self) -> Vec<Story> {
        let tids: Vec<String> = self.0.iter().map(|(tid, _)| tid.clone()).collect();
        let mask = |text: String| mask(&text, &tids);
        let mask_all = |all: Vec<String>| all.into_iter().map(mask).collect();
        let story = |(_, story): (String, Story)| Story {
            calls: mask_all(story.calls),
            signals: story.signals,
            end: story.end,
        };
        self.0.into_iter().map(story).collect()
    }
}

fn mask(text: &str, tids: &[String]) -> String {
    static RULES: LazyLock<Vec<(Regex, &str)>> = LazyLock::new(|| {
        let rules = [
            (r"\) += ", ") = "),
            (r"tv_sec=\d+, tv_nsec=\d+", "TIME"),
            // A test in another thread may have left a descriptor open.
            (r"^(pidfd_send_signal\()\d+", "${1}FD"),
            (r"(time)=\d+( /\* .*? \*/)?", "$1=TIME"),
            (r"\bkey=(0x)?[0-9a-f]+", "key=KEY"),
            (r"0x[0-9a-f]{6,}", "ADDRESS"),
            // Of a received message strace shows the whole buffer.
            (r#"^(msgrcv.*mtext="[^"]{0,4}).*(\}, \d)"#, "$1$2"),
            (r", left \{.*\}\)", ")"),
            (r"^(execve\(.*?\], ).*\)( = .*)", "${1}ENV)$2"),
        ];
        rules.map(|(rule, by)| (Regex::new(rule).expect(rule), by)).into_iter().collect()
    });
    let mut text = text.to_string();
    for (rule, by) in RULES.iter() {
        text = rule.replace_all(&text, *by).into_owned();
    }
    for (i, tid) in tids.iter().enumerate() {
        let rule = Regex::new(&format!(r"\b{tid}\b")).expect("a number");
        text = rule.replace_all(&text, format!("P{i}")).into_owned();
    }
    text
}

fn seen_by_us(events: &[Value]) -> Vec<Story> {
    let mut stories = Stories::default();
    for event in events.iter().filter(|event| event["pid"] != 0) {
        let story = stories.of(&event["tid"].to_string());
        match kind(event) {
            "call" => story.calls.push(line(&event["call"])),
            "write" => story.calls.push(format!("write({}) = {}", event["fd"], event["bytes"])),
            "signal" => {
                story.signals.push(format!("{} {}", text(event, "signal"), text(event, "code")));
            }
            "exit" => story.end = format!("exited with {}", event["code"]),
            "killed" => story.end = format!("killed by {}", text(event, "signal")),
            _ => {}
        }
    }
    stories.masked()
}

fn seen_by_strace(log: &str) -> Vec<Story> {
    let entry = Regex::new(r"^(\d+) +(.*)$").expect("entry");
    let end = Regex::new(r"^<\.\.\. \w+ resumed>(.*)$").expect("end");
    let signal = Regex::new(r"^--- (\w+) \{si_signo=\w+, si_code=(\w+)").expect("signal");
    let write = Regex::new(r"^write\((\d), .*\) += (\d+)$").expect("write");
    let mut begun: BTreeMap<String, String> = BTreeMap::new();
    let mut stories = Stories::default();
    for line in log.lines() {
        let Some(found) = entry.captures(line) else { continue };
        let (tid, mut text) = (found[1].to_string(), found[2].to_string());
        let story = stories.of(&tid);
        if let Some(start) = text.strip_suffix(" <unfinished ...>") {
            begun.insert(tid, start.into());
            continue;
        }
        if let Some(found) = end.captures(&text) {
            text = begun.remove(&tid).unwrap_or_default() + &found[1];
        }
        if let Some(found) = signal.captures(&text) {
            story.signals.push(format!("{} {}", &found[1], &found[2]));
        } else if let Some(how) = text.strip_prefix("+++ ") {
            story.end = how.trim_end_matches(" +++").trim_end_matches(" (core dumped)").into();
        } else if let Some(found) = write.captures(&text) {
            story.calls.push(format!("write({}) = {}", &found[1], &found[2]));
        } else if !text.ends_with("= ?") && !text.starts_with("---") {
            story.calls.push(text);
        }
    }
    stories.masked()
}

/// What `lab trace` leaves out on purpose: what the C library does for itself, handlers of signals by
/// which nobody is woken, polls that do not wait.
fn left_out(call: &str) -> bool {
    const WAKE_UPS: [&str; 7] = ["HUP", "INT", "USR1", "USR2", "ALRM", "TERM", "CHLD"];
    let Some((name, args)) = call.split_once('(') else { return false };
    let signal = args.trim_start_matches("SIG").split(',').next().unwrap_or_default();
    match name {
        "rt_sigaction" => {
            args.contains(", NULL, {")
                || signal == "RT_1"
                || !WAKE_UPS.contains(&signal) && !signal.starts_with("RT_")
        }
        "rt_sigprocmask" => {
            args.contains("~[") || args.contains("[RTMIN RT_1]") || args.starts_with("SIG_SETMASK")
        }
        _ => false,
    }
}

/// Whether a thread has to sleep on a futex is not fixed, and how often a loop asks is not either.
fn is_chance(call: &str) -> bool {
    call.starts_with("futex(") || call.contains("GETNCNT") || call.starts_with("sched_")
}

const STRACED: &str = "trace=execve,shmget,shmat,shmdt,shmctl,msgget,msgsnd,msgrcv,msgctl,semget,semop,\
    semtimedop,semctl,kill,tkill,tgkill,pidfd_send_signal,rt_sigqueueinfo,rt_sigaction,rt_sigprocmask,\
    rt_sigsuspend,rt_sigtimedwait,pause,alarm,fork,vfork,clone,clone3,wait4,waitid,poll,ppoll,nanosleep,\
    clock_nanosleep,write,futex,unshare,setns,execveat,rt_tgsigqueueinfo";

#[test]
fn foreign_programs_are_seen_as_strace_sees_them() {
    if !have("strace", "that lab trace sees what strace sees") {
        return;
    }
    for (name, code) in PROGRAMS {
        let ours = traced(run(&foreign(name)), &["--json"]).go();
        let straced =
            ["strace", "-f", "--seccomp-bpf", "-v", "-q", "-o", "{dir}/log", "-e", STRACED];
        let theirs = run(&foreign(name)).under(&straced).go();
        assert_eq!((ours.code, theirs.code), (code, code), "{name}: {ours:#?}");
        assert_eq!(ours.stdout, theirs.stdout, "{name}");
        assert_eq!(ours.stderr, theirs.stderr, "{name}");
        let log = fs::read_to_string(theirs.dir.path().join("log")).expect("strace's log");
        let (ours, mut theirs) = (seen_by_us(&events(&trace_of(&ours))), seen_by_strace(&log));
        // The first exec is strace's own; ours is not shown.
        assert!(theirs[0].calls.remove(0).starts_with("execve("), "{name}: {log}");
        assert_eq!(ours.len(), theirs.len(), "{name}: {ours:#?}\n{theirs:#?}");
        for (i, (ours, theirs)) in ours.iter().zip(&theirs).enumerate() {
            let what = format!("{name}, thread {i}");
            assert_eq!(ours.signals, theirs.signals, "{what}");
            assert_eq!(ours.end, theirs.end, "{what}");
            // In a vfork child before exec, the C library's own settings are left out, too.
            let borrowed = name == "programs" && i > 0;
            let mut rest = theirs.calls.iter().filter(|call| !is_chance(call));
            for call in ours.calls.iter().filter(|call| !is_chance(call)) {
                let found = rest.by_ref().find(|theirs| {
                    let same = *theirs == call;
                    let may_miss = left_out(theirs) || borrowed && theirs.starts_with("rt_sig");
                    assert!(same || may_miss, "{what}:\nlab    {call}\nstrace {theirs}");
                    same
                });
                assert!(found.is_some(), "{what}: strace has no {call}");
            }
            let more: Vec<_> = rest
                .filter(|call| !(left_out(call) || borrowed && call.starts_with("rt_sig")))
                .collect();
            assert!(more.is_empty(), "{what}: strace saw more: {more:?}");
        }
    }
}

/// Every event, and every field of it, stands in notes/events.md; and every one that stands there
/// is emitted.
#[test]
fn every_event_is_documented() {
    let notes = fs::read_to_string(repo().join("notes/events.md")).expect("notes/events.md");
    let documented = |name: &str| notes.contains(&format!("`{name}`"));
    let heading = Regex::new(r"(?m)^### `(\w+)`").expect("heading");
    let mut missing: Vec<String> =
        heading.captures_iter(&notes).map(|found| found[1].to_string()).collect();
    assert!(missing.len() > 10, "{missing:?}");
    let mut look = |text: String| {
        for event in events(&text) {
            assert!(
                heading.captures_iter(&notes).any(|found| &found[1] == kind(&event)),
                "{event}"
            );
            missing.retain(|name| name != kind(&event));
            let mut todo = vec![&event];
            while let Some(value) = todo.pop() {
                match value {
                    Value::Object(fields) => {
                        for (name, value) in fields {
                            assert!(documented(name), "{name} of {event} is not documented");
                            todo.push(value);
                        }
                    }
                    Value::Array(values) => todo.extend(values),
                    _ => {}
                }
            }
        }
    };
    for (name, _) in PROGRAMS {
        look(trace_of(&traced(run(&foreign(name)), &["--json"]).go()));
    }
    look(trace_of(&traced(run(Path::new("sh")), &["--json"]).args(&["-c", STOPS]).go()));
    for case in ["alone", "both"] {
        let stores = run(&foreign("memory/stores")).args(&[case]);
        look(trace_of(&traced(stores, &["--json", "--memory"]).go()));
    }
    assert!(missing.is_empty(), "documented, and never emitted: {missing:?}");
}

/// A shell whose child is stopped and continued.
const STOPS: &str = "sleep 100 & \
    state() { until grep -q \"^State:.[$1]\" /proc/$!/status; do :; done; }; \
    kill -STOP $!; state Tt; kill -CONT $!; state S; kill $!; wait";

#[test]
fn the_program_behaves_as_it_does_alone() {
    let sh = |script: &str| run(Path::new("sh")).args(&["-c", script]);
    for script in
        ["exit 0", "exit 77", "kill -TERM $$", "kill -USR1 $$", "kill -SEGV $$", "kill -9 $$"]
    {
        let (alone, seen) = (sh(script).go(), traced(sh(script), &[]).go());
        assert_eq!((alone.code, &alone.stderr), (seen.code, &seen.stderr), "{script}");
    }
    let copy = traced(run(Path::new("cat")), &[]).input("one\ntwo\n").go();
    assert_eq!((copy.code, copy.stdout.as_str()), (0, "one\ntwo\n"));
    // Signals and mask are what they were, also those that the tracer sets for itself.
    let status = "grep -E '^Sig(Blk|Ign|Cgt)|^Threads' /proc/self/status";
    let (alone, seen) = (sh(status).go(), traced(sh(status), &[]).go());
    assert_eq!(alone.stdout, seen.stdout);
    let nohup =
        format!("trap '' HUP INT USR2; exec {} trace -o trace -- {status}", bin("lab").display());
    let ignored = sh(&format!("trap '' HUP INT USR2; exec {status}")).go();
    assert_eq!(sh(&nohup).go().stdout, ignored.stdout);
    assert_eq!(traced(run(Path::new("no-such-program")), &[]).go().code, 127);
    assert_eq!(traced(run(Path::new("/")), &[]).go().code, 126);
}

#[test]
fn what_is_left_is_told() {
    let run = traced(run(&foreign("left")), &[]).go();
    let trace = trace_of(&run);
    assert_eq!((run.code, run.left.len()), (5, 3), "{run:#?}");
    let told: Vec<&str> = trace.lines().filter(|line| line.starts_with("-- left: ")).collect();
    let ids = Regex::new(r"id \d+").expect("id");
    let told: Vec<String> =
        told.iter().map(|line| ids.replace(line, "id N").into_owned()).collect();
    let expected = [
        "-- left: msqid N, 1 messages, 5 bytes",
        "-- left: semid N, 3 semaphores",
        "-- left: shmid N, 128 bytes, nattch 0",
    ];
    assert_eq!(told, expected, "{trace}");
    let clean = traced(common::run(&foreign("attach")), &[]).go();
    assert!(trace_of(&clean).contains("\n-- left: none\n"), "{clean:#?}");
}

/// The table of each step is the one that the kernel's rules give, and the sentences say so.
#[test]
fn the_table_is_shown_before_and_after() {
    let run = traced(run(&foreign("attach")), &["--json"]).go();
    let events = events(&trace_of(&run));
    let rows = events.iter().filter(|event| kind(event) == "table").map(|event| {
        let nattch = |row: &Value| row["nattch"].as_i64().unwrap_or(-1);
        (nattch(&event["before"]), nattch(&event["after"]))
    });
    let rows: Vec<(i64, i64)> = rows.collect();
    // Made; attached twice; inherited, detached once, the child exits; removed; detached, gone.
    let expected = [(-1, 0), (0, 1), (1, 2), (2, 4), (4, 3), (3, 2), (2, 2), (2, 1), (1, -1)];
    assert_eq!(rows, expected);
    let notes: Vec<String> =
        events.iter().map(|event| text(&event["note"], "text").to_string()).collect();
    let said = |words: &str| notes.iter().any(|note| note.contains(words));
    assert!(
        said("attached read-write at an address the kernel chose; nattch is now 1"),
        "{notes:?}"
    );
    assert!(said("attached read-only") && said("its key is free"), "{notes:?}");
}

/// What an argument means is said in a word: nobody has to read it out of the call's line.
#[test]
fn arguments_say_what_they_mean() {
    let meanings = |name: &str| {
        let run = traced(run(&foreign(name)), &["--json"]).go();
        let calls = events(&trace_of(&run)).into_iter().filter(|event| kind(event) == "call");
        let of = |event: Value| {
            let args = event["call"]["args"].as_array().expect("args").clone();
            let means = args.into_iter().filter(|arg| arg["means"].is_object());
            let name = text(&event["call"], "name").to_string();
            means.map(move |arg| {
                (format!("{name} {}", arg["means"]), text(&arg, "text").to_string())
            })
        };
        calls.flat_map(of).collect::<Vec<_>>()
    };
    let names = ["attach", "records", "queue", "semaphores", "signals", "threads"];
    let all: BTreeMap<String, String> = names.into_iter().flat_map(meanings).collect();
    for (means, spelled) in [
        (r#"shmctl {"command":"remove"}"#, "IPC_RMID"),
        (r#"shmctl {"command":"stat"}"#, "IPC_STAT"),
        (r#"shmctl {"command":"set"}"#, "IPC_SET"),
        (r#"msgsnd {"message_type":3}"#, "{mtype=3, "),
        (r#"semtimedop {"operation":"take"}"#, "sem_op=-"),
        (r#"semtimedop {"operation":"post"}"#, "sem_op=1"),
        (r#"rt_sigaction {"action":"ignore"}"#, "{sa_handler=SIG_IGN"),
        (r#"shmctl {"command":"lock"}"#, "SHM_LOCK"),
        (r#"semtimedop {"operation":"test"}"#, "sem_op=0"),
        (r#"rt_sigaction {"action":"handler"}"#, "{sa_handler=0x"),
        (r#"rt_sigprocmask {"signals":[10]}"#, "[USR1]"),
    ] {
        let text = all.get(means).unwrap_or_else(|| panic!("{means}: {all:#?}"));
        assert!(text.contains(spelled), "{means}: {text}");
    }
    let owner = Regex::new(r#"^shmctl \{"owner":\{"gid":\d+,"uid":\d+\}\}$"#).expect("owner");
    assert!(all.keys().any(|means| owner.is_match(means)), "{all:#?}");
}

#[test]
fn a_key_is_traced_back_to_its_file() {
    let run = traced(run(&foreign("keys")), &["--json"]).go();
    let events = events(&trace_of(&run));
    let keys = events.iter().filter(|event| kind(event) == "ftok");
    let keys: Vec<(&str, i64)> =
        keys.map(|event| (text(event, "path"), event["proj_id"].as_i64().unwrap_or(0))).collect();
    let file = "the key file";
    assert_eq!(keys, [(file, 65), (file, 66), (file, 66)]);
}

/// A signal is not delivered before the call that sent it has been told; several programs are told
/// apart.
#[test]
fn a_cause_stands_before_its_effect() {
    for spread in [&["--json"][..], &["--json", "--spread"]] {
        let run = traced(run(&foreign("ping")), spread).go();
        let events = events(&trace_of(&run));
        let mut sent = 0;
        for event in &events {
            let begins = kind(event) == "enter" || kind(event) == "call";
            let told = events.iter().any(|other| {
                kind(other) == "enter"
                    && other["tid"] == event["tid"]
                    && other["n"].as_i64() < event["n"].as_i64()
                    && event["entered"].as_i64() <= other["us"].as_i64()
            });
            if begins && text(&event["call"], "name") == "kill" && !(kind(event) == "call" && told)
            {
                sent += 1;
            }
            if kind(event) == "signal" && text(event, "signal") == "SIGUSR1" {
                sent -= 1;
                assert!(sent >= 0, "{event}");
            }
        }
    }
    let both = traced(run(Path::new("true")), &["--json", "--and", "sh -c 'exit 3'"]).go();
    let events = events(&trace_of(&both));
    let starts = events.iter().filter(|event| kind(event) == "start").count();
    assert_eq!((both.code, starts), (0, 2));
    let lanes: Vec<&str> = events
        .iter()
        .filter(|event| kind(event) == "exit")
        .map(|event| text(event, "lane"))
        .collect();
    assert!(lanes.contains(&"true") && lanes.contains(&"sh"), "{lanes:?}");
}

#[test]
fn the_end_of_the_tracer_is_the_end_of_the_traced() {
    for (signal, code) in [("KILL", 137), ("TERM", 143)] {
        let script = format!(
            "start lab {lab} trace -o trace -- sh -c 'echo $$; exec sleep 1000'\n\
             prints lab '[0-9]'; child=$(cat lab.out); is '[St]' $child\n\
             kill -{signal} $lab; ended lab\n\
             turns=0; while kill -0 $child 2>nothing; do turns=$((turns + 1)); [ $turns -gt 5000 ] && exit 98; \
             read -t 0.01 nothing <> pipe; done; :",
            lab = bin("lab").display()
        );
        let run = scene(&script).go();
        assert_eq!((run.code, did(&run, "lab").code), (0, code), "{run:#?}");
        if signal == "TERM" {
            // What we did stands before what that did to the program.
            let trace = trace_of(&run);
            let (ours, theirs) =
                (trace.find("stopped by SIGTERM"), trace.find("killed by SIGKILL"));
            assert!(ours.is_some() && ours < theirs, "{trace}");
        }
    }
}

#[test]
fn detached_it_runs_on() {
    let script = format!(
        "mkfifo go\n\
         start lab {lab} trace --detach -o trace -- sh -c 'echo $$; read word < go; ipcmk -M 64 > made; echo $word > said'\n\
         prints lab '[0-9]'; child=$(cat lab.out); is '[St]' $child\n\
         kill -KILL $lab; ended lab\n\
         echo hello > go\n\
         turns=0; while kill -0 $child 2>nothing; do turns=$((turns + 1)); [ $turns -gt 5000 ] && exit 98; \
         read -t 0.01 nothing <> pipe; done\n\
         cat said; ipcrm -m $(sed 's/.*: //' made)",
        lab = bin("lab").display()
    );
    let run = scene(&script).go();
    assert_eq!((run.code, run.stdout.trim(), run.left.len()), (0, "hello", 0), "{run:#?}");
    assert!(trace_of(&run).contains("--detach: without a filter"), "{}", trace_of(&run));
}

#[test]
fn a_reader_that_goes_is_no_panic() {
    let script = format!(
        "{lab} trace -o - -- {program} | head -n 2; echo ${{PIPESTATUS[0]}}; {lab} trace -- true 2>&-; echo $?; \
         {lab} trace -o /dev/full -- true; echo $?; {lab} trace -o /no/such/place -- true; echo $?; {lab} doctor | head -n 1; {lab} trace -- nothing 2>&1 | :",
        lab = bin("lab").display(),
        program = foreign("ping").display()
    );
    let run = scene(&script).go();
    let lines: Vec<&str> = run.stdout.lines().collect();
    let codes: Vec<&&str> = lines.iter().filter(|line| line.parse::<i32>().is_ok()).collect();
    assert!(["0", "141"].contains(codes[0]) && *codes[3] == "1", "{run:#?}");
    assert!(!run.stderr.contains("panicked"), "{run:#?}");
    assert!(
        *codes[2] == "1" && run.stderr.contains("cannot write the trace: No space"),
        "{run:#?}"
    );
}

/// The one message on standard error, its rows put together; how wide they are: tests/columns.rs.
fn message(run: &Run) -> String {
    let rows: Vec<&str> = run.stderr.lines().collect();
    let one = |(i, row): (usize, &&str)| (i == 0) == row.starts_with("lab: ");
    assert!(!rows.is_empty() && rows.iter().enumerate().all(one), "{run:#?}");
    rows.iter().map(|row| row.trim_start()).collect::<Vec<_>>().join(" ")
}

#[test]
fn where_ptrace_is_refused_one_message_says_why() {
    let lab = bin("lab").display().to_string();
    let refuse = foreign("refuse").display().to_string();
    let by_filter = run(Path::new("true")).under(&[&refuse, &lab, "trace", "--"]).go();
    let why = message(&by_filter);
    assert_eq!(by_filter.code, 1, "{by_filter:#?}");
    assert!(why.contains("seccomp") && why.contains("SYS_PTRACE"), "{by_filter:#?}");
    let doctor = run(Path::new(&lab)).args(&["doctor"]).under(&[&refuse]).go();
    assert!(doctor.code == 1 && doctor.stdout.contains("no   ptrace"), "{doctor:#?}");
    if have("strace", "a trace of a trace") {
        let twice =
            run(Path::new("true")).under(&["strace", "-f", "-o", "log", &lab, "trace", "--"]).go();
        assert_eq!(twice.code, 1, "{twice:#?}");
        assert!(message(&twice).contains("traces us already"), "{twice:#?}");
    }
    let well = run(Path::new(&lab)).args(&["doctor"]).go();
    assert!(
        well.stdout.contains("ok   ptrace") && well.stdout.contains("System V IPC"),
        "{well:#?}"
    );
}

#[test]
fn setuid_programs_are_told_of() {
    let dir = scratch();
    let file = dir.path().join("setuid");
    fs::copy("/bin/true", &file).expect("a copy");
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(&file, fs::Permissions::from_mode(0o4755)).expect("chmod");
    let run = traced(run(&file), &[]).go();
    assert!(run.code == 0 && trace_of(&run).contains("setuid"), "{}", trace_of(&run));
}

/// The labs under trace: they end well, say the same, and leave nothing.
#[test]
fn labs_run_under_trace() {
    for section in sections() {
        let run = traced(run(&lab(&section)), &[]).go().clean();
        let trace = trace_of(&run);
        assert!(trace.contains("\n-- left: none\n"), "{section}: {trace}");
        assert!(!trace.contains('\x1b'), "{section} has colours in a file");
    }
}

#[test]
fn a_job_is_stopped_and_continued() {
    let (mut terminal, dir) = shell();
    let lab = bin("lab").display().to_string();
    let trace = format!("{lab} trace -o trace -- sh -c 'echo here; exec cat'");
    terminal.send_line(&trace).expect("a command");
    terminal.expect("here\r\n").expect("it has the terminal");
    terminal.send_line("first").expect("a line");
    terminal.expect("first\r\n").expect("cat's answer");
    terminal.send(ControlCode::Substitute).expect("Ctrl-Z");
    terminal.expect("Stopped").expect("the shell sees its job stop");
    terminal.expect("ready> ").expect("a prompt");
    terminal.send_line("fg").expect("a command");
    terminal.expect("cat'\r\n").expect("the job's name");
    terminal.send_line("second").expect("a line");
    terminal.expect("second\r\n").expect("cat's answer");
    terminal.send(ControlCode::EndOfText).expect("Ctrl-C");
    terminal.expect("ready> ").expect("a prompt");
    terminal.send_line("echo code=$?").expect("a command");
    terminal.expect("code=130\r\n").expect("as without a trace");
    // In the background it is stopped when it reads the terminal.
    terminal.send_line(format!("{lab} trace -o trace -- cat &")).expect("a command");
    terminal.expect("ready> ").expect("a prompt");
    terminal
        .send_line("until jobs | grep Stopped; do read -t 0.01 nothing <> <(:); done")
        .expect("a line");
    terminal.expect("Stopped").expect("the shell sees its job stop");
    terminal.expect("ready> ").expect("a prompt");
    terminal.send_line("fg").expect("a command");
    terminal.send_line("third").expect("a line");
    terminal.expect("third\r\n").expect("cat's answer");
    terminal.send(ControlCode::EndOfText).expect("Ctrl-C");
    terminal.expect("ready> ").expect("a prompt");
    terminal.send_line("echo code=$?").expect("a command");
    terminal.expect("code=130\r\n").expect("as without a trace");
    let trace = fs::read_to_string(dir.path().join("trace")).expect("a trace");
    assert!(trace.contains("--- stopped by SIGTTIN ---"), "{trace}");
    terminal.send_line("exit").expect("a command");
}

#[test]
fn it_fits_the_terminal() {
    let (mut terminal, _dir) = shell();
    let lab = bin("lab").display().to_string();
    let escape = Regex::new(r"\x1b\[[0-9;?]*[a-zA-Z]").expect("escape");
    for (name, env) in [
        ("ping", ""),
        ("signals", "NO_COLOR=1 "),
        ("deaths", ""),
        ("spelling", ""),
        ("threads", ""),
    ] {
        let command = format!(
            "P={}; L={lab}; clear; {env}$L trace -- $P; echo en''d",
            foreign(name).display()
        );
        terminal.send_line(&command).expect("a command");
        let found = terminal.expect("end\r\n").expect("the end");
        let text = String::from_utf8_lossy(found.before()).into_owned();
        let text = text.split_once("-- all on CPU").expect("the first line").1;
        assert_eq!(text.contains("\x1b[3"), env.is_empty(), "{name}: {text}");
        for line in escape.replace_all(text, "").lines() {
            assert!(line.trim_end().chars().count() <= 80, "{name}: {line}");
        }
        assert!(text.contains("-- left: none"), "{name}: {text}");
    }
    terminal.send_line("exit").expect("a command");
}

/// What stands behind the lanes stands in one column: of processes with other names, of threads, of
/// programs that are started later.
#[test]
fn lanes_have_one_width() {
    // Two spaces or more: a call that does not go over the column.
    let call = Regex::new(r"│ \w+\(.*\)  += ").expect("a short call");
    for (name, and) in [("threads", "true"), ("programs", "sh -c 'true; ipcs'"), ("deaths", "true")]
    {
        let run = traced(run(&foreign(name)), &["--and", and]).go();
        let trace = trace_of(&run);
        let column = |line: &str, mark: &str| Some(line[..line.find(mark)?].chars().count());
        let lanes: Vec<usize> = trace.lines().filter_map(|line| column(line, "│")).collect();
        assert!(lanes.len() > 5 && lanes.iter().all(|at| *at == lanes[0]), "{name}: {trace}");
        let short = trace.lines().filter(|line| call.is_match(line));
        let results: Vec<usize> = short.filter_map(|line| column(line, " = ")).collect();
        assert!(
            !results.is_empty() && results.iter().all(|at| *at == results[0]),
            "{name}: {trace}"
        );
    }
}
