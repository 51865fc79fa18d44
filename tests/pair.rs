//! Sections 4.8 and 4.9 against what goes wrong between two processes. Each test is a row of
//! notes/faults.md: no hang, one clear line, the exit code, nothing left, no signal to a stranger.

mod common;
use std::fs;
use std::process::Command;

use common::scene::{Did, did, scene};
use common::{Run, as_root, have, preloaded, run_lab, sources};

/// How many rounds a test makes: reduced, or, with SOAK, what the workbook promises.
fn times(reduced: usize, soak: usize) -> usize {
    if std::env::var_os("SOAK").is_some() { soak } else { reduced }
}

/// The scene ended as it should, and left nothing in the kernel.
fn play(script: &str) -> Run {
    let run = scene(script).go();
    if run.code != 0 || !run.left.is_empty() {
        let files = fs::read_dir(run.dir.path()).expect("a folder").filter_map(Result::ok);
        let said: Vec<String> = files
            .filter(|file| {
                [".out", ".err", ".code"]
                    .iter()
                    .any(|end| file.path().display().to_string().ends_with(end))
            })
            .map(|file| {
                format!(
                    "{:?}:\n{}",
                    file.file_name(),
                    fs::read_to_string(file.path()).unwrap_or_default()
                )
            })
            .collect();
        panic!("{run:#?}\n{}", said.join("\n"));
    }
    run
}

/// One line on stderr, with this in it, and this exit code.
fn refused(did: &Did, code: i32, why: &str) {
    let one_line = did.err.lines().count() == 1 && did.err.contains(why);
    assert!(
        did.code == code && one_line,
        "code {}, not {code} ({why}): {}\n{}",
        did.code,
        did.err,
        did.out
    );
}

/// How many messages a client printed: ours, or one in C as the source notes have it.
fn messages(client: &Did) -> usize {
    let ours = |line: &&str| line.contains("│  message: ") || line.starts_with("message: ");
    client.out.lines().filter(ours).count()
}

const READY: &str = "Server: wait until a client rings";

#[test]
fn a_conversation_delivers_every_line() {
    let run = play(&format!(
        "seq 1 300 > lines; echo 'a last line, without its newline' | tr -d '\\n' >> lines\n\
         FROM=lines start server {{lab}} server --key-file $key; prints server '{READY}'\n\
         start client {{lab}} client --key-file $key; ended client; ended server"
    ));
    let client = did(&run, "client");
    let got: Vec<&str> =
        client.out.lines().filter_map(|l| l.split("│  message: ").nth(1)).collect();
    let want: Vec<String> = (1..=300).map(|n| n.to_string()).collect();
    assert_eq!(got[..300], want);
    assert_eq!(got[300..], ["a last line, without its newline"]);
    assert_eq!((client.code, did(&run, "server").code), (0, 0));
}

#[test]
fn lines_that_are_too_long_empty_or_strange_are_harmless() {
    let run = play(&format!(
        "head -c 300 /dev/zero | tr '\\0' x > lines\n\
         printf '\\n\\n\\377\\376 no UTF-8\\na\\033[31mred\\nnul\\0nul\\n%s\\n' \"$(printf 'ü%.0s' $(seq 100))\" >> lines\n\
         FROM=lines start server {{lab}} server --key-file $key; prints server '{READY}'\n\
         start client {{lab}} client --key-file $key; ended client; ended server"
    ));
    let out = did(&run, "client").out;
    let got: Vec<&str> = out.lines().filter_map(|l| l.split("│  message: ").nth(1)).collect();
    let x = |n| "x".repeat(n);
    let u = |n| "ü".repeat(n);
    let want = [
        &x(123),
        &x(123),
        &x(54),
        "\u{fffd}\u{fffd} no UTF-8",
        "a\\u{1b}[31mred",
        "nulnul",
        &u(61),
        &u(39),
    ];
    assert_eq!(got, want);
}

#[test]
fn client_first() {
    let run = play(
        "start client {lab} client --key-file $PWD/none --patience 0.2; ended client\n\
         start late {lab} client --key-file $key --patience 0.2; ended late",
    );
    refused(&did(&run, "client"), 3, "start it first");
    refused(&did(&run, "late"), 3, "start it first");
}

#[test]
fn a_client_that_waits_meets_a_server_that_comes() {
    let run = play(&format!(
        "start client {{lab}} client --key-file $key --patience 60; prints client 'looking again'\n\
         start server {{lab}} server --key-file $key; ended client; ended server; : '{READY}'"
    ));
    assert_eq!((did(&run, "client").code, did(&run, "server").code), (0, 0));
    // The steps are told when the server is there: each once, and each with what it did.
    let out = did(&run, "client").out;
    let headings: Vec<&str> = out.lines().filter_map(|line| line.split("│── ").nth(1)).collect();
    let numbers: Vec<&str> = headings.iter().filter_map(|line| line.split(' ').next()).collect();
    assert_eq!(numbers, ["9", "1", "2", "3", "4", "5", "6", "7"], "{out}");
    for told in
        [", 128, 000)", "shmat(", "memory: pid -> ", "the only one attached", "memory: pid <- "]
    {
        assert!(out.contains(told), "{told}: {out}");
    }
}

#[test]
fn both_start_in_the_same_moment() {
    // Among other things: while the server's shmat runs, nattch is 2 for an instant.
    let run = play(&format!(
        "echo hello > lines; for i in $(seq {}); do\n\
         FROM=lines start server {{lab}} server --key-file $key --count --patience 60\n\
         start client {{lab}} client --key-file $key --count --patience 60; wait $client || break; wait $server\n\
         done; echo $? > client.code; cat client.err >&2; kill $server 2> /dev/null; [ $(cat client.code) = 0 ]",
        times(60, 1000)
    ));
    assert_eq!(run.stderr, "");
}

#[test]
fn one_who_only_looks_in_is_no_second_client() {
    if !have("strace", "a client that is held after its first look") {
        return;
    }
    let run = play(&format!(
        "echo hello > lines; mkfifo peek\n\
         FROM=lines start server {{lab}} server --key-file $key; prints server '{READY}'\n\
         FROM=peek start plant {{c}}/plant $key 9 128 0600 0 peek; exec 9> peek; prints plant planted\n\
         start client strace -o /dev/null -e trace=ppoll -e inject=ppoll:signal=SIGSTOP:when=1 \
         {{lab}} client --key-file $key --patience 60; prints client 'another client; looking again'\n\
         exec 9>&-; ended plant; who=$(sed -n 's/^client \\([0-9]*\\).*/\\1/p' client.out | head -1)\n\
         ( while kill -CONT $who; do read -t 0.01 x <> pipe; done ) 2> /dev/null &\n\
         ended client; ended server"
    ));
    assert!(did(&run, "client").out.contains("message: hello"));
}

#[test]
fn two_servers() {
    let run = play(&format!(
        "FROM=typed start server {{lab}} server --key-file $key; exec 9> typed; prints server '{READY}'\n\
         start second {{lab}} server --key-file $key; ended second\n\
         start client {{lab}} client --key-file $key; prints client 'Client: wait for a message'\n\
         echo hello >&9; exec 9>&-; ended client; ended server"
    ));
    refused(&did(&run, "second"), 4, "another server is running");
    assert!(did(&run, "client").out.contains("message: hello"));
    assert_eq!(did(&run, "server").code, 0);
}

#[test]
fn a_second_server_that_knows_no_lock() {
    let run = play(
        "start c {c}/server $key 9; prints c ready\n\
         start server {lab} server --key-file $key; ended server\n\
         start client {lab} client --key-file $key; ended client; ended c",
    );
    refused(&did(&run, "server"), 4, "is attached by 1");
    assert_eq!(did(&run, "client").code, 0);
}

#[test]
fn a_second_client() {
    let run = play(&format!(
        "FROM=typed start server {{lab}} server --key-file $key; exec 9> typed; prints server '{READY}'\n\
         start client {{lab}} client --key-file $key; prints server 'attached to this segment'\n\
         start second {{lab}} client --key-file $key; ended second\n\
         echo hello >&9; exec 9>&-; ended client; ended server"
    ));
    refused(&did(&run, "second"), 4, "another client");
    assert!(did(&run, "client").out.contains("message: hello"));
}

#[test]
fn a_client_without_its_server_is_never_signalled() {
    let run = play(&format!(
        "FROM=typed start server {{lab}} server --key-file $key; exec 9> typed; prints server '{READY}'\n\
         start client {{lab}} client --key-file $key; prints server 'attached to this segment'\n\
         kill -STOP $client; is T $client; kill -KILL $server; ended server; exec 9>&-\n\
         start second {{lab}} client --key-file $key --patience 0.1; ended second\n\
         grep -E '(Sig|Shd)Pnd' /proc/$client/status > pending.out\n\
         kill -CONT $client; ended client\n\
         start next {{lab}} server --key-file $key; prints next 'taken over'; kill $next; ended next"
    ));
    refused(&did(&run, "second"), 6, "another client");
    refused(&did(&run, "client"), 7, "died without a word");
    let pending = fs::read_to_string(run.dir.path().join("pending.out")).expect("pending.out");
    assert_eq!(pending.matches("0000000000000000").count(), 2, "nothing waits for it: {pending}");
}

#[test]
fn two_clients_at_once_never_both_win() {
    for _ in 0..times(10, 200) {
        let run = play(&format!(
            "echo hello > lines\n\
             FROM=lines start server {{lab}} server --key-file $key; prints server '{READY}'\n\
             start one {{lab}} client --key-file $key --patience 0.5\n\
             start two {{lab}} client --key-file $key --patience 0.5\n\
             ended one; ended two; ended server"
        ));
        let (one, two) = (did(&run, "one"), did(&run, "two"));
        let heard = [&one, &two].map(|client| client.out.contains("message: hello"));
        assert_eq!(heard.iter().filter(|heard| **heard).count(), 1, "{}\n{}", one.out, two.out);
        let loser = if heard[0] { two } else { one };
        assert!([3, 4].contains(&loser.code), "{}: {}", loser.code, loser.err);
    }
}

#[test]
fn a_leftover_with_a_dead_pid_is_refused_by_clients_and_taken_over_by_a_server() {
    let run = play(&format!(
        "start server {{lab}} server --key-file $key; prints server '{READY}'\n\
         kill -KILL $server; ended server; [ $(rows) = 1 ] || exit 98\n\
         start client {{lab}} client --key-file $key --patience 0.2; ended client\n\
         echo hello > lines\n\
         FROM=lines start next {{lab}} server --key-file $key; prints next '{READY}'\n\
         start again {{lab}} client --key-file $key; ended again; ended next"
    ));
    refused(&did(&run, "client"), 3, "is dead");
    let next = did(&run, "next");
    assert!(next.code == 0 && next.out.contains("a leftover: ours"), "{}", next.out);
    assert!(next.out.contains("taken over") && next.out.contains("left behind: none"));
    assert!(did(&run, "again").out.contains("message: hello"));
}

#[test]
fn a_leftover_with_a_living_strangers_pid() {
    // The stranger would die of SIGUSR2, which it does not handle.
    let run = play(
        "start stranger sleep 1000; {c}/plant $key 9 128 0600 $stranger > plant.out\n\
         start client {lab} client --key-file $key --patience 0.2; ended client\n\
         kill $stranger; ended stranger\n\
         start server {lab} server --key-file $key; prints server 'taken over'; kill $server; ended server",
    );
    refused(&did(&run, "client"), 6, "not a peer");
    assert_eq!(did(&run, "stranger").code, 143, "it was alive until we asked it to end");
    assert_eq!(did(&run, "server").code, 143);
}

#[test]
fn pids_that_would_reach_everybody() {
    for (pid, code, why) in [
        ("0", 3, "nobody has written one yet"),
        ("-1", 6, "no peer's"),
        ("1", 6, "no peer's"),
        ("-7", 6, "no peer's"),
        ("-2147483648", 6, "no peer's"),
        ("2147483647", 3, "is dead"),
    ] {
        // With somebody attached, as beside a server; and with nobody, as after a crash.
        for (hold, stop) in [("hold", "exec 9>&-; ended plant"), ("", "ended plant")] {
            let run = play(&format!(
                "FROM=typed start plant {{c}}/plant $key 9 128 0600 {pid} {hold}; exec 9> typed\n\
                 prints plant planted\n\
                 start client {{lab}} client --key-file $key --patience 0.1; ended client\n\
                 {stop}; unplant"
            ));
            refused(&did(&run, "client"), code, why);
        }
    }
}

#[test]
fn a_recycled_pid_is_not_signalled() {
    if !have("unshare", "a pid that is used again") || !common::apart("a pid that is used again") {
        return;
    }
    // In a pid namespace of our own the next number can be chosen: the innocent gets the dead one's.
    let script = "mount -t proc proc /proc; \
         {c}/plant $key 9 128 0600 me > plant.out & wait $!; dead=$!\n\
         echo $((dead - 1)) > /proc/sys/kernel/ns_last_pid; sleep 1000 & heir=$!\n\
         [ $dead = $heir ] || exit 97\n\
         {lab} client --key-file $key --patience 0.2 2> client.err; echo $? > client.code\n\
         kill $heir; wait $heir; [ $? = 143 ] || exit 96; : > client.out";
    let inside = format!(
        "unshare -Ur --pid --fork --mount --kill-child bash -c '{}'",
        script.replace('\'', "'\\''")
    );
    let run = play(&format!("export key; {inside}; code=$?; unplant; exit $code"));
    refused(&did(&run, "client"), 6, "not a peer");
}

#[test]
fn a_stranger_who_rings_is_ignored() {
    let run = play(&format!(
        "echo hello > lines\n\
         FROM=lines start server {{lab}} server --key-file $key; prints server '{READY}'\n\
         kill -USR2 $server; prints server 'not a client; ignored'\n\
         start client {{lab}} client --key-file $key; ended client; ended server"
    ));
    assert!(did(&run, "client").out.contains("message: hello"));
    assert_eq!(did(&run, "server").code, 0);
}

#[test]
fn a_flood_of_signals_may_end_it_but_never_confuses_it() {
    // Two signals that wait at once are one, and the one that is kept may be the stranger's: the
    // ring is lost, and 128 bytes have no room for a number that would tell.
    let run = play(&format!(
        "seq 1 200 > lines\n\
         FROM=lines start server {{lab}} server --key-file $key --patience 0.5; prints server '{READY}'\n\
         start client {{lab}} client --key-file $key; prints client 'Client: wait for a message'\n\
         ( while kill -USR1 $client && kill -USR2 $server; do :; done ) 2> /dev/null &\n\
         ended client; ended server; wait"
    ));
    let (server, client) = (did(&run, "server"), did(&run, "client"));
    assert!([0, 8].contains(&server.code) && client.code == 0, "{} {}", server.err, client.err);
    let got: Vec<&str> =
        client.out.lines().filter_map(|l| l.split("│  message: ").nth(1)).collect();
    assert!(got.iter().enumerate().all(|(i, m)| *m == (i + 1).to_string()), "{got:?}");
}

#[test]
fn masks_and_ignored_signals_of_the_launcher() {
    let run = play(&format!(
        "echo hello > lines; env='env --block-signal=USR1,USR2 --ignore-signal=USR1,USR2'\n\
         FROM=lines start server $env {{lab}} server --key-file $key; prints server '{READY}'\n\
         start client $env {{lab}} client --key-file $key; ended client; ended server\n\
         start lab $env {{lab_4_8}} --rounds 10; ended lab"
    ));
    assert!(did(&run, "client").out.contains("message: hello"));
    let lab = did(&run, "lab");
    assert!(lab.code == 0 && lab.out.contains("the child has read"), "{}", lab.out);
}

#[test]
fn a_ring_before_anybody_waits_kills_nobody() {
    if !have("strace", "a ring at any call") {
        return;
    }
    for (call, signal) in ["flock", "shmget", "shmat", "shmctl", "shmdt"]
        .into_iter()
        .flat_map(|call| [(call, "SIGUSR1"), (call, "SIGUSR2")])
    {
        let strace =
            format!("strace -o /dev/null -e trace={call} -e inject={call}:signal={signal}:when=1+");
        let run = play(&format!(
            "echo hello > lines\n\
             FROM=lines start server {strace} {{lab}} server --key-file $key --patience 60; prints server '{READY}'\n\
             start client {strace} {{lab}} client --key-file $key --patience 60; ended client; ended server"
        ));
        // The handlers stand before the first of these calls, and who rang is looked at.
        assert_eq!(messages(&did(&run, "client")), 1, "{call} {signal}");
        assert_eq!(did(&run, "server").code, 0, "{call} {signal}: {}", did(&run, "server").err);
    }
}

#[test]
fn a_wait_that_is_interrupted_goes_on() {
    if !have("strace", "EINTR") {
        return;
    }
    for call in ["ppoll", "read"] {
        // In the server, read is also how a program is loaded; from its 20th on it reads lines.
        let when = if call == "read" { "20..40+3" } else { "1..40+2" };
        let strace =
            format!("strace -o /dev/null -e trace={call} -e inject={call}:error=EINTR:when={when}");
        let run = play(&format!(
            "seq 1 20 > lines\n\
             FROM=lines start server {strace} {{lab}} server --key-file $key --patience 60; prints server '{READY}'\n\
             start client {{lab}} client --key-file $key --patience 60; ended client; ended server"
        ));
        assert_eq!(messages(&did(&run, "client")), 20, "{call}");
    }
}

/// A handler may store to an atomic, post a semaphore or call write(2); ours do nothing else.
#[test]
fn handlers_only_store_post_or_write() {
    let handler = regex::Regex::new(
        r"(?s)(?:extern .C. fn (\w+)|/// In a handler: [^\n]*\nfn (\w+))\([^{]*\{\n(.*?)\n\}",
    )
    .expect("handler");
    let call = regex::Regex::new(r"([\w:.\])]+)\(").expect("call");
    // A handler that is wrong on purpose says so, and why.
    let wrong = regex::Regex::new(r"(?m)^/// WRONG, on purpose: .*\n(?:///.*\n)*$").expect("wrong");
    let mut seen = 0;
    let labs =
        sources("src/bin").into_iter().filter(|file| file.to_string_lossy().contains("/lab_"));
    for file in labs.chain(sources("src/lablib")).chain(sources("crates")) {
        let text = fs::read_to_string(file).expect("source");
        for one in handler.captures_iter(&text) {
            seen += 1;
            let head = &text[..one.get(0).expect("a handler").start()];
            if wrong.find_iter(head).any(|found| found.end() == head.len()) {
                continue;
            }
            for found in call.captures_iter(&one[3]) {
                let name = found[1].rsplit([':', '.']).next().unwrap_or_default().to_string();
                let allowed = [
                    "store",
                    "load",
                    "fetch_add",
                    "write",
                    "sem_post",
                    "signal",
                    "si_pid",
                    "si_addr",
                    "as_ptr",
                    "cast",
                    "size_of_val",
                    "swap",
                    "clock_gettime",
                    // These compute, and call nothing.
                    "saturating_add",
                    "from",
                    "is_null",
                    "__errno_location",
                    // Ends the process at once.
                    "_exit",
                    "gettid",
                    "as_raw",
                    // Checked itself; and what is done in it by those that are wrong on purpose.
                    "handle",
                    "body",
                ];
                assert!(allowed.contains(&name.as_str()), "{} calls {name}", &one[0]);
            }
        }
    }
    assert!(seen >= 3, "only {seen}");
}

/// The same, as the kernel sees it: between a signal and the return from its handler.
#[test]
fn handlers_make_no_other_call() {
    if !have("strace", "what handlers call") {
        return;
    }
    for section in ["4.8", "4.9", "4.10"] {
        let words = ["strace", "-f", "-qq", "-o", "{dir}/log"];
        let run = run_lab(section).under(&words).go().clean();
        let log = fs::read_to_string(run.dir.path().join("log")).expect("strace's log");
        let (mut inside, mut ran) = (std::collections::BTreeSet::new(), 0);
        for (tid, line) in log.lines().filter_map(|line| line.split_once(' ')) {
            let line = line.trim_start();
            if line.starts_with("--- SIGUSR") || line.starts_with("--- SIGALRM") {
                inside.insert(tid);
            } else if line.starts_with("rt_sigreturn") {
                ran += usize::from(inside.remove(tid));
            } else if line.starts_with("+++") || line.starts_with("---") {
                inside.remove(tid);
            } else if inside.contains(tid) {
                let allowed = line.starts_with("write(") || line.starts_with("futex(");
                assert!(allowed, "{section}: a handler calls {line}");
            }
        }
        assert!(ran > 0, "{section}: no handler has run");
    }
}

#[test]
fn a_second_ctrl_c_during_the_clean_up() {
    if !have("strace", "Ctrl-C during the clean-up") {
        return;
    }
    for (side, other) in [("server", "client"), ("client", "server")] {
        let strace = "strace -o /dev/null -e trace=shmdt,shmctl,pidfd_send_signal -e inject=shmdt:signal=SIGINT:when=1 \
                      -e inject=shmctl:signal=SIGINT:when=2+ -e inject=pidfd_send_signal:signal=SIGINT:when=2+";
        let before = |one| if one == side { strace } else { "" };
        let run = play(&format!(
            "FROM=typed start server {} {{lab}} server --key-file $key; exec 9> typed; prints server '{READY}'\n\
             start client {} {{lab}} client --key-file $key; prints server 'attached to this segment'\n\
             kill -INT $(sed -n 's/^{side} \\([0-9]*\\).*/\\1/p' {side}.out | head -1); ended {side}; exec 9>&-; ended {other}",
            before("server"),
            before("client")
        ));
        refused(&did(&run, side), 130, "stopped by SIGINT");
    }
}

#[test]
fn a_terminal_that_is_closed() {
    if !have("script", "that a terminal is closed under a lab") {
        return;
    }
    // script has the other end of the terminal; with it goes the terminal.
    play(&format!(
        "start terminal script -qfec 'exec {{lab}} server --key-file '$key all\n\
         prints terminal '{READY}'; [ $(rows) = 1 ] || exit 98\n\
         server=$(sed -n 's/.*server \\([0-9]*\\) .*/\\1/p' terminal.out | head -1)\n\
         kill -KILL $terminal; ended terminal\n\
         while kill -0 $server; do read -t 0.01 x <> pipe; done 2> /dev/null; :"
    ));
}

#[test]
fn sigquit_cleans_nothing_up_and_the_next_start_does() {
    let run = play(&format!(
        "ulimit -c 0; start server {{lab}} server --key-file $key; prints server '{READY}'\n\
         kill -QUIT $server; ended server; [ $(rows) = 1 ] || exit 98\n\
         start next {{lab}} server --key-file $key; prints next 'taken over'; kill $next; ended next"
    ));
    assert_eq!((did(&run, "server").code, did(&run, "next").code), (131, 143));
}

#[test]
fn what_the_kernel_refuses_is_explained() {
    if !have("strace", "calls that the kernel refuses") {
        return;
    }
    for (call, error, says) in [
        ("shmget", "ENOSPC", "this is not about disk space"),
        ("shmget", "ENOSYS", "this kernel or sandbox has no System V IPC"),
        ("shmget", "EPERM", "shmget("),
        ("shmat", "ENOMEM", "ENOMEM (Cannot allocate memory)"),
    ] {
        let strace =
            format!("strace -f -o /dev/null -e trace={call} -e inject={call}:error={error}:when=1");
        let run = play(&format!(
            "start pair {strace} {{lab_4_8}}; ended pair; start server {strace} {{lab}} server --key-file $key; ended server\n\
             start demo {strace} {{lab}}; ended demo"
        ));
        for who in ["pair", "server", "demo"] {
            refused(&did(&run, who), 1, says);
        }
    }
    let run = play(&format!(
        "start server {{lab}} server --key-file $key; prints server '{READY}'\n\
         start client strace -o /dev/null -e trace=shmat -e inject=shmat:error=EACCES {{lab}} client --key-file $key\n\
         ended client; kill $server; ended server"
    ));
    refused(&did(&run, "client"), 5, "EACCES");
}

#[test]
fn the_dead_and_the_buried() {
    // A zombie answers kill(pid, 0) as if it lived.
    let run = play(
        "start parent bash -c 'sleep 1000 & echo $! > zombie; exec sleep 1001'\n\
         until [ \"$(cat /proc/$parent/comm)\" = sleep ]; do read -t 0.01 x <> pipe; done\n\
         zombie=$(cat zombie); kill -KILL $zombie; is Z $zombie; kill -0 $zombie || exit 98\n\
         {c}/plant $key 9 128 0600 $zombie > plant.out\n\
         start client {lab} client --key-file $key --patience 0.1; ended client; unplant; kill $parent; ended parent",
    );
    refused(&did(&run, "client"), 3, "is dead");
}

#[test]
fn a_leftover_whose_maker_is_a_zombie_is_taken_over() {
    // As in a container whose first process waits for nobody.
    let run = play(&format!(
        "start parent bash -c '{{lab}} server --key-file '$key' > server.out & echo $! > zombie; exec sleep 1001'\n\
         prints server '{READY}'\n\
         until [ \"$(cat /proc/$parent/comm)\" = sleep ]; do read -t 0.01 x <> pipe; done\n\
         zombie=$(cat zombie); kill -KILL $zombie; is Z $zombie; [ $(rows) = 1 ] || exit 98\n\
         start next {{lab}} server --key-file $key; prints next 'taken over'; kill $next; ended next\n\
         kill $parent; ended parent"
    ));
    assert_eq!(did(&run, "next").code, 143);
}

#[test]
fn a_server_in_another_pid_namespace() {
    if !common::apart("a server in another pid namespace") {
        return;
    }
    let run = play(&format!(
        "FROM=typed start server {{lab}} server --key-file $key; exec 9> typed; prints server '{READY}'\n\
         start client unshare --map-current-user --pid --fork --mount-proc --kill-child {{lab}} client --key-file $key --patience 0.1\n\
         ended client; kill $server; ended server"
    ));
    refused(&did(&run, "client"), 6, "another pid namespace");
}

#[test]
fn in_the_demo_one_failure_is_one_line() {
    let start = "mkfifo lines; start demo {lab} demo --messages lines; exec 9<> lines\n\
                 prints demo 'attached to this segment'; who() { sed -n \"s/^$1 \\([0-9]*\\).*/\\1/p\" demo.out | head -1; }\n";
    for victim in ["server", "client"] {
        let run = play(&format!("{start} kill -KILL $(who {victim}); ended demo"));
        refused(&did(&run, "demo"), 137, &format!("{victim} was killed by SIGKILL"));
    }
    let run = play(&format!("{start} kill -INT $demo; ended demo"));
    refused(&did(&run, "demo"), 130, "stopped by SIGINT");
    if have("strace", "a demo whose client cannot be started") {
        let run = play(
            "start demo strace -f -o /dev/null -e trace=clone -e inject=clone:error=EAGAIN:when=2 {lab}; ended demo",
        );
        refused(&did(&run, "demo"), 1, "fork() failed: EAGAIN");
    }
}

#[test]
fn the_peer_is_killed_while_we_wait() {
    let run = play(&format!(
        "FROM=typed start server {{lab}} server --key-file $key; exec 9> typed; prints server '{READY}'\n\
         start client {{lab}} client --key-file $key; prints server 'attached to this segment'\n\
         kill -KILL $client; ended client; ended server; exec 9>&-"
    ));
    refused(&did(&run, "server"), 7, "died");
    let run = play(&format!(
        "FROM=typed start server {{lab}} server --key-file $key; exec 9> typed; prints server '{READY}'\n\
         start client {{lab}} client --key-file $key; prints server 'attached to this segment'\n\
         kill -KILL $server; ended server; ended client; exec 9>&-\n\
         start next {{lab}} server --key-file $key; prints next 'taken over'; kill $next; ended next"
    ));
    refused(&did(&run, "client"), 7, "died without a word");
}

#[test]
fn a_client_that_dies_before_it_rings_makes_room() {
    if have("strace", "a client that dies between its pid and its ring") {
        let run = play(&format!(
            "echo hello > lines\n\
             FROM=lines start server {{lab}} server --key-file $key; prints server '{READY}'\n\
             start first strace -o /dev/null -e trace=pidfd_send_signal \
             -e inject=pidfd_send_signal:error=EPERM:signal=SIGKILL {{lab}} client --key-file $key\n\
             ended first; prints server 'our pid is back'\n\
             start client {{lab}} client --key-file $key; ended client; ended server"
        ));
        assert!(did(&run, "client").out.contains("message: hello"));
    }
}

#[test]
fn the_peer_is_stopped() {
    let run = play(&format!(
        "FROM=typed start server {{lab}} server --key-file $key --patience 0.3; exec 9> typed\n\
         prints server '{READY}'\n\
         start client {{lab}} client --key-file $key; prints server 'attached to this segment'\n\
         kill -STOP $client; is T $client; echo hello >&9; ended server\n\
         kill -CONT $client; exec 9>&-; ended client"
    ));
    refused(&did(&run, "server"), 8, "stopped (state T)");
    assert_eq!(did(&run, "client").code, 0, "it was told goodbye");
    // Nothing is owed while nobody types: then it is said, and waited for.
    let run = play(&format!(
        "FROM=typed start server {{lab}} server --key-file $key --patience 0.1; exec 9> typed\n\
         prints server '{READY}'\n\
         start client {{lab}} client --key-file $key --patience 0.1; prints server 'attached to this'\n\
         kill -STOP $server; prints client 'is stopped'; kill -CONT $server; prints client 'goes on'\n\
         echo hello >&9; exec 9>&-; ended client; ended server"
    ));
    assert!(did(&run, "client").out.contains("message: hello"));
}

#[test]
fn another_size_or_no_permission() {
    for (size, mode, server, client, why) in [
        ("10", "0600", 5, 5, "smaller than 128 bytes"),
        ("8192", "0600", 5, 5, "has 8192 bytes, not 128"),
        ("128", "0400", 4, 5, "EACCES"),
    ] {
        let run = play(&format!(
            "FROM=typed start plant {{c}}/plant $key 9 {size} 0600 me hold; exec 9> typed; prints plant planted\n\
             start server {{lab}} server --key-file $key; ended server\n\
             id=$(planted); [ {mode} = 0600 ] || ./chmod $id\n\
             start client {{lab}} client --key-file $key --patience 0.1; ended client\n\
             exec 9>&-; ended plant; ipcrm -m $id"
        ).replace("./chmod $id", "cat > m.c <<'C'\n#include <sys/shm.h>\n#include <stdlib.h>\nint main(int c, char **v) { struct shmid_ds d; (void)c; shmctl(atoi(v[1]), IPC_STAT, &d); d.shm_perm.mode = 0; return shmctl(atoi(v[1]), IPC_SET, &d); }\nC\ncc -o chmod m.c && ./chmod $id"));
        refused(&did(&run, "server"), server, if server == 4 { "busy" } else { "bytes" });
        refused(&did(&run, "client"), client, why);
    }
}

#[test]
fn another_users_server_and_planted_pid() {
    if !as_root("two users of 4.9") {
        return;
    }
    let as_user = "setpriv --reuid 65533 --regid 65533 --clear-groups --";
    // Both may use the segment, neither may signal the other.
    let run = scene(&format!(
        "chmod 777 .; start server {{lab}} server --key-file $key --mode 0666; prints server '{READY}'\n\
         start client {as_user} {{lab}} client --key-file $key --patience 0.2; ended client\n\
         start stranger sleep 1000\n\
         FROM=typed start deputy {as_user} {{c}}/plant $key 9 128 0666 $stranger knock; exec 9> typed\n\
         prints deputy planted; exec 9>&-; ended deputy\n\
         kill $stranger; ended stranger\n\
         kill $server; ended server\n\
         {{c}}/plant $key 9 128 0600 0 > plant.out\n\
         start shut {as_user} {{lab}} client --key-file $key --patience 0.2; ended shut\n\
         start heir {as_user} env XDG_RUNTIME_DIR= {{lab}} server --key-file $key; ended heir; unplant"
    ))
    .privileged()
    .go();
    assert!(run.code == 0 && run.left.is_empty(), "{run:#?}");
    refused(&did(&run, "client"), 6, "belongs to uid 0");
    refused(&did(&run, "shut"), 5, "EACCES");
    refused(&did(&run, "heir"), 5, "made by uid 0");
    assert_eq!(did(&run, "stranger").code, 143, "root's server signalled nobody it was told to");
    assert_eq!(did(&run, "server").code, 143);
}

/// By somebody who may write there, between two looks of the two: each finds it itself.
#[test]
fn the_pid_in_the_segment_is_overwritten() {
    let write = "{c}/plant $key 9 128 0600 $stranger swap < /dev/null > /dev/null";
    let end = "kill $stranger; ended stranger; exec 9>&-";
    for part in ["a", "c"] {
        // While nobody says anything, and neither waits for the other's answer.
        let run = play(&format!(
            "start stranger sleep 1000; FROM=typed start server {{lab}} server --part {part} --key-file $key\n\
             exec 9> typed; prints server ' 4  '; while [ $(rows) = 0 ]; do read -t 0.01 x <> pipe; done\n\
             is S $server; start client {{lab}} client --part {part} --key-file $key --patience 0.5\n\
             echo hello >&9; prints client 'message: hello'; {write}; ended client; ended server; {end}"
        ));
        for side in ["server", "client"] {
            refused(&did(&run, side), 9, "hostile: the pid in the segment became");
        }
        assert_eq!(did(&run, "stranger").code, 143, "SIGTERM ended it, and nothing before");
    }
    if !have("strace", "a pid that is overwritten before the server has read it") {
        return;
    }
    // Between the client's store and the server's look.
    let run = play(&format!(
        "start stranger sleep 1000; FROM=typed start server {{lab}} server --key-file $key; exec 9> typed\n\
         prints server '{READY}'; start client strace -o /dev/null -e trace=pidfd_send_signal \
         -e inject=pidfd_send_signal:signal=SIGSTOP:delay_enter=2000000:when=1 {{lab}} client --key-file $key\n\
         prints client 'memory: pid <-'; {write}; ended server\n\
         who=$(sed -n 's/^client \\([0-9]*\\).*/\\1/p' client.out | head -1)\n\
         ( while kill -CONT $who; do read -t 0.01 x <> pipe; done ) 2> /dev/null &\n\
         ended client; {end}"
    ));
    refused(&did(&run, "server"), 9, "which is no client's");
    refused(&did(&run, "client"), 9, "hostile: the pid in the segment became");
    assert_eq!(did(&run, "stranger").code, 143, "SIGTERM ended it, and nothing before");
}

#[test]
fn someone_removes_the_segment() {
    let run = play(&format!(
        "FROM=typed start server {{lab}} server --key-file $key; exec 9> typed; prints server '{READY}'\n\
         start client {{lab}} client --key-file $key; prints server 'attached to this segment'\n\
         ipcrm -m $(made); prints server 'the segment was removed'\n\
         start late {{lab}} client --key-file $key --patience 0.1; ended late\n\
         start second {{lab}} server --key-file $key; ended second\n\
         echo still here >&9; exec 9>&-; ended client; ended server"
    ));
    refused(&did(&run, "late"), 3, "no server");
    refused(&did(&run, "second"), 4, "another server is running");
    assert!(did(&run, "client").out.contains("message: still here"));
    assert_eq!(did(&run, "server").code, 0);
    let run = play(&format!(
        "start server {{lab}} server --key-file $key; prints server '{READY}'; ipcrm -m $(made); ended server"
    ));
    refused(&did(&run, "server"), 5, "somebody removed the segment");
}

#[test]
fn a_server_that_is_slow_to_write_its_pid() {
    if have("strace", "a client between a server's shmat and its pid") {
        let run = play(
            "echo hello > lines\n\
             FROM=lines start server strace -o /dev/null -e trace=shmat \
             -e inject=shmat:delay_exit=200000 {lab} server --key-file $key; prints server 'Server: attach'\n\
             start client {lab} client --key-file $key; ended client; ended server",
        );
        assert!(did(&run, "client").out.contains("message: hello"));
    }
}

#[test]
fn a_key_file_that_is_replaced_is_another_key() {
    let run = play(&format!(
        "start server {{lab}} server --key-file $key; prints server '{READY}'\n\
         touch new; mv new key\n\
         start client {{lab}} client --key-file $key --patience 0.1; ended client; kill $server; ended server"
    ));
    let client = did(&run, "client");
    refused(&client, 3, "no server at key 0x");
    let key = |text: &str| {
        text.split("= 0x")
            .nth(1)
            .map(|rest| rest.split_whitespace().next().unwrap_or_default().to_string())
    };
    assert_ne!(
        key(&client.out),
        key(&did(&run, "server").out),
        "the line names the key to compare"
    );
}

#[test]
fn stopped_and_continued_at_every_step() {
    if !have("strace", "stopping and continuing at every step") {
        return;
    }
    for (call, turn) in
        [("shmget", 1), ("shmat", 1), ("pidfd_send_signal", 1), ("pidfd_send_signal", 7)]
    {
        for (side, signal) in [
            ("server", "SIGSTOP"),
            ("client", "SIGSTOP"),
            ("server", "SIGTSTP"),
            ("client", "SIGTSTP"),
        ] {
            let inject = format!("-e inject={call}:signal={signal}:when={turn}");
            let strace = format!("strace -o /dev/null -e trace={call} {inject}");
            let before = |one| if one == side { strace.as_str() } else { "" };
            let run = play(&format!(
                "seq 1 20 > lines\n\
                 FROM=lines start server {} {{lab}} server --key-file $key --patience 0; prints server 'Server: '\n\
                 start client {} {{lab}} client --key-file $key --patience 60; prints {side} ' 9 '\n\
                 who=$(sed -n 's/^{side} \\([0-9]*\\).*/\\1/p' {side}.out | head -1)\n\
                 ( while kill -CONT $who; do read -t 0.01 x <> pipe; done ) 2> /dev/null &\n\
                 ended client; ended server",
                before("server"),
                before("client")
            ));
            assert_eq!(messages(&did(&run, "client")), 20, "{call} {turn} {side} {signal}");
        }
    }
}

/// Every system call that `program` makes in this scene, by name, and how often.
fn calls_of(side: &str) -> Vec<(String, usize)> {
    let count = |one| if one == side { "strace -f -qq -o calls" } else { "" };
    let run = play(&format!(
        "seq 1 2 > lines; FROM=lines start server {} {{lab}} server --key-file $key; prints server '{READY}'\n\
         start client {} {{lab}} client --key-file $key; ended client; ended server",
        count("server"),
        count("client")
    ));
    let log = fs::read_to_string(run.dir.path().join("calls")).expect("strace's log");
    let main = log.split(' ').next().unwrap_or_default().to_string();
    let mut calls: Vec<(String, usize)> = Vec::new();
    for line in log.lines().filter(|line| line.starts_with(&main)) {
        let name = line[main.len()..].trim_start().split('(').next().unwrap_or_default();
        if !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') || name.is_empty() {
            continue;
        }
        match calls.iter_mut().find(|(known, _)| known == name) {
            Some((_, n)) => *n += 1,
            None => calls.push((name.into(), 1)),
        }
    }
    calls
}

#[test]
fn killed_at_each_system_call_and_started_again() {
    if !have("strace", "kill -9 at each system call") {
        return;
    }
    for side in ["server", "client"] {
        let points = calls_of(side).into_iter().flat_map(|(name, n)| {
            (1..=n)
                .map(move |turn| (name.clone(), turn))
                .filter(|(name, _)| name != "execve" && name != "exit_group")
        });
        let points: Vec<(String, usize)> = points.collect();
        let stride = if std::env::var_os("SOAK").is_some() { 1 } else { points.len().div_ceil(40) };
        for (name, turn) in points.iter().step_by(stride) {
            let strace = format!(
                "strace -f -o /dev/null -e trace={name} -e inject={name}:signal=SIGKILL:when={turn}"
            );
            let before = |one| if one == side { strace.as_str() } else { "" };
            let run = play(&format!(
                "seq 1 2 > lines; FROM=lines start server {} {{lab}} server --key-file $key --patience 0.2\n\
                 start client {} {{lab}} client --key-file $key --patience 0.2; ended client\n\
                 [ $(cat client.code) = 0 ] || stop server; ended server\n\
                 echo hello > lines; FROM=lines start next {{lab}} server --key-file $key; prints next '{READY}'\n\
                 start again {{lab}} client --key-file $key; ended again; ended next",
                before("server"),
                before("client")
            ));
            let again = did(&run, "again");
            let heard = again.out.contains("message: hello");
            assert!(
                heard && again.code == 0,
                "{side} killed at {name} {turn}: {} {}",
                again.out,
                again.err
            );
            assert_eq!(did(&run, "next").code, 0, "{side} killed at {name} {turn}");
            assert!(
                [0, 3, 6, 7, 137].contains(&did(&run, "client").code),
                "{side} {name} {turn}: {}",
                did(&run, "client").err
            );
        }
    }
}

#[test]
fn a_server_and_a_client_in_c_straight_from_the_notes() {
    for _ in 0..times(1, 20) {
        let run = play(
            "seq 1 1000 > lines\n\
             FROM=lines start server {c}/server $key 9; prints server ready\n\
             start client {lab} client --key-file $key --count; ended client; ended server",
        );
        assert_eq!(messages(&did(&run, "client")), 1000);
        assert_eq!((did(&run, "client").code, did(&run, "server").code), (0, 0));
        let run = play(&format!(
            "seq 1 1000 > lines\n\
             FROM=lines start server {{lab}} server --key-file $key --count; prints server '{READY}'\n\
             start client {{c}}/client $key 9; ended client; ended server"
        ));
        assert_eq!(messages(&did(&run, "client")), 1000);
        assert_eq!((did(&run, "client").code, did(&run, "server").code), (0, 0));
    }
}

#[test]
fn ten_thousand_messages() {
    let lines = times(1000, 10_000);
    for (round, pin) in (0..times(2, 100)).flat_map(|round| [(round, ""), (round, "taskset -c 0")])
    {
        let busy =
            if pin.is_empty() { "" } else { "taskset -c 0 sh -c 'while :; do :; done' & busy=$!" };
        let run = play(&format!(
            "seq 1 {lines} > lines; {busy}\n\
             FROM=lines start server {pin} {{lab}} server --key-file $key --count --patience 60; prints server '{READY}'\n\
             start client {pin} {{lab}} client --key-file $key --count; ended client; ended server\n\
             [ -z \"$busy\" ] || kill $busy"
        ));
        let out = did(&run, "client").out;
        let got: Vec<&str> =
            out.lines().filter_map(|line| line.split("│  message: ").nth(1)).collect();
        assert!(
            got.iter().enumerate().all(|(i, m)| *m == (i + 1).to_string()),
            "round {round}: out of order"
        );
        assert_eq!(got.len(), lines, "round {round}");
    }
}

/// Runs something on one CPU and on two, on a machine that is idle and on one that is busy.
fn everywhere(runs: usize, body: impl Fn(&[&str])) {
    for busy in [false, true] {
        let spin = || Command::new("sh").args(["-c", "while :; do :; done"]).spawn().expect("sh");
        let load: Vec<_> = (0..if busy { 2 } else { 0 }).map(|_| spin()).collect();
        for before in [&["taskset", "-c", "0"][..], &["env"]] {
            (0..runs).for_each(|_| body(before));
        }
        for mut one in load {
            // Our child and not reaped, so the number is its own.
            let _ = one.kill();
            let _ = one.wait();
        }
    }
}

/// Line by line, what the child of part A does: it is asleep before the signal is sent, every time.
#[test]
fn part_a_sleeps_before_it_is_told_every_time() {
    everywhere(times(5, 250), |before| {
        let run = run_lab("4.8").args(&["--part", "a"]).under(before).go().clean();
        let line = |what: &str| {
            let found: Vec<usize> = run
                .stdout
                .lines()
                .enumerate()
                .filter(|l| l.1.contains(what))
                .map(|l| l.0)
                .collect();
            assert_eq!(found.len(), 1, "{what}: {}", run.stdout);
            found[0]
        };
        let child = run.stdout.lines().find_map(|l| l.strip_prefix("child ")?.split(' ').next());
        let of_child = |what: &str| line(&format!("child {} │{what}", child.expect("a child")));
        let order = [
            of_child("  pause() …"),
            line("✓ the child is asleep in pause"),
            line("── 4  "),
            line(&format!("kill({}, SIGUSR1)", child.expect("a child"))),
            of_child("    · hear(SIGUSR1) has run: sent by "),
            of_child("  … pause() "),
            line(" -> \"hello, child\""),
            line("✓ the parent is asleep in pause"),
            of_child("  kill("),
            line("the child has read"),
        ];
        assert!(order.is_sorted(), "{order:?}: {}", run.stdout);
    });
}

/// One run of 4.8 on a machine that is in nobody's favour: see tests/c/late.c.
fn late(how: &str, part: &str) -> Run {
    let preload = format!("LD_PRELOAD={}", preloaded("c/late.c"));
    let words: Vec<&str> = ["env", &preload].into_iter().chain(how.split(' ')).collect();
    run_lab("4.8").args(&["--part", part, "--rounds", "10"]).under(&words).go()
}

/// It ended with this line on stderr, and nobody is left. Two processes may meet the same failure.
fn ended_saying(run: &Run, code: i32, why: &str) {
    let said: Vec<&str> = run.stderr.lines().collect();
    let one =
        said.first().is_some_and(|line| line.contains(why)) && said.iter().all(|l| *l == said[0]);
    assert!(run.code == code && one && run.left.is_empty(), "{code} {why}: {run:#?}");
}

/// A pause that is slow to begin: part A waits for it, every time. The parent has run ipcs before it forks:
/// that is no child of the story.
#[test]
fn a_pause_that_is_slow_to_begin_ends_well() {
    for _ in 0..times(3, 100) {
        let run = late("PAUSE=300", "a").clean();
        for says in ["✓ the child is asleep in pause", "✓ the parent is asleep in pause"] {
            assert!(run.stdout.contains(says), "{says}: {run:#?}");
        }
        assert!(run.stdout.contains("✓ the parent and its child have ended"), "{run:#?}");
    }
}

#[test]
fn a_signal_that_is_lost_ends_part_a() {
    let lost = "both are asleep, no signal is pending, and nobody will send another";
    for _ in 0..times(1, 25) {
        // On its way, as a tracer may do it; and by a pause that came too late, unseen.
        for how in ["DROP=1", "DROP=1 BLIND=1", "PAUSE=500 BLIND=1"] {
            ended_saying(&late(how, "a"), 8, lost);
        }
        // The child has answered, and ended; its signal came before the parent's pause.
        let run = late("PAUSE=500 AFTER=1 BLIND=1", "a");
        ended_saying(&run, 8, "the child has ended well, and the parent still sleeps");
        assert!(!run.stderr.contains("died"), "{run:#?}");
    }
}

/// The parent runs ipcs before it forks. One that takes its time is the first process whose parent is ours,
/// and is not the child: that is what fork answered.
#[test]
fn a_slow_ipcs_is_not_taken_for_the_child() {
    let run = play(&format!(
        "mkdir slow; printf '#!/bin/sh\\nsleep 0.2\\nexec %s \"$@\"\\n' $(command -v ipcs) > slow/ipcs\n\
         chmod +x slow/ipcs; start lab env PATH=$PWD/slow:$PATH DROP=1 LD_PRELOAD={} {{lab_4_8}} --part a\n\
         ended lab",
        preloaded("c/late.c")
    ));
    let lab = did(&run, "lab");
    refused(&lab, 8, "both are asleep, no signal is pending");
    assert!(lab.out.contains("  child "), "the second of the two that sleep: {}", lab.out);
}

/// A pending signal that is blocked is not lost: the lab does not say that it came before pause.
#[test]
fn a_signal_that_is_blocked_is_not_called_lost() {
    // As in worksheet 4.8, change 4: blocked, and waited for in pause.
    let run = late("SUSPEND=pause", "c");
    ended_saying(&run, 1, "not so: held as in part B, and not lost");
    assert!(run.stdout.contains("a signal is pending that is blocked"), "{run:#?}");
    assert!(run.stdout.contains("signals pending: 0x200"), "{run:#?}");
}

#[test]
fn a_child_that_was_killed_is_told_with_the_signal() {
    // As in worksheet 4.8, change 1: a child that has no handler yet when the signal comes.
    let run = late("HANDLER=none", "b");
    ended_saying(&run, 7, "died: killed by SIGUSR1");
    let run = play(&format!(
        "start lab env LD_PRELOAD={} PAUSE=1000 {{lab_4_8}} --part a; prints lab 'child [0-9]* │  pause'\n\
         kill -KILL $(sed -n 's/^child \\([0-9]*\\).*/\\1/p' lab.out | head -1); ended lab",
        preloaded("c/late.c")
    ));
    refused(&did(&run, "lab"), 7, "died: killed by SIGKILL");
}

/// Calls that "cannot fail", refused as a sandbox may: nothing spins, nobody stays behind.
#[test]
fn what_a_sandbox_refuses_ends_every_part() {
    for (refuse, part, why) in [
        ("pause", "a", "pause() failed: ENOSYS"),
        ("sigsuspend", "c", "sigsuspend(mask without SIGUSR1) failed: ENOSYS"),
        ("prctl", "a", "prctl(PR_SET_PDEATHSIG, SIGKILL) failed: EPERM"),
        ("mask", "a", "sigprocmask failed: EPERM"),
        ("fork", "b", "fork() failed: EAGAIN"),
    ] {
        ended_saying(&late(&format!("REFUSE={refuse}"), part), 1, why);
    }
}

#[test]
fn part_b_always_shows_it() {
    for _ in 0..times(20, 1000) {
        let b = run_lab("4.8").args(&["--part", "b"]).go().clean();
        assert_eq!(
            b.stdout.matches("both are asleep, no signal is pending, and nobody").count(),
            2,
            "{}",
            b.stdout
        );
    }
}

#[test]
fn part_c_answers_every_round() {
    let rounds = times(10_000, 1_000_000).to_string();
    let run = run_lab("4.8").args(&["--part", "c", "--rounds", &rounds]).go().clean();
    assert!(
        run.stdout.contains(&format!("sigsuspend x {rounds}: {rounds} EINTR")),
        "{}",
        run.stdout
    );
}

#[test]
fn parent_or_child_is_killed() {
    if !have("strace", "4.8 with one of the two killed") {
        return;
    }
    let calls = [
        "shmget",
        "shmat",
        "shmdt",
        "shmctl",
        "clone",
        "kill",
        "pause",
        "rt_sigsuspend",
        "rt_sigaction",
        "wait4",
        "write",
    ];
    for (part, call) in ["a", "b", "c"].into_iter().flat_map(|part| calls.map(|call| (part, call)))
    {
        let inject = format!("-e inject={call}:signal=SIGKILL:when=1");
        let run = play(&format!(
            "start lab strace -f -o /dev/null -e trace={call} {inject} {{lab_4_8}} --part {part} --rounds 10\n\
             ended lab; start next {{lab_4_8}} --part {part} --rounds 10; ended next; [ $(rows) = 0 ] || exit 98"
        ));
        let (lab, next) = (did(&run, "lab"), did(&run, "next"));
        assert!([0, 1, 7, 137].contains(&lab.code), "{part} {call}: {} {}", lab.code, lab.err);
        assert_eq!(next.code, 0, "{part} {call}: {}", next.err);
    }
}

#[test]
fn parent_or_child_is_stopped() {
    for who in ["parent", "child"] {
        let run = play(&format!(
            "start lab {{lab_4_8}} --part a --patience 0.2; prints lab ' 6 '\n\
             who() {{ sed -n 's/^{who} \\([0-9]*\\).*/\\1/p' lab.out | tail -1; }}\n\
             until kill -STOP $(who) 2> /dev/null || ! kill -0 $lab; do :; done; ended lab"
        ));
        let lab = did(&run, "lab");
        // It may have ended before it could be stopped.
        assert!([0, 8].contains(&lab.code), "{who}: {}", lab.err);
        assert!(lab.code == 0 || lab.err.contains("stopped (state T)"), "{who}: {}", lab.err);
    }
}

#[test]
fn the_whole_of_4_8_is_killed_and_the_next_start_cleans_up() {
    let run = play(
        "start lab {lab_4_8} --part c --rounds 100000000; prints lab 'many rounds'\n\
         prints lab 'shmget(IPC_PRIVATE, 16'\n\
         kill -KILL $lab; ended lab; id=$(sed -n 's/.* shmget(.* = \\([0-9]*\\)$/\\1/p' lab.out | tail -1)\n\
         until [ $(ipcs -m | awk -v id=$id '$2 == id { print $6 }') = 0 ]; do read -t 0.01 x <> pipe; done\n\
         start next {lab_4_8} --part a; ended next",
    );
    let next = did(&run, "next");
    assert!(next.code == 0 && next.out.contains(", which is gone"), "{}", next.out);
}

/// notes/faults.md has a line for each fault, and each test that it names exists.
#[test]
fn every_fault_has_a_line_and_every_named_test_exists() {
    let page = fs::read_to_string(common::repo().join("notes/faults.md")).expect("notes/faults.md");
    let tests = fs::read_dir(common::repo().join("tests")).expect("tests").filter_map(Result::ok);
    let sources: Vec<(String, String)> = tests
        .filter_map(|file| {
            let text = fs::read_to_string(file.path()).ok()?;
            Some((format!("tests/{}", file.file_name().display()), text))
        })
        .collect();
    let (here, not_here) = page.split_once("## Not here").expect("the faults that are left out");
    let row = regex::Regex::new(r"(?m)^\| (\d+) \|.*\| (.*) \|$").expect("row");
    let name = regex::Regex::new(r"(?:(tests/\w+\.rs) )?`(?:the_harness_proves_itself::)?(\w+)`")
        .expect("name");
    let mut faults: Vec<usize> = Vec::new();
    for found in row.captures_iter(here) {
        faults.push(found[1].parse().expect("a number"));
        // A file's name holds for the tests after it, up to the end of the cell.
        let (mut file, mut named) = ("tests/pair.rs".to_string(), 0);
        for part in found[2].split("; ").flat_map(|part| name.captures_iter(part)) {
            file = part.get(1).map_or(file, |other| other.as_str().into());
            let is = format!("fn {}(", &part[2]);
            let known = |one: &&(String, String)| one.0 == file || one.0 == "tests/pair.rs";
            assert!(
                sources.iter().filter(known).any(|one| one.1.contains(&is)),
                "{file} has no test {}",
                &part[2]
            );
            named += 1;
        }
        assert!(named > 0, "fault {} has no test", &found[1]);
    }
    faults.extend(
        row.captures_iter(not_here).map(|found| found[1].parse::<usize>().expect("a number")),
    );
    faults.sort_unstable();
    assert_eq!(faults, (1..=48).collect::<Vec<_>>());
}

/// The cells notice: the same scenes, with programs that do it wrong, come out differently.
mod the_harness_proves_itself {
    use super::*;
    use sysv::process::SYS_PAUSE;

    /// Delays the child between "ready" and its wait, so that the signal comes in between. True if
    /// the program ended; false if it sleeps in pause.
    fn survives_an_early_signal(program: &str, microseconds: u32) -> bool {
        let run = play(&format!(
            "start it strace -f -o /dev/null -e trace=write -e inject=write:delay_exit={microseconds} {program}\n\
             asleep() {{ for p in $(cat /proc/$1/task/$1/children); do\n\
             read nr rest < /proc/$p/syscall; [ $nr = {SYS_PAUSE} ] && echo $p; asleep $p; done; }} 2> /dev/null\n\
             still=0; while [ -d /proc/$it ] && [ $still -lt 30 ]; do\n\
             read -t 0.02 x <> pipe; [ -n \"$(asleep $it)\" ] && still=$((still + 1)) || still=0\n\
             [ $(sed -n 's/^State:.\\(.\\).*/\\1/p' /proc/$it/status) = Z ] && break; done 2> /dev/null\n\
             for p in $(asleep $it); do kill -USR1 $p; done; echo $still > still; ended it"
        ));
        fs::read_to_string(run.dir.path().join("still")).expect("a verdict").trim() != "30"
    }

    #[test]
    fn lost_wake_up() {
        if have("strace", "that a lost wake-up is noticed") {
            assert!(
                !survives_an_early_signal("{c}/naive wake", 2_000_000),
                "bare pause loses the signal"
            );
            assert!(survives_an_early_signal("{lab_4_8} --part c --rounds 3", 50_000));
        }
    }

    /// Lets a client meet this pid where a server's should be. True if a bystander in its process
    /// group and the process of that pid both live on.
    fn harms_nobody(client: &str, pid: &str) -> bool {
        let run = play(&format!(
            "settle() {{ while grep -q '^State:.[RSDT]' /proc/$1/status; do read nr rest < /proc/$1/syscall\n\
             [ \"$nr\" = {SYS_PAUSE} ] && kill -KILL $1; done; }} 2> /dev/null; export -f settle\n\
             start stranger setsid sleep 1000\n\
             FROM=typed start plant {{c}}/plant $key 9 128 0600 {pid} hold; exec 9> typed; prints plant planted\n\
             start group setsid bash -c \"sleep 1000 & by=\\$!; {client}; \
             kill \\$by; wait \\$by; [ \\$? = 143 ] && echo unharmed\"; ended group\n\
             kill $stranger; ended stranger\n\
             exec 9>&-; ended plant; unplant\n\
             kill -KILL -- -$group 2> /dev/null; until [ $(rows) = 0 ]; do read -t 0.01 x <> pipe; done"
        ));
        // SIGTERM ended them, and nothing before.
        did(&run, "group").out.contains("unharmed") && did(&run, "stranger").code == 143
    }

    const OURS: &str = "{lab} client --key-file $key --patience 0.1 2> /dev/null";
    // It waits for ever in pause after its kill; what matters has happened by then.
    const NAIVE: &str = "{c}/client $key 9 & settle \\$!";

    #[test]
    fn pid_zero() {
        assert!(harms_nobody(OURS, "0"));
        assert!(!harms_nobody(NAIVE, "0"), "kill(0) reaches the whole process group");
    }

    #[test]
    fn stale_pid() {
        assert!(harms_nobody(OURS, "$stranger"));
        assert!(!harms_nobody(NAIVE, "$stranger"), "the stranger has no handler");
    }

    /// Lets IPC_RMID fail. True if the program says so with its exit code.
    fn owns_up(program: &str) -> bool {
        let script = format!(
            "start it strace -f -o /dev/null -e trace=shmctl -e inject=shmctl:error=EPERM {program}\n\
             ended it; id=$(sed -n 's/^made \\([0-9]*\\)$/\\1/p' it.out); [ -z \"$id\" ] || ipcrm -m $id; {{sweep}} --yes > swept"
        );
        did(&play(&script), "it").code != 0
    }

    #[test]
    fn ignored_error_of_rmid() {
        if have("strace", "that an ignored error is noticed") {
            assert!(owns_up("{lab_4_8} --part c --rounds 3"));
            assert!(!owns_up("{c}/naive leak"), "it ends with 0 and leaves a segment");
        }
    }
}
