//! Two processes, each on the CPU it is told, and what the first of them measures.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::panic::{AssertUnwindSafe, catch_unwind};

use nix::sched::{CpuSet, sched_setaffinity};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid, fork, pipe};

/// Where the two run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Pin {
    /// One on each of two CPUs.
    Two,
    /// Both on one.
    One,
    /// Wherever the kernel likes.
    Free,
}

pub fn pin(cpu: usize) {
    let mut set = CpuSet::new();
    set.set(cpu).expect("a CPU");
    sched_setaffinity(Pid::from_raw(0), &set).expect("sched_setaffinity");
}

/// Runs `first` and `second` in two children and answers the numbers that `first` has measured.
pub fn pair(where_: Pin, first: impl FnOnce() -> Vec<f64>, second: impl FnOnce()) -> Vec<f64> {
    let (from, to) = pipe().expect("pipe");
    let a = child(where_, 0, move || {
        let numbers = first();
        let bytes: Vec<u8> = numbers.iter().flat_map(|n| n.to_ne_bytes()).collect();
        File::from(OwnedFd::from(to)).write_all(&bytes).expect("pipe");
    });
    let b = child(where_, 1, second);
    let mut bytes = vec![];
    File::from(from).read_to_end(&mut bytes).expect("pipe");
    for child in [a, b] {
        match waitpid(child, None).expect("waitpid") {
            WaitStatus::Exited(_, 0) => {}
            other => panic!("{other:?}"),
        }
    }
    bytes.chunks(8).map(|n| f64::from_ne_bytes(n.try_into().expect("8 bytes"))).collect()
}

fn child(where_: Pin, n: usize, body: impl FnOnce()) -> Pid {
    // SAFETY: the harness has one thread.
    match unsafe { fork() }.expect("fork") {
        ForkResult::Parent { child } => child,
        ForkResult::Child => {
            match where_ {
                Pin::Two => pin(n),
                Pin::One => pin(0),
                Pin::Free => {}
            }
            let code = i32::from(catch_unwind(AssertUnwindSafe(body)).is_err());
            // SAFETY: ends the child at once; what the parent owns stays its own.
            unsafe { libc::_exit(code) }
        }
    }
}
