//! What a readable line for a call costs: ours, `eprintln!`, and strace, for the same calls.

use std::fs::{self, File};
use std::hint::black_box;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use lablib::sem;

/// The call: one that does as good as nothing.
fn call(semid: i32) -> i32 {
    // SAFETY: GETVAL takes no further argument.
    unsafe { libc::semctl(semid, 0, libc::GETVAL) }
}

/// `peers lines HOW N`: makes N calls, with a line for each on standard output or standard error, and
/// writes the nanoseconds a call to the file `lines-time`.
pub fn run(how: &str, n: usize) {
    lablib::process::enter_own_ipc().expect("a namespace");
    // SAFETY: semget takes three numbers.
    let semid = unsafe { libc::semget(libc::IPC_PRIVATE, 1, 0o600) };
    let began = Instant::now();
    for _ in 0..n {
        match how {
            "ours" => drop(sem::ctl_getval(semid, 0).expect("semctl")),
            "eprintln" => {
                let (name, number, what, buffer) = black_box(("semctl", 0, "GETVAL", "NULL"));
                let value = call(semid);
                let call = format!("{name}({semid}, {number}, {what}, {buffer})");
                eprintln!("  {call:<50} = {value}");
            }
            _ => drop(call(semid)),
        }
    }
    let time = began.elapsed().as_nanos() as f64 / n as f64;
    fs::write("lines-time", time.to_string()).expect("lines-time");
}

/// Nanoseconds that one line adds to a call, all lines into a file.
pub fn cost(dir: &Path, how: &str, n: usize) -> f64 {
    let bare = time(dir, &[], "bare", n);
    match how {
        "strace" => {
            let n = n / 10;
            let strace = ["strace", "-f", "-e", "trace=semctl", "-o", "lines-strace"];
            time(dir, &strace, "bare", n) - bare
        }
        how => time(dir, &[], how, n) - bare,
    }
}

fn time(dir: &Path, before: &[&str], how: &str, n: usize) -> f64 {
    let me = std::env::current_exe().expect("a program").display().to_string();
    let n = n.to_string();
    let words = [before, &[&me, "lines", how, &n]].concat();
    let file = |name| File::create(dir.join(name)).expect("a file");
    let status = Command::new(words[0])
        .args(&words[1..])
        .current_dir(dir)
        .stdin(Stdio::null())
        .stdout(file("lines-out"))
        .stderr(file("lines-err"))
        .status();
    assert!(status.is_ok_and(|status| status.success()), "{words:?}");
    let text = fs::read_to_string(dir.join("lines-time")).expect("lines-time");
    text.parse().expect("a number")
}

/// How many write(2) calls one line makes, as strace counts them.
pub fn writes(dir: &Path, how: &str) -> f64 {
    let n = 100;
    let strace = ["strace", "-f", "-e", "trace=write", "-e", "write=none", "-o", "lines-writes"];
    time(dir, &strace, how, n);
    let text = fs::read_to_string(dir.join("lines-writes")).expect("lines-writes");
    let to = if how == "ours" { "write(1," } else { "write(2," };
    text.lines().filter(|line| line.contains(to)).count() as f64 / n as f64
}
