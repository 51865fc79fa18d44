//! What the parts cost of what was tried and is not used.

use std::hint::black_box;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::SeqCst};
use std::time::{Duration, Instant};

use duplex::bell::{futex_wait, futex_wake};

use crate::pair::{Measured, Pin, meet, pair, shared, unshare};

fn each(n: u32, one: impl Fn()) -> f64 {
    let began = Instant::now();
    (0..n).for_each(|_| one());
    began.elapsed().as_nanos() as f64 / f64::from(n)
}

/// The call that the side that goes to sleep would make, so that the other needs no barrier: between
/// processes, all that have registered are interrupted where they run.
pub fn membarrier() -> Measured {
    let call = |command: libc::c_int| {
        // SAFETY: the call takes three numbers.
        let answer = unsafe { libc::syscall(libc::SYS_membarrier, command, 0, 0) };
        assert_eq!(answer, 0, "membarrier");
    };
    let end = shared(4096);
    // SAFETY: the first word of a fresh page.
    let over = unsafe { AtomicU64::from_ptr(end.cast()) };
    let first = || {
        call(libc::MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED);
        meet();
        let time = each(2000, || call(libc::MEMBARRIER_CMD_GLOBAL_EXPEDITED));
        over.store(1, SeqCst);
        time
    };
    let second = || {
        call(libc::MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED);
        meet();
        while over.load(SeqCst) == 0 {}
    };
    let measured = pair(Pin::Spinning, first, second);
    unshare(end, 4096);
    measured
}

/// The barrier that each publication has now.
pub fn exchange() -> Measured {
    let word = AtomicU64::new(0);
    pair(Pin::Spinning, || each(100_000, || _ = black_box(word.swap(1, SeqCst))), || {})
}

/// To publish by time as well as by count, each message would have to read it.
pub fn clock() -> Measured {
    pair(Pin::Spinning, || each(100_000, || _ = black_box(Instant::now())), || {})
}

/// A round trip on one CPU: the word is stored here and the other side woken, or the kernel does both.
pub fn wake(in_kernel: bool) -> Measured {
    let n = 3000;
    let at = shared(4096);
    // SAFETY: two words of a fresh page.
    let [there, back] =
        [0, 128].map(|offset| unsafe { AtomicU32::from_ptr(at.add(offset).cast()) });
    let post = |word: &AtomicU32| {
        if in_kernel {
            // FUTEX_OP_SET 1, and wake nobody there: the condition, "was it below 0", does not hold.
            let operation = 2 << 24 | 1 << 12;
            // SAFETY: the kernel exchanges one aligned word, which is the one that it wakes at.
            unsafe {
                let wake_op = libc::FUTEX_WAKE_OP;
                libc::syscall(libc::SYS_futex, word, wake_op, 1, 0_usize, word, operation);
            }
        } else {
            word.store(1, SeqCst);
            let _ = futex_wake(word);
        }
    };
    let wait = |word: &AtomicU32| {
        while word.swap(0, SeqCst) == 0 {
            let _ = futex_wait(word, 0, Duration::from_secs(1));
        }
    };
    let first = || {
        meet();
        each(n, || {
            post(there);
            wait(back);
        })
    };
    let second = || {
        meet();
        (0..n).for_each(|_| {
            wait(there);
            post(back);
        });
    };
    let measured = pair(Pin::One, first, second);
    unshare(at, 4096);
    measured
}
