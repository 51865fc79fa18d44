//! The limits: what no channel between two processes can leave out, and nothing else.

use std::hint::{black_box, spin_loop};
use std::ptr;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{Acquire, Release};
use std::thread;
use std::time::Instant;

use crate::ours::RING;
use crate::pair::{Measured, Pin, meet, pair, shared, unshare};

const LINE: usize = 64;

/// A round trip of so many cache lines each way, each with one word in it, through a ring for each
/// direction: a message of 64 B and its word are 72 bytes, so two lines.
pub fn lines_there_and_back(n: usize, lines: usize) -> Measured {
    let at = shared(2 * RING);
    let word = |side: usize, line: usize| {
        let offset = side * RING + line * LINE % RING;
        // SAFETY: an aligned word within the mapping.
        unsafe { AtomicU64::from_ptr(at.add(offset).cast()) }
    };
    let send = |side, i: usize| {
        (0..lines).rev().for_each(|j| word(side, i * lines + j).store(i as u64 + 1, Release));
    };
    let recv = |side, i: usize| {
        for j in 0..lines {
            while word(side, i * lines + j).load(Acquire) != i as u64 + 1 {
                spin_loop();
            }
        }
    };
    let (warm, all) = (n / 10, n / 10 + n);
    let first = || {
        let turn = |i| {
            send(0, i);
            recv(1, i);
        };
        meet();
        (0..warm).for_each(turn);
        let began = Instant::now();
        (warm..all).for_each(turn);
        began.elapsed().as_nanos() as f64 / n as f64
    };
    let second = || {
        meet();
        for i in 0..all {
            recv(0, i);
            send(1, i);
        }
    };
    let mut measured = pair(Pin::Spinning, first, second);
    measured.cpu /= all as f64;
    unshare(at, 2 * RING);
    measured
}

/// A round trip of 64 B and a word, copied into a ring and out of it, and nothing else: no check, no
/// length, no side that might sleep. The words are numbers, so that none has to be set to 0.
pub fn record_there_and_back(n: usize) -> Measured {
    const RECORD: usize = 72;
    let (slots, bytes) = (RING / RECORD, 2 * RING);
    let at = shared(bytes);
    // SAFETY: `i` is taken round the ring of its side.
    let record = |side: usize, i: usize| unsafe { at.add(side * RING + i % slots * RECORD) };
    // SAFETY: RECORD is a multiple of 8, so that each record begins with an aligned word.
    let word = |side, i| unsafe { AtomicU64::from_ptr(record(side, i).cast()) };
    let send = |side, i: usize, message: &[u8]| {
        // SAFETY: behind the word there are 64 bytes, which the other side does not read yet.
        unsafe {
            ptr::copy_nonoverlapping(message.as_ptr(), record(side, i).add(8), message.len())
        };
        word(side, i).store(i as u64 + 1, Release);
    };
    let recv = |side, i: usize, to: &mut [u8]| {
        while word(side, i).load(Acquire) != i as u64 + 1 {
            spin_loop();
        }
        // SAFETY: the other side has written them, and goes on to the next record.
        unsafe { ptr::copy_nonoverlapping(record(side, i).add(8), to.as_mut_ptr(), to.len()) };
    };
    let (warm, all) = (n / 10, n / 10 + n);
    let first = || {
        let mut message = black_box(vec![1; 64]);
        let mut turn = |i| {
            send(0, i, &message);
            recv(1, i, &mut message);
        };
        meet();
        (0..warm).for_each(&mut turn);
        let began = Instant::now();
        (warm..all).for_each(turn);
        began.elapsed().as_nanos() as f64 / n as f64
    };
    let second = || {
        let mut message = black_box(vec![0; 64]);
        meet();
        for i in 0..all {
            recv(0, i, &mut message);
            send(1, i, &message);
        }
    };
    let mut measured = pair(Pin::Spinning, first, second);
    measured.cpu /= all as f64;
    unshare(at, bytes);
    measured
}

/// A round trip on one CPU with nothing but its two switches: each side lets the other run, with a
/// word to see whose turn it is.
pub fn switches(n: u64) -> Measured {
    let at = shared(4096);
    // SAFETY: the first word of a fresh page.
    let turn = unsafe { AtomicU64::from_ptr(at.cast()) };
    let until = |value| {
        while turn.load(Acquire) != value {
            thread::yield_now();
        }
    };
    let first = || {
        meet();
        let began = Instant::now();
        for i in 0..n {
            turn.store(2 * i + 1, Release);
            until(2 * i + 2);
        }
        began.elapsed().as_nanos() as f64 / n as f64
    };
    let second = || {
        meet();
        for i in 0..n {
            until(2 * i + 1);
            turn.store(2 * i + 2, Release);
        }
    };
    let mut measured = pair(Pin::One, first, second);
    measured.cpu /= n as f64;
    unshare(at, 4096);
    measured
}

/// How the reader of a bare ring sees what is there.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Show {
    /// By a word in each slot.
    Word,
    /// By a count of slots, stored after so many.
    Count(usize),
}

/// The counts, on lines of their own, before the slots.
const SLOTS: usize = 512;

/// Nanoseconds a message of `LEN` bytes, one way, through a ring that knows its length, checks
/// nothing and never sleeps: the lines that have to cross, and the loads and stores of the bytes.
pub fn bare<const LEN: usize>(slots: usize, n: usize, show: Show, copied: bool) -> Measured {
    let bytes = SLOTS + slots * LEN;
    let at = shared(bytes);
    // SAFETY: two aligned words within the mapping.
    let [written, read] = [0, 256].map(|o| unsafe { AtomicU64::from_ptr(at.add(o).cast()) });
    // SAFETY: within the mapping: `i` is taken round the ring.
    let slot = |i: usize| unsafe { at.add(SLOTS + i % slots * LEN) };
    // SAFETY: LEN is a multiple of 8, so that each slot begins with an aligned word.
    let word = |i: usize| unsafe { AtomicU64::from_ptr(slot(i).cast()) };
    // The word is stored last, so the bytes go behind it.
    let skip = if show == Show::Word { 8 } else { 0 };
    let batch = if let Show::Count(batch) = show { batch } else { 1 };
    let first = || {
        let message = black_box(vec![1_u8; LEN]);
        let (mut sent, mut known) = (0, 0);
        meet();
        let began = Instant::now();
        while sent < n {
            let room = (slots - (sent - known)).min(batch).min(n - sent);
            if room == 0 {
                known = read.load(Acquire) as usize;
                continue;
            }
            for i in sent..sent + room {
                // SAFETY: a slot that the reader is through with, LEN bytes long.
                unsafe {
                    let (to, len) = (slot(i).add(skip), LEN - skip);
                    if copied {
                        ptr::copy_nonoverlapping(message.as_ptr(), to, len);
                    } else {
                        ptr::write_bytes(to, i as u8, len);
                    }
                }
                if show == Show::Word {
                    word(i).store(i as u64 + 1, Release);
                }
            }
            sent += room;
            if show != Show::Word {
                written.store(sent as u64, Release);
            }
        }
        while read.load(Acquire) < n as u64 {
            spin_loop();
        }
        began.elapsed().as_nanos() as f64 / n as f64
    };
    let second = || {
        let mut to = vec![0_u8; LEN];
        let (mut got, mut known, mut told, mut sum) = (0, 0, 0, 0_u64);
        meet();
        while got < n {
            let ready = match show {
                Show::Word => usize::from(word(got).load(Acquire) == got as u64 + 1),
                Show::Count(_) if known > got => (known - got).min(batch),
                Show::Count(_) => {
                    known = written.load(Acquire) as usize;
                    0
                }
            };
            if ready == 0 {
                spin_loop();
                continue;
            }
            for i in got..got + ready {
                // SAFETY: a slot that the writer has shown, LEN bytes long.
                unsafe {
                    if copied {
                        let len = LEN - skip;
                        ptr::copy_nonoverlapping(slot(i).add(skip), to.as_mut_ptr(), len);
                        black_box(&to);
                    } else {
                        let words = slot(i).cast::<u64>();
                        for j in 0..LEN / 8 {
                            sum = sum.wrapping_add(words.add(j).read());
                        }
                    }
                }
            }
            got += ready;
            if got - told >= slots / 8 || got == n {
                told = got;
                read.store(got as u64, Release);
            }
        }
        black_box(sum);
    };
    let measured = pair(Pin::Spinning, first, second);
    unshare(at, bytes);
    measured
}
