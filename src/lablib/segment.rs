//! The segments of 4.10: what stands before the ring, who is at which end, and that the two are those
//! they say. The ring itself, and the rules by which it is used, are in `channel.rs`.

use std::marker::PhantomData;
use std::ops::RangeInclusive;
use std::ptr::copy_nonoverlapping;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release, SeqCst};
use std::sync::atomic::{AtomicU32, AtomicU64};
use std::time::Instant;
use std::{fs, mem};

use libc::c_int;

use crate::peer::Peer;
use crate::shm::{self, Addr, NULL};
use crate::wakeup::{Bell, LOOK, Line, Way, futex_wait, futex_wake};
use crate::{Failure, Patience, Result, exit, signals, system};

/// What a segment of ours begins with. Stored last, when all else is in place.
pub const MAGIC: u64 = u64::from_be_bytes(*b"4.10ring");
/// The version of the layout.
pub const VERSION: u32 = 1;
/// How large a ring may be, in bytes; a power of two.
pub const SIZES: RangeInclusive<usize> = 4096..=1 << 30;
/// Where the ring begins.
pub const RING: usize = size_of::<Header>();
/// The word before the bytes of a message, and the unit of a record, in bytes.
pub const WORD: usize = 8;
/// What to ask of `shmget` for a ring of `ring` bytes.
pub const fn segment_size(ring: usize) -> usize {
    RING + ring
}

/// What stands before the ring. Lines that change often are cache lines of their own.
#[repr(C, align(64))]
pub struct Header {
    magic: AtomicU64,
    version: AtomicU32,
    /// Bytes of the ring.
    ring: AtomicU32,
    /// The writer and the reader.
    parties: [Party; 2],
    pub(crate) progress: Progress,
    /// Where the reader waits for messages, and the writer for room.
    pub(crate) bells: [Bell; 2],
}

/// One of the two processes. A pid is used again; a pid and a start time are not.
#[repr(C)]
struct Party {
    /// 0 until somebody takes the place.
    pid: AtomicU32,
    _padding: u32,
    /// In clock ticks since boot: /proc/PID/stat. 0 until it is written, which is after the pid.
    start: AtomicU64,
}

/// What the reader tells the writer.
#[repr(C, align(64))]
pub(crate) struct Progress {
    /// How many bytes of the ring have been read, in all.
    pub(crate) tail: AtomicU64,
    /// The CPU on which the reader was then.
    pub(crate) cpu: AtomicU32,
    /// 1: it will read no more.
    pub(crate) left: AtomicU32,
}

/// What this process does at a segment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs)]
pub enum Role {
    Writer,
    Reader,
}

/// One direction of a channel, attached.
pub struct Segment {
    /// Its id.
    pub shmid: c_int,
    /// Where it is attached.
    pub addr: Addr,
    /// Bytes of the ring: what the kernel says, not the segment.
    pub(crate) ring: usize,
    pub(crate) role: Role,
    /// Has it got its [`crate::channel::Sender`] or its [`crate::channel::Receiver`]?
    pub(crate) used: bool,
}

// SAFETY: the memory belongs to the process, not to a thread; only atomics and copies touch it.
unsafe impl Send for Segment {}

impl Segment {
    /// Attaches a fresh segment and lays it out; this process takes one of its two places. The
    /// magic number is stored last. REFUSED: it is not fresh, or its size is not [`segment_size`].
    pub fn create(shmid: c_int, role: Role) -> Result<Segment> {
        Segment::attach(shmid, role, |segment| {
            let header = segment.header();
            if header.magic.load(Acquire) != 0 {
                return refused(shmid, "is laid out already");
            }
            header.bells.iter().for_each(Bell::init);
            header.version.store(VERSION, Relaxed);
            header.ring.store(segment.ring as u32, Relaxed);
            segment.take_place()?;
            // Release: who finds the magic number finds what was stored before it.
            header.magic.store(MAGIC, Release);
            Ok(())
        })
    }

    /// Attaches a segment that somebody else has created, and takes the free place at it: BUSY if it
    /// is taken. Other errors: those of [`Segment::look`].
    pub fn open(shmid: c_int, role: Role) -> Result<Segment> {
        let segment = Segment::look(shmid, role)?;
        match segment.take_place() {
            Ok(()) => Ok(segment),
            Err(failure) => segment.detach().and(Err(failure)),
        }
    }

    /// Attaches a segment that somebody else has created, and takes no place yet: who needs two
    /// segments leaves no pid in the one while the other may be missing. NO_PEER: it is not laid
    /// out yet; REFUSED: of another kind, version or size.
    pub fn look(shmid: c_int, role: Role) -> Result<Segment> {
        Segment::attach(shmid, role, |segment| {
            let header = segment.header();
            match header.magic.load(Acquire) {
                MAGIC => {}
                0 => {
                    let why = format!("segment {shmid} is not laid out yet");
                    return Err(Failure::Because(exit::NO_PEER, why));
                }
                _ => return refused(shmid, "is not one of ours: the magic number is another"),
            }
            match (header.version.load(Relaxed), header.ring.load(Relaxed) as usize) {
                (VERSION, ring) if ring == segment.ring => Ok(()),
                (VERSION, ring) => refused(shmid, &format!("claims a ring of {ring} bytes")),
                (other, _) => refused(shmid, &format!("has layout {other}, not {VERSION}")),
            }
        })
    }

    fn attach(
        shmid: c_int,
        role: Role,
        check: impl FnOnce(&Segment) -> Result<()>,
    ) -> Result<Segment> {
        let size = system::segment(shmid).map_or(0, |row| row.get("size") as usize);
        let ring = size.saturating_sub(RING);
        if !ring.is_power_of_two() || !SIZES.contains(&ring) {
            return refused(shmid, &format!("has {size} bytes: no power of two and a header"));
        }
        let addr = shm::at(shmid, NULL, 0)?;
        let segment = Segment { shmid, addr, ring, role, used: false };
        match check(&segment) {
            Ok(()) => Ok(segment),
            Err(failure) => segment.detach().and(Err(failure)),
        }
    }

    /// Detaches it. The compiler sees to it that no sender or receiver is left.
    pub fn detach(self) -> Result<()> {
        shm::dt(self.addr)
    }

    pub(crate) fn header(&self) -> &Header {
        // SAFETY: `attach` made sure that there are that many bytes, page-aligned. All of it that is
        // touched is atomics, for which any bytes are valid. `detach` consumes self.
        unsafe { &*self.addr.cast::<Header>() }
    }

    /// Writes who we are into our place, and wakes who waits for us in [`Segment::meet`]. BUSY: it
    /// is taken.
    pub fn take_place(&self) -> Result<()> {
        let (me, place) = (std::process::id(), &self.header().parties[self.role as usize]);
        if let Err(other) = place.pid.compare_exchange(0, me, SeqCst, SeqCst) {
            let why = format!("busy: {other} is the {:?} of segment {}", self.role, self.shmid);
            return Err(Failure::Because(exit::BUSY, why.to_lowercase()));
        }
        place.start.store(start_of(me).unwrap_or(0), SeqCst);
        futex_wake(&place.pid);
        Ok(())
    }

    /// The process at the other place; `None` if there is none yet. NO_PEER: it has died;
    /// NOT_A_PEER: whose pid stands there has not attached this segment, or was started later.
    pub fn peer(&self) -> Result<Option<Peer>> {
        let place = &self.header().parties[1 - self.role as usize];
        let pid = place.pid.load(Acquire);
        if pid == 0 {
            return Ok(None);
        }
        let peer = Peer::of(pid as i32, self.shmid)?;
        match place.start.load(Acquire) {
            0 => Ok(None),
            start if start_of(pid) == Some(start) => Ok(Some(peer)),
            _ => {
                let why = format!("the pid in the segment, {pid}, was started at another time");
                Err(Failure::Because(exit::NOT_A_PEER, why))
            }
        }
    }

    /// Waits until somebody has taken the other place.
    pub fn meet(&self, patience: Patience) -> Result<Peer> {
        let began = Instant::now();
        loop {
            signals::check()?;
            if let Some(peer) = self.peer()? {
                return Ok(peer);
            }
            if patience.is_some_and(|limit| began.elapsed() >= limit) {
                let why = format!("nobody has come to segment {}", self.shmid);
                return Err(Failure::Because(exit::NO_PEER, why));
            }
            futex_wait(&self.header().parties[1 - self.role as usize].pid, 0, LOOK);
        }
    }

    /// One end of the ring, for its [`crate::channel`].
    pub(crate) fn end<'a>(
        &'a mut self,
        role: Role,
        way: Way,
        peer: Option<&'a Peer>,
        patience: Patience,
    ) -> Result<End<'a>> {
        if self.role != role || mem::replace(&mut self.used, true) {
            let why = format!("segment {} has one {role:?}, and that is not this", self.shmid);
            return Err(Failure::because(why));
        }
        let (header, ring) = (self.header(), self.ring);
        let line = |n: u16| Line::new(&header.bells[usize::from(n)], n, way, peer, patience);
        let (messages, room) = (line(0), line(1));
        // SAFETY: the ring follows the header, within what is attached.
        let start = unsafe { self.addr.cast::<u8>().add(RING) };
        Ok(End { start, ring, progress: &header.progress, messages, room, sleeps: way.sleeps() })
    }
}

#[cold]
pub(crate) fn hostile<T>(why: String) -> Result<T> {
    Err(Failure::Because(exit::HOSTILE, format!("hostile: {why}")))
}

fn refused<T>(shmid: c_int, why: &str) -> Result<T> {
    Err(Failure::Because(exit::REFUSED, format!("refused: segment {shmid} {why}")))
}

/// When a process was started, in clock ticks since boot: field 22 of /proc/PID/stat.
fn start_of(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(") ")?.1.split(' ').nth(19)?.parse().ok()
}

/// What both ends have: the ring, and the two bells.
pub(crate) struct End<'a> {
    start: *mut u8,
    pub(crate) ring: usize,
    pub(crate) progress: &'a Progress,
    pub(crate) messages: Line<'a>,
    pub(crate) room: Line<'a>,
    sleeps: bool,
}

// SAFETY: as for Segment.
unsafe impl Send for End<'_> {}

impl End<'_> {
    /// Where a position of the stream lies in the ring.
    #[inline]
    pub(crate) fn offset(&self, position: u64) -> usize {
        position as usize & (self.ring - 1)
    }

    /// The word of the record at a position.
    #[inline]
    pub(crate) fn word(&self, position: u64) -> &AtomicU64 {
        // SAFETY: positions are multiples of 8, and `offset` is below the ring's size, so that these
        // 8 bytes lie in it, aligned.
        unsafe { AtomicU64::from_ptr(self.start.add(self.offset(position)).cast()) }
    }

    /// The bytes of the record at a position; the caller has checked that they end within the ring.
    #[inline]
    pub(crate) fn place(&self, position: u64, len: usize) -> Place<'_> {
        let offset = self.offset(position) + WORD;
        debug_assert!(offset + len <= self.ring);
        // SAFETY: see above: the sum is not beyond the ring's end.
        Place { start: unsafe { self.start.add(offset) }, len, of: PhantomData }
    }

    /// The longest message, in bytes. Two such records fit into seven eighths of the ring, so that
    /// one always fits into an empty ring, with what is skipped before it and what was not told yet.
    pub(crate) fn most(&self) -> usize {
        self.ring / 4
    }

    /// How much is gathered before the other side is told.
    pub(crate) fn eighth(&self) -> u64 {
        self.ring as u64 / 8
    }

    /// Bytes of a record.
    #[inline]
    pub(crate) fn record(len: usize) -> usize {
        WORD + len.next_multiple_of(WORD)
    }

    /// Stores a number for the other side, and wakes it if it sleeps for want of it.
    #[inline]
    pub(crate) fn show(&self, number: &AtomicU64, value: u64, bell: &Line) {
        if self.sleeps {
            // Sequentially consistent, and a swap: with the look at the bell it makes the protocol
            // of `wakeup.rs`. It is also a Release.
            number.swap(value, SeqCst);
            bell.ring();
        } else {
            // Release: all that this side did with those bytes is done before.
            number.store(value, Release);
        }
    }
}

/// The bytes of one message, where they are in the segment. The other side may write them, too.
pub struct Place<'a> {
    start: *mut u8,
    len: usize,
    of: PhantomData<&'a ()>,
}

impl Place<'_> {
    /// How many there are.
    #[allow(clippy::len_without_is_empty)]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Where they are: aligned to 8, and valid until the record is committed or released.
    pub fn as_ptr(&self) -> *mut u8 {
        self.start
    }

    /// Copies all of them out. Panics if `to` has another length.
    #[inline]
    pub fn read(&self, to: &mut [u8]) {
        assert_eq!(to.len(), self.len);
        // SAFETY: the place is attached while self lives; `to` is ours, so that they do not overlap. A
        // peer that keeps to the rules does not write here now; of one that does, `to` gets some bytes.
        unsafe { copy_nonoverlapping(self.start, to.as_mut_ptr(), self.len) };
    }

    /// Copies all of them in. Panics if `from` has another length.
    #[inline]
    pub fn write(&self, from: &[u8]) {
        assert_eq!(from.len(), self.len);
        // SAFETY: as in `read`.
        unsafe { copy_nonoverlapping(from.as_ptr(), self.start, self.len) };
    }

    /// The `i`th 8 bytes. Panics beyond the end.
    #[inline]
    pub fn word(&self, i: usize) -> &AtomicU64 {
        assert!(i < self.len / WORD);
        // SAFETY: within the place, and aligned, as the place is.
        unsafe { AtomicU64::from_ptr(self.start.add(i * WORD).cast()) }
    }
}
