//! The C listings of the sections, for students who write C: each compiles without a warning and runs; and
//! where one of its calls fails, it says which, ends with 1, and leaves neither a segment nor a process.

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::thread;

use common::{Run, listings, repo, run, scratch, sections};
use nix::errno::Errno;
use regex::Regex;

/// What a call fails with, if it is made to: what its manual page names, and no listing expects.
const FAILS: [(&str, Errno); 32] = [
    ("ftok", Errno::EACCES),
    ("shmget", Errno::ENOSPC),
    ("shmat", Errno::ENOMEM),
    ("shmdt", Errno::ENOMEM),
    ("shmctl", Errno::EACCES),
    ("IPC_RMID", Errno::EPERM),
    ("msgget", Errno::ENOSPC),
    ("msgsnd", Errno::ENOMEM),
    ("msgrcv", Errno::EACCES),
    ("msgctl", Errno::EACCES),
    ("semget", Errno::ENOSPC),
    ("semctl", Errno::EACCES),
    ("semop", Errno::E2BIG),
    ("pipe", Errno::EMFILE),
    ("fork", Errno::EAGAIN),
    ("waitpid", Errno::ECHILD),
    ("open", Errno::EMFILE),
    ("read", Errno::EIO),
    ("write", Errno::EIO),
    ("close", Errno::EIO),
    ("unlink", Errno::EACCES),
    ("shm_open", Errno::EMFILE),
    ("shm_unlink", Errno::EACCES),
    ("ftruncate", Errno::EPERM),
    ("mmap", Errno::ENOMEM),
    ("munmap", Errno::EINVAL),
    ("kill", Errno::EPERM),
    ("sigaction", Errno::EINVAL),
    ("sigprocmask", Errno::EINVAL),
    ("ppoll", Errno::ENOMEM),
    ("sem_init", Errno::ENOSYS),
    ("pthread_create", Errno::EAGAIN),
];
/// Of a lock. EINVAL: there is none.
const LOCKS: [(&str, Errno); 7] = [
    ("pthread_mutexattr_init", Errno::ENOMEM),
    ("pthread_mutexattr_setpshared", Errno::ENOTSUP),
    ("pthread_mutexattr_setrobust", Errno::EINVAL),
    ("pthread_mutex_init", Errno::EAGAIN),
    ("pthread_mutex_lock", Errno::EINVAL),
    ("pthread_mutex_unlock", Errno::EPERM),
    ("pthread_mutex_consistent", Errno::EINVAL),
];
/// Of the calls that wait for a semaphore or a thread: EINVAL says that there is no such one.
const WAITS: [(&str, Errno); 3] =
    [("sem_wait", Errno::EINVAL), ("sem_post", Errno::EOVERFLOW), ("pthread_join", Errno::EINVAL)];
/// What cannot fail, or whose failure a listing need not survive: its own output, say. sigsuspend always
/// answers -1. A nap that is too short is followed by another.
const OTHERS: [&str; 23] = [
    "printf",
    "fprintf",
    "puts",
    "putchar",
    "perror",
    "fflush",
    "snprintf",
    "fwrite",
    "stderr",
    "stdout",
    "strerror",
    "strlen",
    "strcmp",
    "memcpy",
    "strcpy",
    "getpid",
    "getppid",
    "sigemptyset",
    "sigaddset",
    "sigdelset",
    "sigsuspend",
    "nanosleep",
    "sched_yield",
];

fn errors() -> impl Iterator<Item = (&'static str, Errno)> {
    FAILS.into_iter().chain(LOCKS).chain(WAITS)
}

/// Compiles it, with what lets a call fail; the program, and the names that it calls.
fn compiled(name: &str, listing: &str, dir: &Path) -> (PathBuf, BTreeSet<String>) {
    let source = dir.join("listing.c");
    fs::write(&source, listing).expect("listing.c");
    let cc = |words: &[&str]| {
        let flags = ["-std=c11", "-D_GNU_SOURCE", "-O1", "-Wall", "-Wextra", "-Werror", "-pthread"];
        let cc = Command::new("cc").args(flags).args(words).current_dir(dir).output().expect("cc");
        assert!(cc.status.success(), "{name}: {}", String::from_utf8_lossy(&cc.stderr));
    };
    cc(&["-c", "listing.c"]);
    let fail = repo().join("tests/c/fail.c").display().to_string();
    let names = errors().map(|(name, _)| name).filter(|name| *name != "IPC_RMID");
    let wrapped = names.map(|name| format!(",--wrap={name}")).collect::<String>();
    cc(&["-o", "listing", "listing.o", &fail, &format!("-Wl{wrapped}")]);
    let nm = Command::new("nm").args(["-u", "listing.o"]).current_dir(dir).output().expect("nm");
    let undefined = String::from_utf8(nm.stdout).expect("names");
    let calls = undefined.split_whitespace().filter(|word| *word != "U").map(String::from);
    (dir.join("listing"), calls.collect())
}

/// Runs it in a pid namespace of its own, of which nothing may be left when it has ended; a child that
/// nobody waits for, because its waitpid failed, gets two seconds to end.
fn go(program: &Path, fail: &str) -> Run {
    let script = r#"timeout -k 1 20 "$@"; code=$?
        turns=0; while kill -0 -1; do
            turns=$((turns + 1)); [ $turns -gt 200 ] && { echo 'a process is left' > left; break; }
            sleep 0.01
        done 2> /dev/null
        exit $code"#;
    // Names in /dev/shm are the machine's; the pids that listings put into them are alike in each namespace.
    let text = fs::read_to_string(program.with_file_name("listing.c")).expect("listing.c");
    let _alone = text.contains("shm_open(").then(|| {
        let folder = fs::File::open("/dev/shm").expect("/dev/shm");
        folder.lock().expect("lock");
        folder
    });
    let apart = ["unshare", "--map-current-user", "--pid", "--fork", "--kill-child"];
    let words = [&apart[..], &["sh", "-c", script, "sh"]].concat();
    run(program).env("CALLS", "calls").env("FAIL", fail).under(&words).go()
}

fn calls(run: &Run) -> String {
    fs::read_to_string(run.dir.path().join("calls")).unwrap_or_default()
}

fn process_left(run: &Run) -> bool {
    run.dir.path().join("left").exists()
}

/// A call of a listing: "DEPTH NAME", and which one of these it is.
type Cell = (String, usize);

fn cells(run: &Run) -> Vec<Cell> {
    let mut turns: BTreeMap<String, usize> = BTreeMap::new();
    let cell = |line: &str| {
        let turn = turns.entry(line.into()).or_default();
        *turn += 1;
        (line.to_string(), *turn)
    };
    calls(run).lines().map(cell).collect()
}

/// What it fails with. A semaphore's wait that a signal has interrupted goes on.
fn errors_of(call: &str) -> Vec<Errno> {
    let name = call.split(' ').nth(1).expect("a name");
    let known = errors().find(|(known, _)| known == &name).expect("a call that fails").1;
    if name == "sem_wait" { vec![known, Errno::EINTR] } else { vec![known] }
}

/// What is wrong with a listing one of whose calls fails.
fn judge(program: &Path, (call, turn): &Cell, error: Errno) -> Option<String> {
    let name = call.split(' ').nth(1).expect("a name");
    let run = go(program, &format!("{call} {turn} {}", error as i32));
    let text = std::io::Error::from_raw_os_error(error as i32).to_string();
    let text = text.split(" (os error").next().expect("the words of strerror").to_string();
    let failed = calls(&run).contains("FAILED");
    let said = run.stderr.lines().any(|line| {
        let alone = Regex::new(&format!(r"\b{name}\b")).expect("a name");
        alone.is_match(line) && line.ends_with(&format!(": {text}"))
    });
    // A removal that fails leaves what it did not remove.
    let left = run.left.len() > usize::from(name == "IPC_RMID");
    let right = if failed && error != Errno::EINTR { run.code == 1 && said } else { run.code == 0 };
    let wrong = !right || left || process_left(&run);
    wrong.then(|| format!("{call} number {turn}, {error:?}: {run:#?}"))
}

#[test]
fn every_listing_survives_every_call_that_fails() {
    let mut programs = Vec::new();
    let (mut work, mut wrong) = (Vec::new(), Vec::new());
    for (name, listing) in listings() {
        let dir = scratch();
        let (program, names) = compiled(&name, &listing, dir.path());
        let known = |call: &String| {
            let call = call.trim_start_matches('_');
            ["errno_location", "stack_chk_fail", "exit", "GLOBAL_OFFSET_TABLE_"].contains(&call)
                || call.starts_with("isoc")         // sscanf, whatever the C library's version
                || OTHERS.contains(&call.trim_end_matches("_chk"))
                || errors().any(|(known, _)| known == call)
        };
        let unknown: Vec<&String> = names.iter().filter(|call| !known(call)).collect();
        assert!(unknown.is_empty(), "{name}: what if one of these fails? {unknown:?}");
        let ran = go(&program, "0 nothing 0 0").clean();
        assert!(!process_left(&ran), "{name}: a process is left");
        for cell in cells(&ran) {
            let each = errors_of(&cell.0).into_iter();
            work.extend(each.map(|error| (name.clone(), program.clone(), cell.clone(), error)));
        }
        programs.push(dir);
    }
    assert!(work.len() > sections().len(), "only {} calls", work.len());
    println!("{} calls, each made to fail", work.len());
    let (next, failed) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let one_after_the_other = || {
        while let Some((name, program, cell, error)) = work.get(next.fetch_add(1, SeqCst)) {
            let found = judge(program, cell, *error).map(|what| format!("{name}: {what}"));
            failed.lock().expect("failed").extend(found);
        }
    };
    thread::scope(|scope| {
        scope.spawn(one_after_the_other);
        one_after_the_other();
    });
    wrong.extend(failed.into_inner().expect("failed"));
    assert!(wrong.is_empty(), "{} of {} calls:\n{}", wrong.len(), work.len(), wrong.join("\n"));
}
