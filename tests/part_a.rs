//! Section 4.9, part A: the protocol of the source notes, against what goes wrong; and part B.

mod common;
use std::fs;
use std::thread;

use common::scene::{Did, did, scene};
use common::{Run, preloaded, run_lab};
use regex::Regex;

/// The scene ended as it should, and left nothing in the kernel.
fn play(script: &str) -> Run {
    let run = scene(script).go();
    let said = |end: &str| {
        let files = fs::read_dir(run.dir.path()).expect("a folder").filter_map(Result::ok);
        let files = files.map(|file| file.path());
        let files = files.filter(|path| path.extension().is_some_and(|extension| extension == end));
        let text = |path: std::path::PathBuf| {
            format!("{}\n{}", path.display(), fs::read_to_string(&path).unwrap_or_default())
        };
        files.map(text).collect::<String>()
    };
    let clean = run.code == 0 && run.left.is_empty();
    assert!(clean, "{run:#?}\n{}{}{}", said("out"), said("err"), said("code"));
    run
}

/// One line on stderr, with this in it, and this exit code.
fn refused(did: &Did, code: i32, why: &str) {
    let one_line = did.err.lines().count() == 1 && did.err.contains(why);
    assert!(did.code == code && one_line, "{} ({why}): {}\n{}", did.code, did.err, did.out);
}

const READY: &str = "A, server: pause, until a client signals";
const SERVER: &str = "{lab} server --part a --key-file $key";
const CLIENT: &str = "{lab} client --part a --key-file $key";

#[test]
fn every_pair_of_the_three_understands_each_other() {
    let servers = [
        (SERVER, READY),
        ("{c}/server $key 9", "ready"),
        ("{lab} server --key-file $key", "rings"),
    ];
    let clients = [CLIENT, "{c}/client $key 9", "{lab} client --key-file $key"];
    let pairs =
        servers.iter().flat_map(|server| clients.iter().map(move |client| (server, client)));
    // Two programs that call bare pause and look at nothing lose a signal now and then. One alone is woken
    // when the other's patience ends, so all pairs wait at once.
    let pairs = pairs.filter(|pair| *pair != (&servers[1], &clients[1]));
    thread::scope(|scope| {
        for ((server, ready), client) in pairs {
            scope.spawn(move || understand_each_other(server, ready, client));
        }
    });
}

fn understand_each_other(server: &str, ready: &str, client: &str) {
    let run = play(&format!(
        "seq 1 100 > lines; FROM=lines start server {server}; prints server '{ready}'\n\
         start client {client}; ended client; ended server"
    ));
    let (server_did, client_did) = (did(&run, "server"), did(&run, "client"));
    assert_eq!((server_did.code, client_did.code), (0, 0), "{server}, {client}");
    let line = Regex::new(r"(?m)^(?:client \d+ │  )?message: (.*)$").expect("line");
    let found = line.captures_iter(&client_did.out);
    let got: Vec<&str> = found.map(|found| found.get(1).expect("a message").as_str()).collect();
    let want: Vec<String> = (1..=100).map(|n| n.to_string()).collect();
    assert_eq!(got, want, "{server}, {client}");
}

#[test]
fn each_side_is_asleep_in_pause_before_it_is_signalled() {
    let busy = "sh -c 'while :; do :; done' & busy=$!; trap 'kill $busy' EXIT";
    let rounds = if std::env::var_os("SOAK").is_some() { 250 } else { 5 };
    let pauses = Regex::new(r"(?m)│  … pause\(\).* = -1 EINTR").expect("pause");
    for pin in ["", "taskset -c 0"] {
        for busy in ["", busy] {
            let run = play(&format!(
                "{busy}\nfor i in $(seq {rounds}); do {pin} {{lab}} --part a --patience 60 >> all || exit 97; done"
            ));
            let all = fs::read_to_string(run.dir.path().join("all")).expect("what was printed");
            // The server at 4 and 8, the client at 6, and once more until the server says goodbye.
            assert_eq!(pauses.find_iter(&all).count(), 4 * rounds, "{all}");
            assert_eq!(all.matches("is asleep in pause").count(), 3 * rounds, "{all}");
        }
    }
}

#[test]
fn a_lost_signal_ends_when_the_patience_does() {
    // A pause that is slow to begin: the client does not wait for it as long as that.
    let run = play(&format!(
        "start server env PAUSE=1000 LD_PRELOAD={} {SERVER}; prints server '{READY}'\n\
         start client {CLIENT} --patience 0.1; ended client; kill $server; ended server",
        preloaded("c/late.c")
    ));
    let client = did(&run, "client");
    assert!(client.out.contains("does not wait yet: this signal may be lost"), "{}", client.out);
    refused(&client, 8, "a signal came before pause, and was lost");
    assert_eq!(did(&run, "server").code, 143);
}

#[test]
fn the_peer_dies_or_is_stopped() {
    let begin = format!(
        "FROM=typed start server {SERVER} --patience 0.3; exec 9> typed; prints server '{READY}'\n\
         start client {CLIENT} --patience 0.3; prints server 'kill, SIGUSR1'"
    );
    let run = play(&format!(
        "FROM=typed start server {SERVER}; exec 9> typed; prints server '{READY}'\n\
         start client {CLIENT}; echo hello >&9; prints client 'message: hello'\n\
         kill -KILL $server; ended server; ended client; exec 9>&-\n\
         start next {SERVER}; prints next 'taken over'; kill $next; ended next"
    ));
    refused(&did(&run, "client"), 7, "died without a word");
    let run = play(&format!(
        "FROM=typed start server {SERVER}; exec 9> typed; prints server '{READY}'\n\
         start client {CLIENT}; echo hello >&9; prints client 'message: hello'\n\
         kill -KILL $client; ended client; ended server; exec 9>&-"
    ));
    refused(&did(&run, "server"), 7, "died");
    let run = play(&format!(
        "{}\nkill -STOP $client; is T $client; echo again >&9; ended server; exec 9>&-\n\
         kill -CONT $client; ended client",
        begin.replace(
            "prints server 'kill, SIGUSR1'",
            "echo hello >&9; prints client 'message: hello'"
        )
    ));
    refused(&did(&run, "server"), 8, "stopped (state T)");
    assert_eq!(did(&run, "client").code, 0, "{}", did(&run, "client").err);
}

#[test]
fn ctrl_c_ends_a_pause() {
    for signal in ["INT", "TERM", "HUP"] {
        let run = play(&format!(
            "start server {SERVER}; prints server '{READY}'; kill -{signal} $server; ended server"
        ));
        let code = did(&run, "server").code;
        refused(&did(&run, "server"), code, &format!("stopped by SIG{signal}"));
        assert!(code > 128, "{code}");
    }
}

#[test]
fn no_pid_is_signalled_that_was_not_checked() {
    for (pid, code, why) in [
        ("0", 3, "nobody has written one yet"),
        ("-1", 6, "no peer's"),
        ("1", 6, "no peer's"),
        ("2147483647", 3, "is dead"),
        ("$stranger", 6, "has not attached segment"),
    ] {
        let run = play(&format!(
            "start stranger sleep 1000; {{c}}/plant $key 9 128 0600 {pid} > plant.out\n\
             start client {CLIENT}; ended client; kill $stranger; ended stranger; unplant"
        ));
        refused(&did(&run, "client"), code, why);
        assert_eq!(did(&run, "stranger").code, 143, "SIGTERM ended it, and nothing before");
    }
    // A ring without a client: the server finds its own pid.
    let run = play(&format!(
        "start server {SERVER}; prints server '{READY}'; kill -USR2 $server; ended server"
    ));
    refused(&did(&run, "server"), 3, "is our own");
}

/// Who sends by rt_sigqueueinfo names whom he likes as the sender.
#[test]
fn a_forged_sender_is_not_believed() {
    let run = play(
        "start server {lab} server --key-file $key; prints server 'until a client rings'\n\
         FROM=typed start victim {c}/plant $key 9 128 0600 0 peek; exec 9> typed; prints victim planted\n\
         mkfifo more; FROM=more start forger {c}/forge $key 9 $victim; exec 8> more; prints forger forged\n\
         prints server 'ignored'; exec 8>&-; ended forger\n\
         grep -E '(Sig|Shd)Pnd' /proc/$victim/status > pending; exec 9>&-; ended victim\n\
         echo hello > lines; kill $server; ended server",
    );
    let pending = fs::read_to_string(run.dir.path().join("pending")).expect("pending");
    assert_eq!(pending.matches("0000000000000000").count(), 2, "nothing waits for it: {pending}");
    let server = did(&run, "server");
    assert!(!server.out.contains("Server: take the client's pid"), "{}", server.out);
    assert_eq!((did(&run, "forger").code, server.code), (0, 143));
}

/// Somebody who may ring, with another's pid put there: the sender is not the number.
#[test]
fn a_real_ring_with_a_planted_pid_is_not_believed() {
    let run = play(
        "start server {lab} server --key-file $key; prints server 'until a client rings'\n\
         start stranger sleep 1000\n\
         FROM=typed start deputy {c}/plant $key 9 128 0600 $stranger knock; exec 9> typed\n\
         prints server 'ignored'; ended server; exec 9>&-; ended deputy; kill $stranger; ended stranger",
    );
    assert_eq!(did(&run, "stranger").code, 143, "SIGTERM ended it, and nothing before");
    // Nor does the server wait for a client where none can find its pid.
    refused(&did(&run, "server"), 9, "which is no client's");
}

#[test]
fn part_b_shows_both_flaws_every_time() {
    for _ in 0..if std::env::var_os("SOAK").is_some() { 200 } else { 5 } {
        let out = run_lab("4.9").args(&["--part", "b"]).go().clean().stdout;
        assert!(out.contains("✓ both are asleep in pause"), "{out}");
        assert!(out.contains("= killed by SIGUSR2"), "{out}");
    }
    let run = run_lab("4.9").args(&["server", "--part", "b"]).go();
    assert_eq!(run.code, 2, "{}", run.stderr);
}
