//! What a readable line for a call costs: ours, `eprintln!`, and strace, for the same calls.

use lablib::{Result, sem};
use std::fs::{self, File};
use std::hint::black_box;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::time::Instant;

/// The call: one that does as good as nothing.
fn call(semid: i32) -> i32 {
    // SAFETY: GETVAL takes no further argument.
    unsafe { libc::semctl(semid, 0, libc::GETVAL) }
}

/// `peers lines HOW N`: makes N calls, with a line for each on standard output or standard error, and
/// writes the nanoseconds of one call, the median, to the file `lines-time`. As a lab runs: with the
/// lock that lines of several processes take.
pub fn run(how: &str, n: usize) -> ExitCode {
    lablib::run(|| measure(how, n))
}

fn measure(how: &str, n: usize) -> Result<()> {
    lablib::child::enter_own_ipc()?;
    // SAFETY: semget takes three numbers.
    let semid = unsafe { libc::semget(libc::IPC_PRIVATE, 1, 0o600) };
    let line = format!("  {:<50} = 0\n", format!("semctl({semid}, 0, GETVAL, NULL)"));
    let one = || match how {
        "ours" => drop(sem::ctl_getval(semid, 0).expect("semctl")),
        "eprintln" => {
            let (name, number, what) = black_box(("semctl", 0, "GETVAL"));
            eprintln!("  {name}({semid}, {number}, {what}, NULL) = {}", call(semid));
        }
        "write" => {
            call(semid);
            nix::unistd::write(std::io::stdout(), line.as_bytes()).expect("write");
        }
        _ => drop(call(semid)),
    };
    // Each by itself: the mean would tell what else the machine had to do.
    let mut times: Vec<_> = (0..n).map(|_| timed(one)).collect();
    times.sort_unstable();
    fs::write("lines-time", times[n / 2].to_string()).expect("lines-time");
    Ok(())
}

fn timed(one: impl Fn()) -> u128 {
    let began = Instant::now();
    one();
    began.elapsed().as_nanos()
}

/// Nanoseconds that one line adds to a call, all lines into a file.
pub fn cost(dir: &Path, how: &str, n: usize) -> f64 {
    let bare = time(dir, &[], "bare", n);
    match how {
        "strace" => {
            let strace = ["strace", "-f", "-e", "trace=semctl", "-o", "lines-strace"];
            time(dir, &strace, "bare", n / 10) - bare
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
