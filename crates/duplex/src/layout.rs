//! The segments of 4.10: the header before the ring, the process at each end, and whether it is the
//! one that it claims to be. The ring itself, and the rules by which it is used, are in `ring.rs`.

use std::mem;
use std::ops::RangeInclusive;
use std::sync::atomic::Ordering::{Acquire, Relaxed, SeqCst};
use std::sync::atomic::{AtomicU32, AtomicU64};
use std::time::Instant;

use lablib::shm::{self, Addr, NULL, Shared, View};
use lablib::{Failure, Patience, Result, exit, looked, say, signals};
use libc::c_int;
use sysv::{process, tables};

use crate::bell::{Bell, LOOK, futex_wait, futex_wake};
use crate::peers::Peer;
use crate::ring::{End, Progress};
use crate::waiters::{Line, Way};

/// What a segment of ours begins with. Stored last, when all else is in place.
pub const MAGIC: u64 = u64::from_be_bytes(*b"4.10ring");
/// The version of the layout.
pub const VERSION: u32 = 1;
/// How large a ring may be, in bytes; a power of two.
pub const SIZES: RangeInclusive<usize> = 64..=1 << 30;
/// Where the ring begins.
pub const RING: usize = size_of::<Header>();
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
    progress: Progress,
    /// Where the reader waits for messages, and the writer for room.
    bells: [Bell; 2],
}

/// One of the two processes. A pid is used again; a pid and a start time are not.
#[repr(C)]
struct Party {
    /// 0 until a process takes the place.
    pid: AtomicU32,
    _padding: u32,
    /// In clock ticks since boot: /proc/PID/stat. 0 until it is written, which is after the pid.
    start: AtomicU64,
}

// SAFETY: atomics, and in the bells objects that only the calls made for sharing them touch.
unsafe impl Shared for Header {}

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
    addr: Addr,
    header: View<Header>,
    /// Bytes of the ring: what the kernel says, not the segment.
    ring: usize,
    role: Role,
    /// Has it got its sender or its receiver?
    used: bool,
}

// SAFETY: the memory belongs to the process, not to a thread; only atomics and copies touch it.
unsafe impl Send for Segment {}

impl Segment {
    /// Attaches a fresh segment and lays it out; this process takes one of its two places. The
    /// magic number is stored last. REFUSED: it is not fresh, or its size is not [`segment_size`].
    pub fn create(shmid: c_int, role: Role) -> Result<Segment> {
        Segment::attach(shmid, role, |segment| {
            let header = &segment.header;
            if header.magic.load(Acquire) != 0 {
                return refused(shmid, "is laid out already");
            }
            header.bells.iter().for_each(Bell::init);
            header.version.store(VERSION, Relaxed);
            header.ring.store(segment.ring as u32, Relaxed);
            segment.take_place()?;
            // Who loads it also sees what was stored before. Release would do, but only this locks: lab explore sees it.
            header.magic.store(MAGIC, SeqCst);
            Ok(())
        })
    }

    /// Attaches a segment that another process has created, and takes the free place in it: BUSY if
    /// it is taken. Other errors: those of [`Segment::look`].
    pub fn open(shmid: c_int, role: Role) -> Result<Segment> {
        let segment = Segment::look(shmid, role)?;
        match segment.take_place().map(|()| segment.announce()) {
            Ok(()) => Ok(segment),
            Err(failure) => segment.detach().and(Err(failure)),
        }
    }

    /// Attaches a segment that another process has created, and takes no place yet. A process that
    /// needs two segments writes no pid into the first while the second may be missing. NO_PEER: it
    /// is not laid out yet; REFUSED: of another kind, version or size.
    pub fn look(shmid: c_int, role: Role) -> Result<Segment> {
        Segment::attach(shmid, role, |segment| {
            let header = &segment.header;
            match header.magic.load(Acquire) {
                MAGIC => {}
                0 => {
                    let why = say!("segment {shmid} is not laid out yet");
                    return Err(Failure::Because(exit::NO_PEER, why));
                }
                _ => return refused(shmid, "is not one of ours: the magic number is another"),
            }
            match (header.version.load(Relaxed), header.ring.load(Relaxed) as usize) {
                (VERSION, ring) if ring == segment.ring => Ok(()),
                (VERSION, ring) => refused(shmid, &say!("claims a ring of {ring} bytes")),
                (other, _) => refused(shmid, &say!("has layout {other}, not {VERSION}")),
            }
        })
    }

    fn attach(
        shmid: c_int,
        role: Role,
        check: impl FnOnce(&Segment) -> Result<()>,
    ) -> Result<Segment> {
        let size = tables::segment(shmid).map_or(0, |row| row.get("size") as usize);
        looked()?;
        let ring = size.saturating_sub(RING);
        if !ring.is_power_of_two() || !SIZES.contains(&ring) {
            return refused(shmid, &say!("has {size} bytes: no power of two and a header"));
        }
        let addr = shm::at(shmid, NULL, 0)?;
        // The id may have come to mean another segment since its size was looked up.
        shm::pages(addr, segment_size(ring), true, || Ok(()))?;
        let segment = Segment { shmid, addr, header: shm::view(addr)?, ring, role, used: false };
        match check(&segment) {
            Ok(()) => Ok(segment),
            Err(failure) => segment.detach().and(Err(failure)),
        }
    }

    /// Where it is attached.
    pub fn addr(&self) -> Addr {
        self.addr
    }

    /// Detaches it. The compiler sees to it that no sender or receiver is left.
    pub fn detach(self) -> Result<()> {
        drop(self.header);
        shm::dt(self.addr)
    }

    /// Wakes the peer, if it waits in [`Segment::meet`].
    pub fn announce(&self) {
        let _ = futex_wake(&self.header.parties[self.role as usize].pid);
    }

    /// Writes our pid and start time into our place. BUSY: it is taken.
    pub fn take_place(&self) -> Result<()> {
        let (me, place) = (std::process::id(), &self.header.parties[self.role as usize]);
        if let Err(other) = place.pid.compare_exchange(0, me, SeqCst, SeqCst) {
            let why = say!("busy: {other} is the {:?} of segment {}", self.role, self.shmid);
            return Err(Failure::Because(exit::BUSY, why.to_lowercase()));
        }
        place.start.store(process::start(me as i32).unwrap_or(0), SeqCst);
        Ok(())
    }

    /// The process at the other place; `None` if there is none yet. NO_PEER: it has died;
    /// NOT_A_PEER: the process with this pid has not attached this segment, or was started later.
    pub fn peer(&self) -> Result<Option<Peer>> {
        let place = &self.header.parties[1 - self.role as usize];
        let pid = place.pid.load(Acquire);
        if pid == 0 {
            return Ok(None);
        }
        let peer = Peer::of(pid as i32, self.shmid)?;
        match place.start.load(Acquire) {
            0 => Ok(None),
            start if process::start(pid as i32) == Some(start) => Ok(Some(peer)),
            _ => {
                let why = say!("the pid in the segment, {pid}, was started at another time");
                Err(Failure::Because(exit::NOT_A_PEER, why))
            }
        }
    }

    /// Waits until a process has taken the other place.
    pub fn meet(&self, patience: Patience) -> Result<Peer> {
        let began = Instant::now();
        loop {
            signals::check()?;
            if let Some(peer) = self.peer()? {
                return Ok(peer);
            }
            if patience.is_some_and(|limit| began.elapsed() >= limit) {
                let why = say!("nobody has come to segment {}", self.shmid);
                return Err(Failure::Because(exit::NO_PEER, why));
            }
            // Whatever ended it: look again.
            let _ = futex_wait(&self.header.parties[1 - self.role as usize].pid, 0, LOOK);
        }
    }

    /// One end of the ring, once.
    pub(crate) fn end<'a>(
        &'a mut self,
        role: Role,
        way: Way,
        peer: Option<&'a Peer>,
        patience: Patience,
    ) -> Result<End<'a>> {
        if self.role != role || mem::replace(&mut self.used, true) {
            let why = say!("segment {} has one {role:?}, and that is not this", self.shmid);
            return Err(Failure::because(why));
        }
        let (header, ring) = (&*self.header, self.ring);
        let line = |n: u16| Line::new(&header.bells[usize::from(n)], n, way, peer, patience);
        let (messages, room) = (line(0), line(1));
        // SAFETY: the ring follows the header, within what is attached: `attach` has made sure.
        let start = unsafe { self.addr.cast::<u8>().add(RING) };
        Ok(End { start, ring, progress: &header.progress, messages, room, sleeps: way.sleeps() })
    }
}

fn refused<T>(shmid: c_int, why: &str) -> Result<T> {
    Err(Failure::Because(exit::REFUSED, say!("refused: segment {shmid} {why}")))
}
