//! What the processor and the kernel make of a word that two processes share.

use std::hint::spin_loop;
use std::ptr;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release, SeqCst};
use std::sync::atomic::{AtomicU32, Ordering, fence};
use std::thread;
use std::time::Duration;

use lablib::child::child;
use lablib::print::{after, before, begin, call_line, claim, note, text};
use lablib::shm::{NULL, Shared};
use lablib::{Experiment, Failure, Result, say, shm};
use libc::{FUTEX_PRIVATE_FLAG, FUTEX_WAIT, FUTEX_WAKE, IPC_PRIVATE, c_int, c_long};
use nix::errno::Errno;
use sysv::process::asleep_at;

use crate::turns::finish;
use crate::wakeups::apart::{pin, places};

/// All of them.
pub const ALL: &[Experiment] = &[
    Experiment {
        name: "store-buffers",
        rows: "U9",
        question: "Two processes store, each its word, then load the other's: may both miss it?",
        run: store_buffers,
    },
    Experiment {
        name: "futex-private",
        rows: "U10",
        question: "FUTEX_PRIVATE_FLAG makes a futex faster: may it be used in a segment?",
        run: futex_private,
    },
];

/// So many words on each side, each on a cache line of its own.
const SLOTS: usize = 4096;
/// So often the two sides go through all of them.
const TURNS: u32 = 50;

#[repr(C, align(64))]
struct Slot(AtomicU32);

/// One for each side.
#[repr(C)]
struct Side {
    stored: [Slot; SLOTS],
    /// What this side has loaded of the other's.
    loaded: [AtomicU32; SLOTS],
    /// The turn for which it is ready.
    ready: AtomicU32,
    /// The slot that it has come to.
    at: Slot,
}

#[repr(C)]
struct Both {
    sides: [Side; 2],
    /// How often both loads came too early, for each way.
    late: [AtomicU32; HOWS.len()],
}

// SAFETY: atomics.
unsafe impl Shared for Both {}

/// How a side stores and loads.
struct How {
    store: Ordering,
    load: Ordering,
    fenced: bool,
}

const HOWS: [How; 4] = [
    How { store: Relaxed, load: Relaxed, fenced: false },
    How { store: Release, load: Acquire, fenced: false },
    How { store: SeqCst, load: SeqCst, fenced: false },
    How { store: Relaxed, load: Relaxed, fenced: true },
];

fn store_buffers() -> Result<()> {
    let id = shm::get(IPC_PRIVATE, size_of::<Both>(), 0o600)?;
    let addr = shm::at(id, NULL, 0)?;
    let both = shm::view::<Both>(addr)?;
    let processors = places(false)?;
    child("A", || side_by_side(&both, processors))?.finish()?;
    let late = both.late.each_ref().map(|late| late.load(SeqCst));
    let [relaxed, release, ordered, fenced] = late;
    let all = SLOTS * TURNS as usize;
    let count = |late| say!("both were too early in {late} of {all} slots");
    text(say!("Relaxed: {}", count(relaxed)));
    note("allowed: a store waits in the processor's store buffer, and the load goes on");
    text(say!("Release and Acquire: {}", count(release)));
    note("allowed: they do not order a store before a later load");
    text(say!("SeqCst: {}", count(ordered)));
    claim(ordered == 0, "sequentially consistent: never")?;
    text(say!("Relaxed, and a fence between the two: {}", count(fenced)));
    claim(fenced == 0, "a fence of SeqCst on both sides: never")?;
    note("that is asserted; the other counts differ, and are always 0 on one processor");
    drop(both);
    shm::dt(addr)?;
    shm::ctl_rmid(id)
}

/// Both sides, each on a processor of its own, if there are two.
fn side_by_side(both: &Both, processors: [usize; 2]) -> Result<()> {
    let ([a, b], times) = (&both.sides, HOWS.len() as u32 * TURNS);
    on(processors[0])?;
    let other = child("B", || {
        on(processors[1])?;
        (1..=times).try_for_each(|turn| play(b, a, turn, || Ok(false)))
    })?;
    let ended = (1..=times).try_for_each(|turn| {
        play(a, b, turn, || other.has_ended(Duration::ZERO))?;
        both.late[how(turn)].fetch_add(both_late(a, b, turn), SeqCst);
        Ok(())
    });
    finish(other, ended)
}

/// Keeps this process on one processor.
pub fn on(processor: usize) -> Result<()> {
    pin(processor)?;
    call_line(&format!("sched_setaffinity(0, {{{processor}}})"), "0", true);
    Ok(())
}

/// How both store and load in this turn: one way after the other.
fn how(turn: u32) -> usize {
    turn as usize % HOWS.len()
}

/// One turn of one side: through all slots, at the same time as the other side.
fn play(own: &Side, other: &Side, turn: u32, ended: impl Fn() -> Result<bool>) -> Result<()> {
    let meet = |number| {
        own.ready.store(number, SeqCst);
        for look in 1.. {
            if other.ready.load(SeqCst) >= number {
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
    meet(2 * turn)?;
    let How { store, load, fenced } = HOWS[how(turn)];
    let first = turn * SLOTS as u32;
    let mut runs = true;
    for slot in 0..SLOTS {
        // Side by side, as long as the other really runs at the same time; asked again now and then.
        runs |= slot % 64 == 0;
        own.at.0.store(first + slot as u32, Relaxed);
        runs = runs && (0..1000).any(|_| other.at.0.load(Relaxed) >= first + slot as u32);
        own.stored[slot].0.store(turn, store);
        if fenced {
            fence(SeqCst);
        }
        own.loaded[slot].store(other.stored[slot].0.load(load), Relaxed);
    }
    // Before the next turn, so that what was loaded can be compared.
    meet(2 * turn + 1)
}

/// In how many slots did both sides miss what the other had stored?
fn both_late(a: &Side, b: &Side, turn: u32) -> u32 {
    let missed = |side: &Side, slot: usize| side.loaded[slot].load(Relaxed) != turn;
    (0..SLOTS).filter(|&slot| missed(a, slot) && missed(b, slot)).count() as u32
}

fn futex_private() -> Result<()> {
    let id = shm::get(IPC_PRIVATE, size_of::<u32>(), 0o600)?;
    let addr = shm::at(id, NULL, 0)?;
    let word = shm::view::<AtomicU32>(addr)?;
    let place = (libc::SYS_futex, addr.addr());
    let waiter = child("waiter", || futex(&word, FUTEX_WAIT | FUTEX_PRIVATE_FLAG).map(drop))?;
    waiter.until_asleep_at(|at| at == place)?;
    let woken = futex(&word, FUTEX_WAKE | FUTEX_PRIVATE_FLAG)?;
    claim(woken == 0, "0: the kernel looked for sleepers of this process alone")?;
    let woken = futex(&word, FUTEX_WAKE)?;
    claim(woken == 0, "0: without the flag it is another futex than the sleeper's")?;
    match asleep_at(waiter.pid.as_raw()) {
        None => note("this machine does not tell where a process sleeps"),
        Some(at) => claim(at == place, "the waiter sleeps on, and no call has failed")?,
    }
    waiter.kill()?;
    waiter.wait()?;
    let waiter = child("waiter", || futex(&word, FUTEX_WAIT).map(drop))?;
    waiter.until_asleep_at(|at| at == place)?;
    claim(futex(&word, FUTEX_WAKE)? == 1, "1: without the flag on both sides, woken")?;
    waiter.finish()?;
    drop(word);
    shm::dt(addr)?;
    shm::ctl_rmid(id)
}

/// A wait for as long as the word is 0, or a wake of one sleeper.
fn futex(word: &AtomicU32, operation: c_int) -> Result<c_long> {
    let waits = operation & !FUTEX_PRIVATE_FLAG == FUTEX_WAIT;
    let private = if operation & FUTEX_PRIVATE_FLAG == 0 { "" } else { "_PRIVATE" };
    let rest = if waits { "WAIT" } else { "WAKE" };
    let last = if waits { "0, NULL" } else { "1" };
    let line = format!("futex({word:p}, FUTEX_{rest}{private}, {last})");
    let _turn = if waits { begin(&line).map(|()| None)? } else { Some(before(&line)?) };
    let value = u32::from(!waits);
    // SAFETY: the kernel reads an aligned word that outlives the call, and no limit.
    let answer = Errno::result(unsafe {
        libc::syscall(libc::SYS_futex, word, operation, value, ptr::null::<libc::timespec>())
    });
    after(answer, |_| line)
}
