//! Section 4.10 against what goes wrong: between two processes of three threads each, at a terminal,
//! and in the wake-up experiment. No hang, one clear line, the exit code, nothing left.

mod common;
use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::time::{Duration, Instant};

use common::scene::{Did, did, keep_terminals, scene};
use common::{Run, as_root, have, left, preloaded, repo, run_lab};
use expectrl::process::NonBlocking;
use expectrl::process::unix::{PtyStream, UnixProcess, WaitStatus};
use expectrl::{ControlCode, Expect, Session};
use regex::Regex;
use tempfile::TempDir;

/// How many rounds a test makes: reduced, or, with SOAK, what the workbook promises.
fn times(reduced: usize, soak: usize) -> usize {
    if std::env::var_os("SOAK").is_some() { soak } else { reduced }
}

/// Both sides with an input that stays open: `>&9` is typed at the server, `>&8` at the client.
const BOTH: &str = "mkfifo also
    FROM=typed start server {lab_4_10} server --key-file $key $of_server; exec 9> typed
    prints server 'it waits for a client'
    FROM=also start client {lab_4_10} client --key-file $key $of_client; exec 8> also
    prints server 'server writer'; prints client 'client writer'
";
/// Ends both inputs, and with them both sides.
const END: &str = "exec 8>&- 9>&-; ended client; ended server";

/// The scene ended as it should; `left` segments are in the kernel after it.
fn play(script: &str, left: usize) -> Run {
    let run = scene(&format!("{script}\necho $(rows) > rows")).go();
    let rows = fs::read_to_string(run.dir.path().join("rows")).unwrap_or_default();
    if run.code != 0 || rows.trim() != left.to_string() {
        let files = fs::read_dir(run.dir.path()).expect("a folder").filter_map(Result::ok);
        let ends = [".out", ".err", ".code"];
        let text = files
            .filter(|file| ends.iter().any(|end| file.path().to_string_lossy().ends_with(end)))
            .map(|file| {
                let text = fs::read_to_string(file.path()).unwrap_or_default();
                format!("{:?}:\n{text}", file.file_name())
            });
        panic!("{script}\n{rows} rows: {run:#?}\n{}", text.collect::<Vec<_>>().join("\n"));
    }
    run
}

/// One line on stderr, with this in it, and this exit code.
fn refused(did: &Did, code: i32, why: &str) {
    let one_line = did.err.lines().count() == 1 && did.err.contains(why);
    let Did { code: got, err, out } = did;
    assert!(*got == code && one_line, "code {got}, not {code} ({why}): {err}\n{out}");
}

/// What a side has read from the other.
fn heard(did: &Did, from: &str) -> Vec<String> {
    let start = format!("│  {from}: ");
    did.out.lines().filter_map(|line| Some(line.split_once(&start)?.1.to_string())).collect()
}

fn numbers(n: usize) -> Vec<String> {
    (1..=n).map(|n| n.to_string()).collect()
}

#[test]
fn both_speak_at_once_and_every_line_arrives() {
    for _ in 0..times(3, 50) {
        let run = play(
            "seq 1 2000 > lines; FROM=lines start server {lab_4_10} server --key-file $key
             prints server 'it waits for a client'
             FROM=lines start client {lab_4_10} client --key-file $key; ended client; ended server",
            0,
        );
        let (server, client) = (did(&run, "server"), did(&run, "client"));
        assert_eq!((server.code, client.code), (0, 0), "{} {}", server.err, client.err);
        assert!(
            heard(&server, "client") == numbers(2000) && heard(&client, "server") == numbers(2000)
        );
    }
}

#[test]
fn lines_that_are_long_empty_or_strange_are_harmless() {
    let run = play(
        "head -c 20000 /dev/zero | tr '\\0' x > lines; printf '\\n\\n\\377 no UTF-8\\na\\033[31mred\\n' >> lines
         for i in $(seq 1 8200); do printf 'ü'; done >> lines; printf '\\n/quit\\nnever said\\n' >> lines
         FROM=lines start server {lab_4_10} server --key-file $key; prints server 'it waits for a client'
         start client {lab_4_10} client --key-file $key; ended client; ended server",
        0,
    );
    let got = heard(&did(&run, "client"), "server");
    let lengths: Vec<usize> = got.iter().map(|line| line.chars().count()).collect();
    assert_eq!(lengths, [16384, 20000 - 16384, 10, 14, 8192, 8], "{:?}", &got[2..4]);
    assert_eq!(got[2..4], ["\u{fffd} no UTF-8", "a\\u{1b}[31mred"]);
}

#[test]
fn client_first() {
    let run = play(
        "start none {lab_4_10} client --key-file $PWD/none --patience 0.2; ended none
         start client {lab_4_10} client --key-file $key --patience 60; prints client 'looking again'
         start server {lab_4_10} server --key-file $key; ended client; ended server",
        0,
    );
    refused(&did(&run, "none"), 3, "start it first");
    assert_eq!((did(&run, "client").code, did(&run, "server").code), (0, 0));
}

#[test]
fn two_servers_and_two_clients() {
    let run = play(
        &format!(
            "{BOTH}start server2 {{lab_4_10}} server --key-file $key; ended server2
             start client2 {{lab_4_10}} client --key-file $key; ended client2
             echo hello >&9; prints client 'server: hello'\n{END}"
        ),
        0,
    );
    refused(&did(&run, "server2"), 4, "another server is running");
    refused(&did(&run, "client2"), 4, "busy");
    assert_eq!((did(&run, "client").code, did(&run, "server").code), (0, 0));
}

const NEXT: &str = "echo hello > lines
    FROM=lines start next {lab_4_10} server --key-file $key; prints next 'it waits for a client'
    FROM=lines start again {lab_4_10} client --key-file $key; ended again; ended next";

/// After whatever happened, a fresh pair talks.
fn works_again(run: &Run) -> String {
    let (next, again) = (did(run, "next"), did(run, "again"));
    assert_eq!((next.code, again.code), (0, 0), "{}{}\n{}", next.err, again.err, next.out);
    assert_eq!(heard(&again, "server"), ["hello"]);
    assert_eq!(heard(&next, "client"), ["hello"]);
    assert!(next.out.contains("left behind: none"), "{}", next.out);
    next.out
}

#[test]
fn a_server_that_was_killed_while_it_waited() {
    let run = play(
        &format!(
            "start server {{lab_4_10}} server --key-file $key; prints server 'it waits for a client'
             kill -KILL $server; ended server; [ $(rows) = 2 ] || exit 98
             start client {{lab_4_10}} client --key-file $key --patience 0.2; ended client\n{NEXT}"
        ),
        0,
    );
    refused(&did(&run, "client"), 3, "its server is gone");
    assert_eq!(works_again(&run).matches("taken over").count(), 2);
}

#[test]
fn one_side_is_killed_in_the_conversation() {
    let run = play(
        &format!(
            "{BOTH}kill -KILL $client; ended client; exec 8>&-; ended server; exec 9>&-\n{NEXT}"
        ),
        0,
    );
    refused(&did(&run, "server"), 7, "has died");
    assert!(!works_again(&run).contains("taken over"), "the server has removed both");
    let run = play(
        &format!(
            "{BOTH}kill -KILL $server; ended server; exec 9>&-; ended client; exec 8>&-
             [ $(rows) = 2 ] || exit 98\n{NEXT}"
        ),
        0,
    );
    let client = did(&run, "client");
    refused(&client, 7, "has died");
    let row = Regex::new(r"0x\w{8} +\d+ .* (to the client|to the server)").expect("row");
    assert_eq!(row.find_iter(&client.out).count(), 2, "it shows what is left: {}", client.out);
    assert_eq!(works_again(&run).matches("taken over").count(), 2);
}

#[test]
fn both_sides_are_killed() {
    let run = play(
        &format!(
            "{BOTH}kill -KILL $server $client; ended server; ended client; exec 8>&- 9>&-
             [ $(rows) = 2 ] || exit 98\n{NEXT}"
        ),
        0,
    );
    assert_eq!(works_again(&run).matches("taken over").count(), 2);
}

#[test]
fn signals_that_ask_to_stop() {
    for (signal, code) in [("INT", 130), ("TERM", 143), ("HUP", 129)] {
        for (side, other) in [("server", "client"), ("client", "server")] {
            let run = play(&format!("{BOTH}kill -{signal} ${side}; {END}"), 0);
            refused(&did(&run, side), code, "stopped by SIG");
            let other = did(&run, other);
            assert!(other.code == 0 && other.err.is_empty(), "{side} {signal}: {}", other.err);
            assert!(other.out.contains(&format!("{side} has said goodbye")), "{}", other.out);
        }
        let run = play(
            &format!(
                "start server {{lab_4_10}} server --key-file $key
                 prints server 'it waits for a'; kill -{signal} $server; ended server"
            ),
            0,
        );
        refused(&did(&run, "server"), code, "stopped by SIG");
    }
}

#[test]
fn a_signal_for_one_thread_ends_all_of_them() {
    // Each thread may take it: it is the flag that counts, and every wait looks at it.
    for thread in 1..=3 {
        let run = play(
            &format!(
                "{BOTH}tid=$(ls /proc/$server/task | sed -n {thread}p); kill -INT $tid; {END}"
            ),
            0,
        );
        refused(&did(&run, "server"), 130, "stopped by SIGINT");
        assert_eq!(did(&run, "client").code, 0);
    }
}

#[test]
fn a_second_signal_during_the_clean_up() {
    if !have("strace", "a second Ctrl-C while one cleans up") {
        return;
    }
    for call in ["shmdt", "shmctl"] {
        // The server's first two shmctl are compare points.
        for turn in if call == "shmdt" { 1..=2 } else { 3..=4 } {
            let inject = format!("-e trace={call} -e inject={call}:signal=SIGINT:when={turn}");
            let both =
                BOTH.replacen("{lab_4_10}", &format!("strace -f -o log {inject} {{lab_4_10}}"), 1);
            let run = play(
                &format!(
                    "{both}pid=$(sed -n 's/^server \\([0-9]*\\) .*/\\1/p' server.out | head -1)
                     kill -INT $pid; {END}"
                ),
                0,
            );
            refused(&did(&run, "server"), 130, "stopped by SIGINT");
        }
    }
}

#[test]
fn a_panic_in_a_thread_is_one_line_and_leaves_nothing() {
    for (thread, to) in [("reader", "8"), ("writer", "9")] {
        let run = play(
            &format!("of_server='--panic {thread}'\n{BOTH}echo hello >&{to}; ended server\n{END}"),
            0,
        );
        refused(&did(&run, "server"), 101, "a defect");
        let client = did(&run, "client");
        assert!(
            client.code == 0 && client.out.contains("server has said goodbye"),
            "{}",
            client.err
        );
    }
}

/// Each side, and either of its threads: the other is told goodbye, and the demonstration ends as well.
#[test]
fn a_thread_that_cannot_be_made_is_one_line_and_ends_both() {
    let refuse = |nth| format!("env REFUSE=thread NTH={nth} LD_PRELOAD={}", preloaded("c/late.c"));
    for (nth, thread) in [(1, "reader"), (2, "writer")] {
        let why = format!("pthread_create(&{thread}, NULL, {thread}_thread, NULL) failed: EAGAIN");
        for (side, other) in [("server", "client"), ("client", "server")] {
            let refused_to = |one| if one == side { refuse(nth) } else { String::new() };
            // A server that had not met the client yet begins anew, and waits for another.
            let end = match side {
                "server" => "ended server; ended client",
                _ => {
                    "ended client; until grep -q 'begin anew' server.out || [ ! -e /proc/$server ]
                     do read -t 0.01 x <> pipe; done; stop server; ended server"
                }
            };
            let run = play(
                &format!(
                    "mkfifo also; FROM=typed start server {} {{lab_4_10}} server --key-file $key; exec 9> typed
                     prints server 'it waits for a client'
                     FROM=also start client {} {{lab_4_10}} client --key-file $key; exec 8> also
                     exec 8>&- 9>&-; {end}",
                    refused_to("server"),
                    refused_to("client")
                ),
                0,
            );
            refused(&did(&run, side), 1, &why);
            let other = did(&run, other);
            assert!(
                [0, 7, 143].contains(&other.code),
                "{nth} {side}: {} {}",
                other.code,
                other.err
            );
        }
        let words = refuse(nth);
        let words: Vec<&str> = words.split(' ').collect();
        let run = run_lab("4.10").under(&words).go();
        let one_line = run.stderr.lines().count() == 1 && run.stderr.contains(&why);
        assert!(run.code == 1 && one_line && run.left.is_empty(), "{run:#?}");
    }
}

#[test]
fn the_other_side_is_stopped() {
    let run = play(
        &format!(
            "{BOTH}kill -STOP $client; prints server 'is stopped (state T)'
             echo hello >&9; kill -CONT $client; prints server 'goes on'; prints client 'server: hello'\n{END}"
        ),
        0,
    );
    assert_eq!((did(&run, "client").code, did(&run, "server").code), (0, 0));
    // Who says goodbye is owed an answer.
    let run = play(
        &format!(
            "of_server='--patience 0.5'\n{BOTH}kill -STOP $client; is T $client; exec 9>&-
             ended server; kill -CONT $client; exec 8>&-; ended client"
        ),
        0,
    );
    refused(&did(&run, "server"), 8, "is stopped (state T)");
    assert!([0, 7].contains(&did(&run, "client").code));
}

#[test]
fn a_full_ring_blocks_until_the_other_side_reads() {
    let run = play(
        &format!(
            "{BOTH}kill -STOP $client; is T $client; seq 1 20000 >&9; kill -CONT $client
             prints client 'server: 20000'\n{END}"
        ),
        0,
    );
    assert_eq!(heard(&did(&run, "client"), "server"), numbers(20000));
    let run = play(
        &format!(
            "of_server='--patience 0.5'\n{BOTH}kill -STOP $client; is T $client
             (seq 1 200000 >&9) 2> /dev/null; ended server; kill -CONT $client; exec 8>&-; ended client"
        ),
        0,
    );
    refused(&did(&run, "server"), 8, "is stopped (state T)");
}

#[test]
fn segments_that_are_not_ours() {
    for (size, server) in [("10", "bytes, not 65920"), ("65920", "is attached by 1")] {
        let run = play(
            &format!(
                "FROM=typed start plant {{c}}/plant $key 10 {size} 0600 me hold; exec 9> typed
                 prints plant planted
                 start server {{lab_4_10}} server --key-file $key; ended server
                 start client {{lab_4_10}} client --key-file $key --patience 0.2; ended client
                 exec 9>&-; ended plant; unplant"
            ),
            0,
        );
        let code = if size == "10" { 5 } else { 4 };
        refused(&did(&run, "server"), code, server);
        refused(&did(&run, "client"), 5, "refused");
    }
}

#[test]
fn somebody_removes_a_segment() {
    let run = play(
        &format!(
            "{BOTH}ipcrm -m $(made | head -1); prints server 'a segment was removed'
             echo still here >&9; prints client 'still here'\n{END}"
        ),
        0,
    );
    assert_eq!((did(&run, "client").code, did(&run, "server").code), (0, 0));
    let run = play(
        "start server {lab_4_10} server --key-file $key; prints server 'it waits for a client'
         ipcrm -m $(made | head -1); ended server",
        0,
    );
    refused(&did(&run, "server"), 5, "somebody removed a segment");
}

#[test]
fn another_users_server() {
    if !as_root("two users of 4.10") {
        return;
    }
    let as_user = "setpriv --reuid 65533 --regid 65533 --clear-groups --";
    let run = scene(&format!(
        "chmod 777 .; start server {{lab_4_10}} server --key-file $key; prints server 'it waits for a client'
         start client {as_user} {{lab_4_10}} client --key-file $key --patience 0.2; ended client
         kill $server; ended server"
    ))
    .privileged()
    .go();
    assert!(run.code == 0 && run.left.is_empty(), "{run:#?}");
    refused(&did(&run, "client"), 5, "EACCES");
}

#[test]
fn masks_and_ignored_signals_of_the_launcher() {
    let run = play(
        "env='env --block-signal=USR1,USR2,INT --ignore-signal=USR1,USR2'; echo hello > lines
         FROM=lines start server $env {lab_4_10} server --key-file $key; prints server 'it waits for a'
         FROM=lines start client $env {lab_4_10} client --key-file $key; ended client; ended server",
        0,
    );
    assert_eq!(heard(&did(&run, "client"), "server"), ["hello"]);
}

/// Every system call of a side in a short conversation, by name, and how often at most in a thread.
fn calls_of(side: &str) -> Vec<(String, usize)> {
    let strace = |one| if one == side { "strace -f -qq -o calls" } else { "" };
    let run = play(
        &format!(
            "echo hello > lines
             FROM=lines start server {} {{lab_4_10}} server --key-file $key; prints server 'it waits for a'
             FROM=lines start client {} {{lab_4_10}} client --key-file $key; ended client; ended server",
            strace("server"),
            strace("client")
        ),
        0,
    );
    let log = fs::read_to_string(run.dir.path().join("calls")).expect("strace's log");
    let call = Regex::new(r"^(\d+) +(\w+)\(").expect("call");
    let mut counts = std::collections::BTreeMap::<(String, String), usize>::new();
    for found in log.lines().filter_map(|line| call.captures(line)) {
        *counts.entry((found[2].into(), found[1].into())).or_default() += 1;
    }
    let mut calls = std::collections::BTreeMap::<String, usize>::new();
    for ((name, _), n) in counts {
        let most = calls.entry(name).or_default();
        *most = n.max(*most);
    }
    calls.into_iter().filter(|(name, _)| name != "execve" && name != "exit_group").collect()
}

#[test]
fn killed_at_each_system_call_and_started_again() {
    if !have("strace", "kill -9 at each system call") {
        return;
    }
    for side in ["server", "client"] {
        let points = calls_of(side).into_iter();
        let points: Vec<(String, usize)> =
            points.flat_map(|(name, n)| (1..=n).map(move |turn| (name.clone(), turn))).collect();
        let stride = points.len().div_ceil(times(40, usize::MAX)).max(1);
        for (name, turn) in points.iter().step_by(stride) {
            let strace = format!(
                "strace -f -o /dev/null -e trace={name} -e inject={name}:signal=SIGKILL:when={turn}"
            );
            let before = |one| if one == side { strace.as_str() } else { "" };
            let run = play(
                &format!(
                    "seq 1 2 > lines; FROM=lines start server {} {{lab_4_10}} server --key-file $key --patience 0.3
                     start client {} {{lab_4_10}} client --key-file $key --patience 0.3; ended client
                     stop server; ended server\n{NEXT}",
                    before("server"),
                    before("client")
                ),
                0,
            );
            works_again(&run);
            let code = did(&run, "client").code;
            assert!([0, 3, 4, 7, 8, 137].contains(&code), "{side} {name} {turn}: {code}");
        }
    }
}

// At a terminal.

/// One side at a terminal, the other with a fifo for its input, in one namespace.
struct Chat {
    terminal: Session<UnixProcess, PtyStream>,
    seen: String,
    /// Does this terminal tell where its cursor is? An editor asks for that.
    answers: bool,
    dir: TempDir,
}

impl Chat {
    fn of(side: &str, other: &str) -> Chat {
        Chat::with(side, other, "trap : INT HUP TERM")
    }

    /// `traps`: of the shell that starts both, before it does.
    fn with(side: &str, other: &str, traps: &str) -> Chat {
        let script = format!(
            "mkfifo also; touch key; {traps}; exec 8<> also
             \"$@\" {other} --key-file $PWD/key --patience 60 <&8 > other.out 2> other.err &
             \"$@\" {side} --key-file $PWD/key --patience 60; code=$?; wait; wait
             echo $code > code; cp /proc/sysvipc/shm table; mv table ended; exit $code"
        );
        let (command, dir) = run_lab("4.10").under(&["bash", "-c", &script, "bash"]).command(true);
        let mut terminal = Session::spawn(command).expect("a terminal");
        terminal.get_process_mut().set_window_size(80, 24).expect("80 columns");
        keep_terminals();
        terminal.set_blocking(false).expect("a stream");
        Chat { terminal, seen: String::new(), answers: true, dir }
    }

    /// Waits until this has been printed since the last time; answers as a terminal does.
    fn prints(&mut self, what: &str) {
        let until = Instant::now() + Duration::from_secs(60);
        while !self.seen.contains(what) {
            assert!(Instant::now() < until && self.take(), "no {what}: {}", self.seen);
        }
        let end = self.seen.find(what).expect("seen") + what.len();
        self.seen.drain(..end);
    }

    /// Takes what there is; false when the program has closed its end.
    fn take(&mut self) -> bool {
        let mut bytes = [0; 4096];
        match self.terminal.read(&mut bytes) {
            Ok(0) => return false,
            Ok(n) => {
                let text = String::from_utf8_lossy(&bytes[..n]).into_owned();
                for _ in text.matches("\x1b[6n").filter(|_| self.answers) {
                    self.terminal.write_all(b"\x1b[1;1R").expect("an answer");
                }
                self.seen += &text;
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                // Nothing there yet: the pace of looking, not of anything that is waited for.
                std::thread::sleep(Duration::from_millis(2));
            }
            Err(_) => return false,
        }
        true
    }

    fn types(&mut self, keys: &str) {
        self.terminal.write_all(keys.as_bytes()).expect("keys");
        self.terminal.flush().expect("keys");
    }

    /// A line of the other side's.
    fn other_says(&self, line: &str) {
        fs::write(self.dir.path().join("also"), format!("{line}\n")).expect("also");
    }

    /// Waits until the other side has printed this; the terminal answers meanwhile.
    fn other_prints(&mut self, what: &str) {
        let until = Instant::now() + Duration::from_secs(60);
        let file = self.dir.path().join("other.out");
        while !fs::read_to_string(&file).is_ok_and(|text| text.contains(what)) {
            assert!(Instant::now() < until, "the other side never printed {what}: {}", self.seen);
            if !self.take() {
                // It is over, and the other side may have a last word.
                std::thread::sleep(Duration::from_millis(2));
            }
        }
    }

    /// Everything until the program has ended: what it printed, its exit code, and what is left.
    fn rest(mut self) -> (String, i32, Vec<String>) {
        while self.take() {}
        match self.terminal.get_process().wait().expect("wait") {
            WaitStatus::Exited(_, code) => (self.seen, code, left(&self.dir)),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_message_arrives_while_one_types() {
    for (side, other) in [("server", "client"), ("client", "server")] {
        let mut chat = Chat::of(side, other);
        chat.prints("/quit ends");
        chat.types("half a li");
        chat.prints("half a li");
        chat.other_says("are you there?");
        chat.prints(&format!("{other}: are you there?"));
        // What was typed is still in the editor: pasted to, and sent whole.
        chat.types("ne, 你好\r");
        chat.other_prints(&format!("{side}: half a line, 你好"));
        // The history has it; sent again with the arrow key.
        chat.types("\x1b[A\r/quit\r");
        let dir = chat.dir.path().to_owned();
        let other_out = dir.join("other.out");
        chat.other_prints("has said goodbye");
        let text = fs::read_to_string(other_out).expect("other.out");
        assert_eq!(text.matches(&format!("{side}: half a line, 你好")).count(), 2, "{text}");
        let (text, code, left) = chat.rest();
        assert!(code == 0 && left.is_empty(), "{side}: {code} {left:?} {text}");
    }
}

/// A terminal sends a paste as it is, each line with LF or with CR, or between brackets if it is asked to.
#[test]
fn every_pasted_line_arrives() {
    let all = [
        ("lf", "one\ntwo\nthree\n"),
        ("cr", "one\rtwo\rthree\r"),
        ("crlf", "one\r\ntwo\r\nthree\r\n"),
        ("bracketed", "\x1b[200~one\ntwo\nthree\x1b[201~\r"),
        ("bracketed, with a last line end", "\x1b[200~one\r\ntwo\r\nthree\r\n\x1b[201~\r"),
    ];
    for (name, pasted) in all {
        arrives(name, pasted);
    }
}

fn arrives(name: &str, pasted: &str) {
    let mut chat = Chat::of("server", "client");
    chat.prints("/quit ends");
    chat.types(pasted);
    chat.other_prints("server: three");
    chat.types("/quit\r");
    chat.other_prints("has said goodbye");
    let text = fs::read_to_string(chat.dir.path().join("other.out")).expect("other.out");
    let said: Vec<&str> = text.lines().filter_map(|line| line.split("server: ").nth(1)).collect();
    assert_eq!(said, ["one", "two", "three"], "{name}: {text}");
    let (text, code, left) = chat.rest();
    assert!(code == 0 && left.is_empty(), "{name}: {code} {left:?} {text}");
}

#[test]
fn the_other_side_quits_while_one_types() {
    let mut chat = Chat::of("server", "client");
    chat.prints("/quit ends");
    chat.types("never sent");
    chat.prints("never sent");
    chat.other_says("last words");
    chat.other_says("/quit");
    chat.prints("client: last words");
    chat.prints("client has said goodbye");
    let (text, code, left) = chat.rest();
    assert!(code == 0 && left.is_empty() && text.contains("left behind: none"), "{code} {text}");
}

/// A terminal that loses its rows while one types: the editor goes on, or says why it cannot.
#[test]
fn a_terminal_without_rows() {
    for (columns, rows) in [(80, 0), (0, 0), (1, 1)] {
        let mut chat = Chat::of("server", "client");
        chat.prints("/quit ends");
        chat.types("half a li");
        chat.prints("half a li");
        chat.terminal.get_process_mut().set_window_size(columns, rows).expect("a size");
        chat.other_says("are you there?");
        chat.types("ne\r/quit\r");
        let (text, code, left) = chat.rest();
        let well = code == 0 || code == 1 && text.contains("lab_4_10: ");
        assert!(well && !text.contains("panicked") && left.is_empty(), "{code} {left:?} {text}");
    }
}

#[test]
fn ctrl_c_at_the_prompt() {
    for (side, other) in [("server", "client"), ("client", "server")] {
        let mut chat = Chat::of(side, other);
        chat.prints("/quit ends");
        chat.types("\x03");
        let (text, code, left) = chat.rest();
        assert!(code == 130 && left.is_empty(), "{side}: {code} {left:?} {text}");
    }
}

#[test]
fn ctrl_c_before_anybody_came() {
    let script = "trap : INT; touch key; \"$@\" server --key-file $PWD/key";
    let (command, dir) = run_lab("4.10").under(&["bash", "-c", script, "bash"]).command(true);
    let mut terminal = Session::spawn(command).expect("a terminal");
    terminal.set_expect_timeout(Some(Duration::from_secs(60)));
    terminal.expect("it waits for a client").expect("a server");
    terminal.send(ControlCode::EndOfText).expect("Ctrl-C");
    let mut bytes = vec![];
    // A terminal that is closed by its program reads as an error, EIO.
    let _ = terminal.read_to_end(&mut bytes);
    let ended = terminal.get_process().wait().expect("wait");
    assert!(matches!(ended, WaitStatus::Exited(_, 130)) && left(&dir).is_empty(), "{ended:?}");
}

#[test]
fn the_terminal_is_closed() {
    let mut chat = Chat::of("server", "client");
    chat.prints("/quit ends");
    let Chat { terminal, dir, .. } = chat;
    drop(terminal);
    // With the terminal its session goes, but for the shell that waits for both and looks.
    let ended = dir.path().join("ended");
    let until = Instant::now() + Duration::from_secs(60);
    while !ended.exists() {
        assert!(Instant::now() < until, "they never ended");
        std::thread::sleep(Duration::from_millis(5));
    }
    let table = fs::read_to_string(ended).expect("the table");
    let code = fs::read_to_string(dir.path().join("code")).expect("the code");
    assert!(table.lines().count() == 1 && code.trim() == "129", "{code}{table}");
}

/// Started by nohup: SIGHUP ends nobody, the terminal's end does. The other side says nothing, or so much
/// that the editor has no room for it.
#[test]
fn the_terminal_is_closed_and_sighup_ignored() {
    for says in ["", "seq 1 200"] {
        let mut chat = Chat::with("server", "client", "trap '' HUP; trap : INT TERM");
        chat.prints("/quit ends");
        chat.types("half a li");
        chat.prints("half a li");
        let Chat { terminal, dir, .. } = chat;
        drop(terminal);
        let also = dir.path().join("also");
        let ended = dir.path().join("ended");
        // Opened for reading, too: they may have ended already, and then nobody else reads it.
        let words = format!("{says} 1<> '{}'", also.display());
        std::process::Command::new("sh").args(["-c", &words]).status().expect("sh");
        let until = Instant::now() + Duration::from_secs(60);
        while !ended.exists() {
            assert!(Instant::now() < until, "they never ended");
            std::thread::sleep(Duration::from_millis(5));
        }
        let table = fs::read_to_string(ended).expect("the table");
        // What it could not print any more counts.
        let code = fs::read_to_string(dir.path().join("code")).expect("the code");
        assert!(table.lines().count() == 1 && ["0", "1"].contains(&code.trim()), "{code}{table}");
        let other = fs::read_to_string(dir.path().join("other.out")).expect("other.out");
        assert!(other.contains("server has said goodbye"), "{other}");
    }
}

#[test]
fn a_terminal_that_does_not_answer_still_takes_lines() {
    let mut chat = Chat::of("server", "client");
    chat.answers = false;
    chat.prints("/quit ends");
    chat.types("plain\r");
    chat.other_prints("server: plain");
    chat.types("/quit\r");
    let (text, code, left) = chat.rest();
    assert!(code == 0 && left.is_empty(), "{code} {left:?} {text}");
}

// The layout.

/// The struct that the note shows, held against the memory of a running server.
#[test]
fn the_layout_is_the_notes() {
    let note = fs::read_to_string(repo().join("notes/4.10-full-duplex.md")).expect("the note");
    let start = note.find("struct segment {").expect("struct segment");
    let layout = &note[start..start + note[start..].find("};").expect("its end") + 2];
    let offset = Regex::new(r"(\w+)(?:\[\d*\])*(?:\.\w+)?;\s*/\* +(\d+)").expect("offset");
    let offsets: Vec<_> = offset.captures_iter(layout).collect();
    assert!(offsets.len() >= 8, "{layout}");
    let asserts: String = offsets
        .iter()
        .map(|found| {
            let (field, at) = (&found[1], &found[2]);
            format!("_Static_assert(offsetof(struct segment, {field}) == {at}, \"{field}\");\n")
        })
        .collect();
    let source = format!(
        "#include <stddef.h>\n#include <stdint.h>\n#include <stdio.h>\n#include <stdlib.h>\n\
         #include <string.h>\n#include <sys/shm.h>\n{layout}\n{asserts}\
         int main(int c, char **v) {{\n\
         struct segment *s = shmat(c > 1 ? atoi(v[1]) : -1, NULL, SHM_RDONLY);\n\
         if (s == (void *)-1) return 1;\n\
         struct shmid_ds ds; if (shmctl(atoi(v[1]), IPC_STAT, &ds) == -1) return 1;\n\
         printf(\"%d %u %u %zu %u %u\\n\", memcmp(s->magic, \"gnir01.4\", 8), s->version, s->ring,\n\
         (size_t)(ds.shm_segsz - offsetof(struct segment, bytes)), s->writer_pid, s->reader_pid);\n\
         return 0; }}\n"
    );
    let run = play(
        &format!(
            "cat > layout.c <<'C'\n{source}C\n\
             cc -std=c11 -D_GNU_SOURCE -Wall -Wextra -Werror -o layout layout.c || exit 97\n\
             {BOTH}for id in $(made); do ./layout $id; done > layout.out; echo $server $client > pids\n{END}"
        ),
        0,
    );
    let file = |name| fs::read_to_string(run.dir.path().join(name)).expect("a file");
    let pids = file("pids");
    let (server, client) = pids.trim().split_once(' ').expect("two pids");
    let want = format!("0 1 65536 65536 {server} {client}\n0 1 65536 65536 {client} {server}\n");
    assert_eq!(file("layout.out"), want);
}

// The wake-up experiment.

/// The verdict on each way, and how many of its rounds were lost.
fn verdicts(run: &Run) -> Vec<(String, String, bool)> {
    let rows: serde_json::Value = serde_json::from_str(&run.stdout).expect("JSON and nothing else");
    let text = |row: &serde_json::Value, field: &str| row[field].as_str().expect(field).to_string();
    let number = |row: &serde_json::Value, field: &str| row[field].as_u64().expect(field);
    let rows = rows.as_array().expect("rows").iter();
    rows.map(|row| {
        let all = number(row, "rounds") > 0 && number(row, "lost") == number(row, "rounds");
        (text(row, "way"), text(row, "verdict"), all)
    })
    .collect()
}

#[test]
fn the_verdicts_are_always_the_same() {
    let fails =
        ["pause", "pause-in-reader", "notify-in-handler", "lock-in-handler", "mutex-as-signal"];
    let awake = ["mutex", "spin", "yield"];
    let works = [
        "handler-post",
        "suspend",
        "sigwait",
        "semaphore",
        "semop",
        "condition",
        "futex",
        "adaptive",
        "cpu-aware",
    ];
    for _ in 0..times(3, 100) {
        let run = run_lab("4.10").args(&["wakeups", "--json", "--rounds", "20"]).go().clean();
        let got = verdicts(&run);
        assert_eq!(got.len(), fails.len() + awake.len() + works.len());
        for (way, verdict, all_lost) in got {
            let want = match way.as_str() {
                way if fails.contains(&way) => ("fails", true),
                way if awake.contains(&way) => ("works, but never sleeps", false),
                way if works.contains(&way) => ("works", false),
                way => panic!("{way}?"),
            };
            assert_eq!((verdict.as_str(), all_lost), want, "{way}: {}", run.stdout);
        }
    }
}

#[test]
fn one_way_alone_its_table_and_its_picture() {
    let run = run_lab("4.10")
        .args(&["wakeups", "--way", "futex", "--rounds", "10", "--svg", "{dir}/picture.svg"])
        .env("COLUMNS", "80")
        .go()
        .clean();
    let row = run.stdout.lines().find(|line| line.starts_with("  futex ")).expect("a row");
    assert_eq!(row.split_whitespace().count(), 7, "{row}");
    assert!(run.stdout.lines().all(|line| line.chars().count() <= 80), "{}", run.stdout);
    let svg = fs::read_to_string(run.dir.path().join("picture.svg")).expect("the picture");
    assert!(svg.contains(">futex<") && !svg.contains("NaN"), "{svg}");
    let run = run_lab("4.10").args(&["wakeups", "--way", "hope"]).go();
    assert!(run.code == 2 && run.stderr.contains("there are: pause, "), "{run:#?}");
}

#[test]
fn a_way_that_hangs_becomes_a_row() {
    if !have("strace", "that the watchdog ends what hangs") {
        return;
    }
    let strace = "strace -f -qq -o /dev/null -e trace=futex -e inject=futex:signal=SIGSTOP:when=3";
    let words: Vec<&str> = strace.split(' ').collect();
    let args = ["wakeups", "--way", "futex", "--rounds", "50", "--watchdog", "1"];
    let run = run_lab("4.10").args(&args).under(&words).go();
    let stuck = run.stderr.contains("futex: undecided: 4 situations stuck");
    assert!(run.code == 1 && stuck && run.left.is_empty(), "{run:#?}");
    let row = run.stdout.lines().find(|line| line.starts_with("  futex ")).expect("a row");
    assert_eq!(row.split_whitespace().skip(3).collect::<Vec<_>>(), ["-"; 4], "{}", run.stdout);
}

#[test]
fn the_experiment_is_stopped_in_the_middle() {
    if !have("strace", "stopping the wake-up experiment") {
        return;
    }
    for turn in [1, 5, 9, 30, 60] {
        for (call, signal, code) in [("shmget", "SIGINT", 130), ("shmctl", "SIGTERM", 143)] {
            let inject = format!("-e trace={call} -e inject={call}:signal={signal}:when={turn}");
            let strace = format!("strace -f -qq -o /dev/null {inject}");
            let words: Vec<&str> = strace.split(' ').collect();
            let run = run_lab("4.10").args(&["wakeups", "--rounds", "5"]).under(&words).go();
            let one_line = run.stderr.lines().count() == 1;
            assert!(run.code == code && one_line && run.left.is_empty(), "{call} {turn}: {run:#?}");
        }
    }
}
