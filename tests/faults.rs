//! What goes wrong around a lab: what it made cannot be removed, what it looks at cannot be read, its output
//! cannot be written. It says one line, ends with the right code, and never that nothing is left when it could
//! not look. For a call that fails anywhere, and a signal that comes anywhere: tests/cells.rs.

mod common;
use std::fs;

use common::scene::{did, scene};
use common::{have, isolated, run_lab, sections};
use lablib::{Failure, shm};

const EXCL: i32 = libc::IPC_CREAT | libc::IPC_EXCL;

#[test]
fn a_removal_that_never_succeeds_is_named() {
    if !have("strace", "what labs say of what they could not remove") {
        return;
    }
    let inject = "inject=shmctl,msgctl,semctl:error=EPERM:when=1+";
    let strace = ["strace", "-f", "-qq", "-o", "{dir}/strace", "-e", "trace=shmctl,msgctl,semctl"];
    for section in sections() {
        let run = run_lab(&section).under(&[&strace[..], &["-e", inject]].concat()).go();
        let last = run.stderr.lines().last().unwrap_or_default();
        let id = |row: &String| row.split_whitespace().nth(2).unwrap_or_default().to_string();
        let named = run.left.iter().all(|row| last.contains(&format!("id {}", id(row))));
        let told = last.contains(": left behind: ") && last.contains("make sweep");
        assert!(!run.left.is_empty() && run.code == 1 && named && told, "{section}: {run:#?}");
    }
}

/// A ledger that cannot be understood is not an empty one.
#[test]
fn a_damaged_ledger_is_no_empty_one() {
    for section in ["4.4", "4.9"] {
        let script = "mkdir -m 700 shm-workbook; echo garbage > shm-workbook/ledger; \"$@\"";
        let run = run_lab(section).under(&["sh", "-c", script, "sh"]).go();
        let told =
            run.stderr.contains("left behind: cannot tell: ") && run.stderr.contains("garbage");
        let none = run.stdout.contains("left behind: none");
        assert!(run.code == 1 && told && !none && run.left.is_empty(), "{section}: {run:#?}");
        let ledger = run.dir.path().join("shm-workbook/ledger");
        assert_eq!(fs::read_to_string(ledger).expect("a ledger"), "garbage\n", "it stays as it is");
    }
}

/// Killed between its entry in the ledger and its end: what it made stays, and the client beside it knows.
#[test]
fn a_client_names_what_its_killed_server_has_left() {
    for (program, ready) in
        [("{lab}", "wait until a client rings"), ("{lab_4_10}", "it waits for a client")]
    {
        let script = format!(
            "FROM=typed start server {program} server --key-file $key; exec 9> typed\n\
             prints server '{ready}'; mkfifo also; FROM=also start client {program} client --key-file $key; exec 8> also\n\
             prints client 'shmat'; until [ $(awk '$7 == 2' /proc/sysvipc/shm | wc -l) -ge 1 ]; do read -t 0.01 x <> pipe; done\n\
             kill -KILL $server; ended server; ended client; {{sweep}} --yes > swept"
        );
        let run = scene(&script).go();
        let client = did(&run, "client");
        let last = client.out.lines().last().unwrap_or_default();
        let named = last.starts_with("left behind: shmid ") && last.contains("which is gone");
        assert!(
            named && client.code != 0 && run.left.is_empty(),
            "{last}: {} {run:#?}",
            client.err
        );
    }
}

#[test]
fn who_has_the_key_is_named() {
    isolated("who_has_the_key_is_named", false, || {
        let id = shm::get(0x4242, 64, EXCL | 0o600)?;
        let refused = shm::get(0x4242, 64, EXCL | 0o600);
        let why = refused.err().map(|failure| failure.to_string()).unwrap_or_default();
        let advice = format!("segment {id} is yours, mode 0600; you may type ipcrm -m {id}");
        shm::ctl_rmid(id)?;
        if why.contains("EEXIST") && why.contains(&advice) {
            return Ok(());
        }
        Err(Failure::because(why))
    });
}

#[test]
fn what_an_absent_call_has_to_do_with_is_said_of_it_alone() {
    let of = |call: &str| sysv::hint::of(call, nix::errno::Errno::ENOSYS);
    assert!(of("shmget(0x1, 1, 0600)").contains("no System V IPC"));
    assert_eq!(of("pidfd_open(7, 0)") + &of("ppoll"), "");
}

#[test]
fn output_that_nobody_takes_is_no_panic() {
    for section in sections() {
        for (shell, code, lines) in [
            (r#""$@" > /dev/full"#, 1, 1),
            (r#""$@" >&-"#, 0, 0),
            (r#"{ "$@"; echo $? > code; } | :; exit $(cat code)"#, 141, 0),
            (r#"{ "$@"; echo $? > code; } | sed 3q > /dev/null; exit $(cat code)"#, 141, 0),
        ] {
            for all in [None, Some("--experiments")] {
                let args: Vec<&str> = all.into_iter().collect();
                let run = run_lab(&section).args(&args).under(&["sh", "-c", shell, "sh"]).go();
                // A reader that leaves may have taken everything by then.
                let ended = run.code == code || (code == 141 && run.code == 0);
                let said = run.stderr.lines().count() == lines;
                assert!(ended && said && run.left.is_empty(), "{section} {shell}: {run:#?}");
            }
        }
    }
}
