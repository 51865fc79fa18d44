//! Two processes, each on the CPU it is told, and what the first of them measures.

use std::fs::File;
use std::io::{Read, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, AtomicU64, Ordering::SeqCst};
use std::time::Duration;
use std::{ptr, thread};

use nix::sched::{CpuSet, sched_setaffinity};
use nix::sys::signal::Signal;
use nix::sys::wait::{WaitStatus, waitpid};
use nix::time::{ClockId, clock_gettime};
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
    /// The same, and beside other work: never before all others.
    Beside,
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

/// A place for `meet`, of the two children that are made next.
pub fn new_meeting() -> *mut Meeting {
    let meeting = shared(4096).cast();
    MEETING.store(meeting, SeqCst);
    meeting
}

/// Gives it back, and answers the CPU time of the two.
pub fn end_meeting(meeting: *mut Meeting) -> f64 {
    // SAFETY: made by `new_meeting`; both have ended.
    let cpu = unsafe { (*meeting).cpu.load(SeqCst) };
    unshare(meeting.cast(), 4096);
    cpu as f64
}

static MEETING: AtomicPtr<Meeting> = AtomicPtr::new(ptr::null_mut());

/// Where two children meet.
pub struct Meeting {
    count: AtomicU32,
    /// The CPU time of both since they met first, in nanoseconds.
    pub cpu: AtomicU64,
}

/// The CPU time of this process when it met the other first.
static STARTED: AtomicU64 = AtomicU64::new(0);

fn cpu_time() -> u64 {
    let time = clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID).expect("a clock");
    Duration::from(time).as_nanos() as u64
}

/// Waits until the other process is here, too.
pub fn meet() {
    // SAFETY: `new_meeting` has made it before the fork, and it is given back after both have ended.
    let count = unsafe { &(*MEETING.load(SeqCst)).count };
    let mine = count.fetch_add(1, SeqCst);
    while count.load(SeqCst) < (mine | 1) + 1 {
        thread::yield_now();
    }
    if STARTED.load(SeqCst) == 0 {
        STARTED.store(cpu_time(), SeqCst);
    }
}

/// What `first` has measured, and the CPU time that the two have used, in nanoseconds.
#[derive(Clone, Copy)]
pub struct Measured {
    pub number: f64,
    pub cpu: f64,
    /// Of the rows under load: what 99 % and 99.9 % of the round trips do not exceed.
    pub tail: [f64; 2],
}

impl Measured {
    /// A number without a CPU time.
    pub fn of(number: f64) -> Measured {
        Measured { number, cpu: 0.0, tail: [0.0; 2] }
    }
}

/// Runs both in processes of their own. None of them may fail: a benchmark without one of its rows
/// is no benchmark.
pub fn pair(place: Pin, first: impl FnOnce() -> f64, second: impl FnOnce()) -> Measured {
    let meeting = new_meeting();
    let (from, to) = pipe().expect("pipe");
    let a = child(place, 0, move || {
        let number: f64 = first();
        File::from(to).write_all(&number.to_ne_bytes()).expect("pipe");
    });
    let b = child(place, 1, second);
    let mut bytes = [0; 8];
    let measured = File::from(from).read_exact(&mut bytes);
    [a, b].into_iter().for_each(reap);
    measured.expect("a number");
    let cpu = end_meeting(meeting);
    Measured { cpu, ..Measured::of(f64::from_ne_bytes(bytes)) }
}

/// No row takes so many seconds, unless one of its two waits for what will not come.
const LIMIT: u32 = 30;

/// Waits for a child.
pub fn reap(child: Pid) {
    match waitpid(child, None).expect("our own child") {
        WaitStatus::Exited(_, 0) => {}
        WaitStatus::Signaled(_, Signal::SIGALRM, _) => {
            panic!("a row hangs: nothing for {LIMIT} seconds")
        }
        other => panic!("a child failed: {other:?}"),
    }
}

pub fn child(place: Pin, n: usize, body: impl FnOnce()) -> Pid {
    // SAFETY: the harness has one thread when it forks.
    match unsafe { fork() }.expect("fork") {
        ForkResult::Parent { child } => child,
        ForkResult::Child => {
            // SAFETY: takes a number; SIGALRM ends a process whose row hangs.
            unsafe { libc::alarm(LIMIT) };
            match place {
                Pin::Two | Pin::Spinning => pin(n),
                Pin::One => pin(0),
                Pin::Free | Pin::Beside => {}
            }
            if place != Pin::Beside {
                alone();
            }
            STARTED.store(0, SeqCst);
            let code = i32::from(catch_unwind(AssertUnwindSafe(body)).is_err());
            // SAFETY: as in `meet`.
            let cpu = unsafe { &(*MEETING.load(SeqCst)).cpu };
            cpu.fetch_add(cpu_time() - STARTED.load(SeqCst), SeqCst);
            // SAFETY: ends the child at once; what the parent owns stays its own.
            unsafe { libc::_exit(code) }
        }
    }
}
