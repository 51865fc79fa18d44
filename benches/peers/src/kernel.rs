//! What the kernel and the C library offer, written as plainly as they allow; and two floors.

use std::fs::File;
use std::hint::{black_box, spin_loop};
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::ptr;
use std::sync::atomic::{
    AtomicU32, AtomicU64,
    Ordering::{Acquire, Release, SeqCst},
};
use std::time::{Duration, Instant};

use crate::pair::{Measured, Pin, meet, pair, shared, unshare};
use crate::talk::Talk;
use duplex::bell::{futex_wait, futex_wake};

/// Two pipes.
pub struct Pipes(File, File);

impl Pipes {
    pub fn new() -> (Pipes, Pipes) {
        let pipe = || nix::unistd::pipe().expect("pipe");
        let ((from_a, to_b), (from_b, to_a)) = (pipe(), pipe());
        (Pipes(from_b.into(), to_b.into()), Pipes(from_a.into(), to_a.into()))
    }
}

impl Talk for Pipes {
    fn send(&mut self, message: &[u8]) {
        self.1.write_all(message).expect("write");
    }

    fn recv(&mut self, to: &mut [u8]) {
        self.0.read_exact(to).expect("read");
    }
}

impl Talk for UnixStream {
    fn send(&mut self, message: &[u8]) {
        self.write_all(message).expect("write");
    }

    fn recv(&mut self, to: &mut [u8]) {
        self.read_exact(to).expect("read");
    }
}

/// One slot of shared memory for each direction, and for each a way to wake that the C library or the
/// kernel offers: the round trip alone, with both copies.
pub struct Slots {
    mine: *mut Slot,
    theirs: *mut Slot,
    futex: bool,
}

#[repr(C, align(128))]
struct Slot {
    semaphore: libc::sem_t,
    word: AtomicU32,
    bytes: [u8; 64],
}

impl Slots {
    pub fn new(futex: bool) -> (Slots, Slots) {
        let at = shared(4096).cast::<Slot>();
        // SAFETY: two slots fit into a page; each semaphore is made once, in place.
        unsafe {
            let other = at.add(1);
            for slot in [at, other] {
                libc::sem_init(&raw mut (*slot).semaphore, 1, 0);
            }
            (Slots { mine: at, theirs: other, futex }, Slots { mine: other, theirs: at, futex })
        }
    }
}

impl Talk for Slots {
    fn send(&mut self, message: &[u8]) {
        // SAFETY: the other one reads this slot only after the post, and answers before we write again.
        unsafe {
            ptr::copy_nonoverlapping(message.as_ptr(), (&raw mut (*self.theirs).bytes).cast(), 64);
            if self.futex {
                (*self.theirs).word.store(1, SeqCst);
                let _ = futex_wake(&(*self.theirs).word);
            } else {
                libc::sem_post(&raw mut (*self.theirs).semaphore);
            }
        }
    }

    fn recv(&mut self, to: &mut [u8]) {
        // SAFETY: see above.
        unsafe {
            if self.futex {
                while (*self.mine).word.swap(0, SeqCst) == 0 {
                    let _ = futex_wait(&(*self.mine).word, 0, Duration::from_secs(1));
                }
            } else {
                while libc::sem_wait(&raw mut (*self.mine).semaphore) != 0 {}
            }
            ptr::copy_nonoverlapping((&raw const (*self.mine).bytes).cast(), to.as_mut_ptr(), 64);
        }
    }
}

/// The floor of a round trip: one word there, one word back, each on a cache line of its own, or both
/// on the same.
pub fn ping_pong(n: u64, lines: usize) -> Measured {
    let at = shared(4096);
    // SAFETY: two words of a fresh page.
    let [there, back] =
        [0, 128 * (lines - 1)].map(|offset| unsafe { AtomicU64::from_ptr(at.add(offset).cast()) });
    let first = || {
        meet();
        let began = Instant::now();
        for i in 0..n {
            there.store(2 * i + 1, Release);
            while back.load(Acquire) != 2 * i + 2 {
                spin_loop();
            }
        }
        began.elapsed().as_nanos() as f64 / n as f64
    };
    let second = || {
        meet();
        for i in 0..n {
            while there.load(Acquire) != 2 * i + 1 {
                spin_loop();
            }
            back.store(2 * i + 2, Release);
        }
    };
    let mut measured = pair(Pin::Spinning, first, second);
    measured.cpu /= n as f64;
    unshare(at, 4096);
    measured
}

/// Two buffers that begin at nearly the same place of a page are copied ten times slower by some
/// processors' own instruction for it, which memcpy uses.
const APART: usize = 2048;

/// The floor of a copy: nanoseconds of a memcpy of 64 KiB, in one process; through so many places one
/// after the other, at both ends.
pub fn memcpy(n: usize, places: usize) -> Measured {
    let first = || {
        let (from, mut to) = (vec![1_u8; 65536 * places], vec![0_u8; 65536 * places + APART]);
        let to = &mut to[APART..];
        meet();
        let began = Instant::now();
        for i in 0..n {
            let place = i % places * 65536..(i % places + 1) * 65536;
            black_box(&mut to[place.clone()]).copy_from_slice(black_box(&from[place]));
        }
        began.elapsed().as_nanos() as f64 / n as f64
    };
    pair(Pin::Spinning, first, meet)
}
