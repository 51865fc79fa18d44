//! Two processes, each on the CPU it is told, and what the first of them measures.

use std::fs::File;
use std::io::{Read, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, Ordering::SeqCst};
use std::{mem, ptr, thread};

use nix::sched::{CpuSet, sched_setaffinity};
use nix::unistd::{ForkResult, Pid, fork, pipe};

/// Where the two run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Pin {
    /// One on each of two CPUs.
    Two,
    /// The same, and both spin.
    Spinning,
    /// Both on one.
    One,
    /// Wherever the kernel likes.
    Free,
}

/// Pins this thread.
pub fn pin(cpu: usize) {
    let mut set = CpuSet::new();
    set.set(cpu).expect("a CPU");
    sched_setaffinity(Pid::from_raw(0), &set).expect("sched_setaffinity: two CPUs are needed");
}

/// Set by `--fifo`.
pub static FIFO: AtomicBool = AtomicBool::new(false);

/// With `--fifo`: this thread goes before all that are not of the real-time class.
pub fn alone() {
    if FIFO.load(SeqCst) {
        let first = libc::sched_param { sched_priority: 1 };
        // SAFETY: the call reads one number.
        let done = unsafe { libc::sched_setscheduler(0, libc::SCHED_FIFO, &first) };
        assert_eq!(done, 0, "sched_setscheduler: run it as root");
    }
}

/// Anonymous memory that children share.
pub fn shared(bytes: usize) -> *mut u8 {
    let (access, kind) =
        (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED | libc::MAP_ANONYMOUS);
    // SAFETY: a fresh mapping.
    let at = unsafe { libc::mmap(ptr::null_mut(), bytes, access, kind, -1, 0) };
    assert_ne!(at, libc::MAP_FAILED, "mmap");
    at.cast()
}

/// Gives back what `shared` has made.
pub fn unshare(at: *mut u8, bytes: usize) {
    // SAFETY: made by `shared`, and nobody uses it any more.
    unsafe { libc::munmap(at.cast(), bytes) };
}

static MEETING: AtomicPtr<AtomicU32> = AtomicPtr::new(ptr::null_mut());

/// Waits until the other process is here, too.
pub fn meet() {
    // SAFETY: `pair` has made it before the fork, and gives it back after both have ended.
    let count = unsafe { &*MEETING.load(SeqCst) };
    let mine = count.fetch_add(1, SeqCst);
    while count.load(SeqCst) < (mine | 1) + 1 {
        thread::yield_now();
    }
}

/// What `first` has measured, and the CPU time that the two have used, in nanoseconds.
pub struct Measured {
    pub number: f64,
    pub cpu: f64,
}

/// Runs both in processes of their own. None of them may fail: a benchmark without one of its rows
/// is no benchmark.
pub fn pair(place: Pin, first: impl FnOnce() -> f64, second: impl FnOnce()) -> Measured {
    let meeting = shared(4096);
    MEETING.store(meeting.cast(), SeqCst);
    let (from, to) = pipe().expect("pipe");
    let a = child(place, 0, move || {
        let number: f64 = first();
        File::from(to).write_all(&number.to_ne_bytes()).expect("pipe");
    });
    let b = child(place, 1, second);
    let mut bytes = [0; 8];
    let measured = File::from(from).read_exact(&mut bytes);
    let cpu = [a, b].map(reap).iter().sum();
    measured.expect("a number");
    unshare(meeting, 4096);
    Measured { number: f64::from_ne_bytes(bytes), cpu }
}

/// No row takes so many seconds, unless one of its two waits for what will not come.
const LIMIT: u32 = 120;

/// Waits for a child and answers its CPU time.
fn reap(child: Pid) -> f64 {
    let mut status = 0;
    // SAFETY: plain numbers.
    let mut usage: libc::rusage = unsafe { mem::zeroed() };
    // SAFETY: the kernel writes a status and a rusage.
    let pid = unsafe { libc::wait4(child.as_raw(), &mut status, 0, &mut usage) };
    assert_ne!(status, libc::SIGALRM, "a row hangs: nothing for {LIMIT} seconds");
    assert_eq!((pid, status), (child.as_raw(), 0), "a child failed");
    [usage.ru_utime, usage.ru_stime]
        .iter()
        .map(|t| t.tv_sec as f64 * 1e9 + t.tv_usec as f64 * 1e3)
        .sum()
}

fn child(place: Pin, n: usize, body: impl FnOnce()) -> Pid {
    // SAFETY: the harness has one thread when it forks.
    match unsafe { fork() }.expect("fork") {
        ForkResult::Parent { child } => child,
        ForkResult::Child => {
            // SAFETY: takes a number; SIGALRM ends a process whose row hangs.
            unsafe { libc::alarm(LIMIT) };
            match place {
                Pin::Two | Pin::Spinning => pin(n),
                Pin::One => pin(0),
                Pin::Free => {}
            }
            if place != Pin::Free {
                alone();
            }
            let code = i32::from(catch_unwind(AssertUnwindSafe(body)).is_err());
            // SAFETY: ends the child at once; what the parent owns stays its own.
            unsafe { libc::_exit(code) }
        }
    }
}
