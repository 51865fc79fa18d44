//! Peterson's lock on this machine's processors: plain loads and stores, without a fence and with one.

use std::hint::{black_box, spin_loop};
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release, SeqCst};
use std::sync::atomic::fence;
use std::thread;
use std::time::Duration;

use lablib::child::child;
use lablib::print::{claim, note, text};
use lablib::shm::{NULL, Shared};
use lablib::{Experiment, Failure, Result, say, shm};
use libc::IPC_PRIVATE;

use crate::memory::on;
use crate::turns::finish;
use crate::wakeups::apart::places;

/// All of them.
pub const ALL: &[Experiment] = &[Experiment {
    name: "peterson",
    rows: "U12",
    question: "Peterson's lock is right on paper: can two be inside on this processor?",
    run: peterson,
}];

/// So often each side enters, each way.
const ROUNDS: u32 = 300_000;
/// So long it stays inside.
const INSIDE: u32 = 20;

/// A word on a cache line of its own.
#[repr(C, align(64))]
struct Word(AtomicU32);

#[repr(C)]
struct Lock {
    wants: [Word; 2],
    turn: Word,
    /// How many are inside.
    inside: Word,
    /// How often a side found the other inside.
    met: Word,
    /// The round to which each side has come.
    at: [Word; 2],
}

// SAFETY: atomics.
unsafe impl Shared for Lock {}

fn peterson() -> Result<()> {
    let id = shm::get(IPC_PRIVATE, size_of::<Lock>(), 0o600)?;
    let addr = shm::at(id, NULL, 0)?;
    let lock = shm::view::<Lock>(addr)?;
    let [a, b] = places(false)?;
    let mut met = [0; 2];
    for (fenced, met) in [false, true].into_iter().zip(&mut met) {
        lock.met.0.store(0, SeqCst);
        let other = child("B", || {
            on(b)?;
            side(&lock, 1, fenced, || Ok(false))
        })?;
        on(a)?;
        let ended = side(&lock, 0, fenced, || other.has_ended(Duration::ZERO));
        finish(other, ended)?;
        *met = lock.met.0.load(SeqCst);
    }
    let [plain, fenced] = met;
    let all = 2 * ROUNDS;
    text(say!("stores and loads alone: {plain} of {all} times two were inside"));
    note("a store may be seen after the next load; if it is not seen so here, that proves nothing");
    text(say!("with a fence between them: {fenced} of {all} times"));
    claim(fenced == 0, "with a fence: never two inside")?;
    note("every order is tried by: lab explore --tso (tests/zoo/bad/peterson-unfenced.c)");
    drop(lock);
    shm::dt(addr)?;
    shm::ctl_rmid(id)
}

/// One side: it enters and leaves again and again, at the same time as the other.
fn side(lock: &Lock, me: usize, fenced: bool, ended: impl Fn() -> Result<bool>) -> Result<()> {
    let other = 1 - me;
    let until = |holds: &dyn Fn() -> bool| {
        for look in 1.. {
            if holds() {
                break;
            }
            match look % 1000 {
                0 if ended()? => return Err(Failure::Told(1)),
                n if n % 100 == 0 => thread::yield_now(),
                _ => spin_loop(),
            }
        }
        Ok(())
    };
    let first = 1 + u32::from(fenced) * (ROUNDS + 1);
    lock.at[me].0.store(first, SeqCst);
    until(&|| lock.at[other].0.load(SeqCst) >= first)?;
    let mut runs = true;
    for round in 1..=ROUNDS {
        // Side by side, as long as the other really runs at the same time; asked again now and then.
        runs |= round % 64 == 0;
        lock.at[me].0.store(first + round, Relaxed);
        runs = runs && (0..1000).any(|_| lock.at[other].0.load(Relaxed) >= first + round);
        // It looks before it asks to enter: so the other's word is near when it is loaded again.
        black_box(lock.wants[other].0.load(Relaxed));
        lock.wants[me].0.store(1, Relaxed);
        lock.turn.0.store(other as u32, Release);
        if fenced {
            fence(SeqCst);
        }
        until(&|| {
            lock.wants[other].0.load(Acquire) == 0 || lock.turn.0.load(Acquire) != other as u32
        })?;
        if lock.inside.0.fetch_add(1, SeqCst) != 0 {
            lock.met.0.fetch_add(1, SeqCst);
        }
        for turn in 0..INSIDE {
            black_box(turn);
        }
        lock.inside.0.fetch_sub(1, SeqCst);
        lock.wants[me].0.store(0, Release);
    }
    Ok(())
}
