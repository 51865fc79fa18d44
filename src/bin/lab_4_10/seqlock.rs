//! A record that one process writes, and that others read without writing: they have no lock.

use std::sync::atomic::Ordering::{Acquire, Relaxed, Release, SeqCst};
use std::sync::atomic::{AtomicU32, fence};
use std::thread;
use std::time::Duration;

use lablib::child::child;
use lablib::print::{claim, note, text};
use lablib::shm::{Addr, NULL, Shared};
use lablib::{Experiment, Result, say, shm};
use libc::{IPC_PRIVATE, SHM_RDONLY};

use crate::memory::on;
use crate::turns::finish;
use crate::wakeups::apart::places;

/// All of them.
pub const ALL: &[Experiment] = &[Experiment {
    name: "seqlock",
    rows: "U11",
    question: "How do readers that must not write avoid half a record?",
    run: seqlock,
}];

/// Two numbers that are equal, outside of a change; and how often a change has begun and ended.
#[repr(C)]
struct Board {
    sequence: AtomicU32,
    one: AtomicU32,
    other: AtomicU32,
    /// The writer has ended.
    over: AtomicU32,
}

// SAFETY: atomics.
unsafe impl Shared for Board {}

/// What a reader found: the sequence before and after, and the two numbers.
struct Found {
    before: u32,
    pair: (u32, u32),
    after: u32,
}

impl Found {
    /// Nobody wrote meanwhile, as the sequence says.
    fn is_whole(&self) -> bool {
        self.before == self.after && self.before.is_multiple_of(2)
    }

    fn is_torn(&self) -> bool {
        self.pair.0 != self.pair.1
    }
}

/// How often the record is changed while another process reads.
const CHANGES: u32 = 200_000;

impl Board {
    fn begin(&self) {
        self.sequence.store(self.sequence.load(Relaxed).wrapping_add(1), Relaxed);
        // What follows is not seen before the odd number is.
        fence(Release);
    }

    fn end(&self) {
        self.sequence.store(self.sequence.load(Relaxed).wrapping_add(1), Release);
    }

    fn look(&self) -> Found {
        let before = self.sequence.load(Acquire);
        let pair = (self.one.load(Relaxed), self.other.load(Relaxed));
        // The numbers are loaded before the sequence is again.
        fence(Acquire);
        Found { before, pair, after: self.sequence.load(Relaxed) }
    }
}

fn seqlock() -> Result<()> {
    let id = shm::get(IPC_PRIVATE, size_of::<Board>(), 0o600)?;
    let addr = shm::at(id, NULL, 0)?;
    let board = shm::view::<Board>(addr)?;
    text("The writer: sequence <- 1, one <- 7; and is interrupted.");
    board.begin();
    board.one.store(7, Relaxed);
    child("reader", || {
        let found = read_only(id, |board| Ok(board.look()))?;
        claim(found.is_torn(), "it reads 7 and 0: half of the change")?;
        claim(!found.is_whole(), "but the sequence is odd: it knows, and looks again later")
    })?
    .finish()?;
    text("The writer goes on: other <- 7, sequence <- 2.");
    board.other.store(7, Relaxed);
    board.end();
    child("reader", || {
        let found = read_only(id, |board| Ok(board.look()))?;
        claim(found.is_whole() && found.pair == (7, 7), "even, and the same afterwards: 7 and 7")
    })?
    .finish()?;
    let processors = places(false)?;
    child("reader", || many(id, &board, processors))?.finish()?;
    drop(board);
    shm::dt(addr)?;
    shm::ctl_rmid(id)
}

/// The same at full speed, on two processors if there are two.
fn many(id: i32, board: &Board, processors: [usize; 2]) -> Result<()> {
    on(processors[0])?;
    let writer = child("writer", || {
        on(processors[1])?;
        for number in 0..CHANGES {
            board.begin();
            board.one.store(number, Relaxed);
            board.other.store(number, Relaxed);
            board.end();
        }
        board.over.store(1, SeqCst);
        Ok(())
    })?;
    let (mut all, mut torn, mut wrong) = (0_u32, 0, 0);
    let ended = read_only(id, |board| {
        while board.over.load(SeqCst) == 0 {
            let found = board.look();
            torn += u32::from(found.is_torn());
            wrong += u32::from(found.is_torn() && found.is_whole());
            all += 1;
            // A writer that has died would never say that it is over.
            if all.is_multiple_of(10_000) && writer.has_ended(Duration::ZERO)? {
                break;
            }
            if all.is_multiple_of(1000) {
                thread::yield_now();
            }
        }
        Ok(())
    });
    finish(writer, ended)?;
    text(say!("{CHANGES} changes at full speed: {torn} of {all} looks are torn"));
    claim(wrong == 0, "where the sequence was even and the same, the record was whole")?;
    note("the count of halves differs, and is near 0 on one processor");
    Ok(())
}

/// Attaches the segment for reading alone, and reads.
fn read_only<T>(id: i32, body: impl FnOnce(&Board) -> Result<T>) -> Result<T> {
    let addr: Addr = shm::at(id, NULL, SHM_RDONLY)?;
    // SAFETY: it is attached until `body` has ended, and only loads are made: all of it is atomics.
    let found = body(unsafe { &*addr.cast::<Board>() });
    shm::dt(addr)?;
    found
}
