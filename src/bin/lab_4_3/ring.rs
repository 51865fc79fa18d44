//! Shared memory as a way: one ring of bytes for each direction, in one segment. Small and plain on
//! purpose; the channel of 4.10 (crates/duplex) is the one to use.

use std::ptr;
use std::rc::Rc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::SeqCst};

use lablib::shm::{self, Addr, View};
use lablib::{Failure, Result};
use libc::c_int;
use nix::errno::Errno;

use crate::calls::{Call, Side};
use crate::ways::{Ends, MOST, Way, fill, look_at};

/// How a side that has to wait is woken.
#[derive(Clone, Copy, PartialEq)]
pub enum Wake {
    /// By a futex call for each message, even if the other side does not sleep.
    Each,
    /// By a futex call if the other side has said that it sleeps.
    Sleepers,
    /// Not at all: the waiter checks in a loop.
    Never,
}

/// How many bytes have gone through so far, modulo 2^32; and does the other side sleep until it
/// changes? On a cache line of its own: its two users are on two CPUs.
#[repr(C, align(64))]
struct Position {
    at: AtomicU32,
    sleeps: AtomicU32,
}

/// What stands before the bytes of a ring.
#[repr(C)]
struct Header {
    written: Position,
    read: Position,
}

/// Bytes that a ring takes in the segment, with room for the largest capacity.
const PLACE: usize = size_of::<Header>() + MOST;
/// What both rings need.
pub const BOTH: usize = 2 * PLACE;
type Both = [AtomicU64; BOTH / 8];

/// One ring: where it is.
#[derive(Clone, Copy)]
struct Ring(*mut u8);

impl Ring {
    fn header(&self) -> &Header {
        // SAFETY: a ring is inside the memory of which its `Shared` has a view, at an address that is a
        // multiple of 64. All of it is atomics, so any bytes are valid.
        unsafe { &*self.0.cast() }
    }

    fn byte(&self, offset: usize) -> *mut u8 {
        // SAFETY: `offset` is below the capacity, which is at most MOST.
        unsafe { self.0.add(size_of::<Header>() + offset) }
    }
}

/// One end of the two rings.
struct Shared {
    /// Keeps the segment attached.
    _both: Rc<View<Both>>,
    to: Ring,
    from: Ring,
    wake: Wake,
    in_place: bool,
    capacity: usize,
    own: Vec<u8>,
}

/// Both ends of shared memory at `addr`, `BOTH` bytes, with rings of `capacity` bytes: a power of
/// two from 256 to 1 MiB. `Err`: so much is not attached there.
pub fn shared(addr: Addr, capacity: usize, wake: Wake, in_place: bool) -> Result<Ends> {
    assert!(capacity.is_power_of_two() && capacity <= MOST, "a ring of {capacity} bytes");
    let both = Rc::new(shm::view::<Both>(addr)?);
    let (one, two) = (Ring(addr.cast()), Ring(addr.cast::<u8>().wrapping_add(PLACE)));
    let end = |to, from| {
        Box::new(Shared {
            _both: both.clone(),
            to,
            from,
            wake,
            in_place,
            capacity,
            own: vec![0; MOST],
        })
    };
    Ok((end(one, two), end(two, one)))
}

impl Shared {
    /// Both sides cut a message at the same places: at the end of the ring, and so that four pieces
    /// fit, for with one alone only one side could work at a time.
    fn piece(&self, position: u32, rest: usize) -> (usize, usize) {
        let offset = position as usize & (self.capacity - 1);
        (offset, rest.min(self.capacity / 4).min(self.capacity - offset))
    }

    /// Waits until the other side's position will do.
    fn wait(&self, other: &Position, side: &mut Side, ready: impl Fn(u32) -> bool) -> Result<()> {
        for turn in 1_u32.. {
            let now = other.at.load(SeqCst);
            if ready(now) {
                break;
            }
            if self.wake == Wake::Never {
                std::hint::spin_loop();
                if turn % (1 << 16) == 0 {
                    side.look()?;
                }
                continue;
            }
            // First set the flag, then check again: either the other side sees that we sleep, or we
            // see its change.
            other.sleeps.store(1, SeqCst);
            if other.at.load(SeqCst) == now {
                side.count(Call::Futex);
                if futex(&other.at, libc::FUTEX_WAIT, now) == Err(Errno::EINTR) {
                    side.look()?;
                }
            }
            other.sleeps.store(0, SeqCst);
        }
        Ok(())
    }

    /// Moves our position on, and wakes the other side if it is to be woken.
    fn move_on(&self, ours: &Position, to: u32, each: bool, side: &mut Side) -> Result<()> {
        ours.at.store(to, SeqCst);
        let sleeps = self.wake == Wake::Sleepers || self.wake == Wake::Each && !each;
        if self.wake == Wake::Each && each || sleeps && ours.sleeps.load(SeqCst) == 1 {
            side.count(Call::Futex);
            futex(&ours.at, libc::FUTEX_WAKE, 1).map_err(Failure::of("futex(FUTEX_WAKE)"))?;
        }
        Ok(())
    }
}

impl Way for Shared {
    fn send(&mut self, len: usize, value: u8, side: &mut Side) -> Result<()> {
        assert!((1..=MOST).contains(&len), "a message of {len} bytes");
        let Header { written, read } = self.to.header();
        let mut sent = 0;
        if !self.in_place {
            // SAFETY: `own` has MOST bytes, and the message is not longer.
            unsafe { fill(self.own.as_mut_ptr(), len, value) };
        }
        while sent < len {
            let start = written.at.load(SeqCst);
            let (offset, piece) = self.piece(start, len - sent);
            let full = |read: u32| start.wrapping_sub(read) as usize + piece > self.capacity;
            self.wait(read, side, |read| !full(read))?;
            let to = self.to.byte(offset);
            // SAFETY: `piece` bytes from `offset` are inside the ring, and the reader has read what
            // was in them. `own` has at least as many. A hostile reader could make it a race on
            // bytes; here both sides are ours.
            unsafe {
                if self.in_place {
                    fill(to, piece, value);
                } else {
                    ptr::copy_nonoverlapping(self.own.as_ptr().add(sent), to, piece);
                }
            }
            self.move_on(written, start.wrapping_add(piece as u32), true, side)?;
            sent += piece;
        }
        Ok(())
    }

    fn receive(&mut self, len: usize, side: &mut Side) -> Result<u8> {
        assert!((1..=MOST).contains(&len), "a message of {len} bytes");
        let Header { written, read } = self.from.header();
        let (mut got, mut value) = (0, 0);
        while got < len {
            let start = read.at.load(SeqCst);
            let (offset, piece) = self.piece(start, len - got);
            self.wait(written, side, |written| written.wrapping_sub(start) as usize >= piece)?;
            let from = self.from.byte(offset);
            // SAFETY: as in `send`; these bytes have been written.
            unsafe {
                if self.in_place {
                    value = look_at(from, piece)?;
                } else {
                    ptr::copy_nonoverlapping(from, self.own.as_mut_ptr().add(got), piece);
                }
            }
            self.move_on(read, start.wrapping_add(piece as u32), false, side)?;
            got += piece;
        }
        // SAFETY: `own` has MOST bytes, and the message is not longer.
        if self.in_place { Ok(value) } else { unsafe { look_at(self.own.as_ptr(), len) } }
    }
}

/// futex(2), on memory that two processes share.
fn futex(word: &AtomicU32, operation: c_int, value: u32) -> nix::Result<i64> {
    let forever = ptr::null::<libc::timespec>();
    // SAFETY: the word is four aligned bytes that stay attached; without a timeout the kernel reads
    // nothing else.
    Errno::result(unsafe {
        libc::syscall(libc::SYS_futex, word.as_ptr(), operation, value, forever)
    })
}
