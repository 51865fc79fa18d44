//! The duplex channel of 4.10: one segment per direction, and in each a ring of messages that one
//! process writes and the other reads.
//!
//! A segment is a header and a ring. In the ring stand records, one behind the other, each a word
//! and the bytes of a message, padded to 8:
//!
//! ```text
//!     │ word │ bytes … │ word │ bytes … │ 0 │   free   │ word │ bytes … │ word │ bytes … │ SKIP │
//!                                         head         tail                  too little at the end
//! ```
//!
//! A word says how long its message is and on which CPU it was written; it is 0 where no message is
//! yet. The reader needs nothing but the word at its place, which lies beside the bytes: one cache
//! line to wait for, not two. The writer's invariant: **the word at `head` is 0.** It fills a
//! record, puts a 0 behind it, and stores the record's word last, with Release. A reader that loads
//! the word with Acquire therefore sees the bytes, and the 0. Of several records made in a row, the
//! first one's word is stored last, and publishes all.
//!
//! The reader's position, `tail`, goes back through the header, and seldom: when an eighth of the
//! ring was read. It is stored with Release and loaded with Acquire, so the reader's loads are over
//! before the writer stores to the same bytes again. Where somebody may sleep, both stores are
//! sequentially consistent: see `wakeup.rs`.
//!
//! How the two sides come to it (the server has made both segments, with [`segment_size`]):
//!
//! ```text
//!     server  create(0, Writer)  create(1, Reader)  meet, meet   sender of 0, receiver of 1
//!     client  open(0, Reader)    open(1, Writer)    meet, meet   receiver of 0, sender of 1
//! ```
//!
//! A [`Sender`] and a [`Receiver`] may go to threads of their own. Dropped, they say goodbye; when
//! both are gone, [`Segment::detach`], and who made the segments removes them.
//!
//! Nothing in a segment is believed: whoever has it attached can write what it likes. A number is
//! loaded once, checked, and the checked copy is used; what fails is an error with exit code HOSTILE.
//! Nobody makes a reference to shared bytes, only to atomics. Bytes are copied through raw
//! pointers; a peer that changes them meanwhile spoils a message, its own.

use std::fs;
use std::hint::spin_loop;
use std::marker::PhantomData;
use std::ops::RangeInclusive;
use std::ptr::copy_nonoverlapping;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release, SeqCst};
use std::sync::atomic::{AtomicU32, AtomicU64};
use std::time::Instant;

use libc::c_int;

use crate::peer::Peer;
use crate::shm::{self, Addr, NULL};
use crate::wakeup::{Bell, LOOK, Line, Way, cpu, futex_wait, futex_wake};
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
const WORD: usize = 8;

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
    /// 0 until somebody takes the place.
    pid: AtomicU32,
    _padding: u32,
    /// In clock ticks since boot: /proc/PID/stat. 0 until it is written, which is after the pid.
    start: AtomicU64,
}

/// What the reader tells the writer.
#[repr(C, align(64))]
struct Progress {
    /// How many bytes of the ring have been read, in all.
    tail: AtomicU64,
    /// The CPU on which the reader was then.
    cpu: AtomicU32,
    /// 1: it will read no more.
    left: AtomicU32,
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
    ring: usize,
    role: Role,
    used: bool,
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

    /// Attaches a segment that somebody else has created, and takes the free place at it. NO_PEER:
    /// it is not laid out yet; REFUSED: of another kind, version or size; BUSY: the place is taken.
    pub fn open(shmid: c_int, role: Role) -> Result<Segment> {
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
                (VERSION, ring) if ring == segment.ring => segment.take_place(),
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

    /// Detaches it. The compiler sees to it that no [`Sender`] or [`Receiver`] is left.
    pub fn detach(self) -> Result<()> {
        shm::dt(self.addr)
    }

    fn header(&self) -> &Header {
        // SAFETY: `attach` made sure that there are that many bytes, page-aligned. All of it that is
        // touched is atomics, for which any bytes are valid. `detach` consumes self.
        unsafe { &*self.addr.cast::<Header>() }
    }

    /// Writes who we are into our place, and wakes who waits for us in [`Segment::meet`].
    fn take_place(&self) -> Result<()> {
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

    /// The writing end. `way`: how both sides wait; `patience`: for how long the writer waits for room.
    pub fn sender<'a>(
        &'a mut self,
        way: Way,
        peer: Option<&'a Peer>,
        patience: Patience,
    ) -> Result<Sender<'a>> {
        let end = self.end(Role::Writer, way, peer, patience)?;
        Ok(Sender { end, head: 0, tail: 0, reserved: None, held: None, cpu: cpu() })
    }

    /// The reading end. `patience`: for how long it waits for a message.
    pub fn receiver<'a>(
        &'a mut self,
        way: Way,
        peer: Option<&'a Peer>,
        patience: Patience,
    ) -> Result<Receiver<'a>> {
        let end = self.end(Role::Reader, way, peer, patience)?;
        Ok(Receiver {
            end,
            tail: 0,
            told: 0,
            record: 0,
            len: 0,
            last: 0,
            usual: usize::MAX,
            waited: 0,
            cpu: u16::MAX,
            ended: false,
        })
    }

    fn end<'a>(
        &'a mut self,
        role: Role,
        way: Way,
        peer: Option<&'a Peer>,
        patience: Patience,
    ) -> Result<End<'a>> {
        if self.role != role || std::mem::replace(&mut self.used, true) {
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

fn refused<T>(shmid: c_int, why: &str) -> Result<T> {
    Err(Failure::Because(exit::REFUSED, format!("refused: segment {shmid} {why}")))
}

#[cold]
fn hostile<T>(why: String) -> Result<T> {
    Err(Failure::Because(exit::HOSTILE, format!("hostile: {why}")))
}

/// When a process was started, in clock ticks since boot: field 22 of /proc/PID/stat.
fn start_of(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(") ")?.1.split(' ').nth(19)?.parse().ok()
}

/// What a word says: the length in the low half, then the kind, then the CPU.
const MESSAGE: u64 = 1 << 32;
/// The rest of the ring is too short for the next record, which stands at the beginning.
const SKIP: u64 = 2 << 32;
/// The writer has said goodbye.
const END: u64 = 3 << 32;
const KIND: u64 = 0xffff << 32;
const CPU: u32 = 48;

/// How long a reader that is faster than its writer stays behind: about half a microsecond.
const SLIP: u32 = 30;

/// What both ends have.
struct End<'a> {
    start: *mut u8,
    ring: usize,
    progress: &'a Progress,
    messages: Line<'a>,
    room: Line<'a>,
    sleeps: bool,
}

// SAFETY: as for Segment.
unsafe impl Send for End<'_> {}

impl End<'_> {
    /// Where a position of the stream lies in the ring.
    #[inline(always)]
    fn offset(&self, position: u64) -> usize {
        position as usize & (self.ring - 1)
    }

    /// The word of the record at a position.
    #[inline(always)]
    fn word(&self, position: u64) -> &AtomicU64 {
        // SAFETY: positions are multiples of 8, and `offset` is below the ring's size, so that these
        // 8 bytes lie in it, aligned.
        unsafe { AtomicU64::from_ptr(self.start.add(self.offset(position)).cast()) }
    }

    /// The bytes of the record at a position; the caller has checked that they end within the ring.
    #[inline(always)]
    fn place(&self, position: u64, len: usize) -> Place<'_> {
        let offset = self.offset(position) + WORD;
        debug_assert!(offset + len <= self.ring);
        // SAFETY: see above: the sum is not beyond the ring's end.
        Place { start: unsafe { self.start.add(offset) }, len, of: PhantomData }
    }

    /// The longest message, in bytes. Two such records fit into seven eighths of the ring, so that
    /// one always fits into an empty ring, with what is skipped before it and what was not told yet.
    #[inline(always)]
    fn most(&self) -> usize {
        self.ring / 4
    }

    /// How much is gathered before the other side is told.
    #[inline(always)]
    fn eighth(&self) -> u64 {
        self.ring as u64 / 8
    }

    /// Bytes of a record.
    #[inline(always)]
    fn record(len: usize) -> usize {
        WORD + len.next_multiple_of(WORD)
    }

    /// Stores a number for the other side, and wakes it if it sleeps for want of it.
    #[inline(always)]
    fn show(&self, number: &AtomicU64, value: u64, bell: &Line) {
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
    #[inline(always)]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Where they are: aligned to 8, and valid until the record is committed or released.
    #[inline(always)]
    pub fn as_ptr(&self) -> *mut u8 {
        self.start
    }

    /// Copies all of them out. Panics if `to` has another length.
    #[inline(always)]
    pub fn read(&self, to: &mut [u8]) {
        assert_eq!(to.len(), self.len);
        // SAFETY: the place is attached while self lives; `to` is ours, so that they do not overlap. A
        // peer that keeps to the rules does not write here now; of one that does, `to` gets some bytes.
        unsafe { copy_nonoverlapping(self.start, to.as_mut_ptr(), self.len) };
    }

    /// Copies all of them in. Panics if `from` has another length.
    #[inline(always)]
    pub fn write(&self, from: &[u8]) {
        assert_eq!(from.len(), self.len);
        // SAFETY: as in `read`.
        unsafe { copy_nonoverlapping(from.as_ptr(), self.start, self.len) };
    }

    /// Loads the `i`th 8 bytes. Panics beyond the end.
    #[inline(always)]
    pub fn load(&self, i: usize) -> u64 {
        self.word(i).load(Relaxed)
    }

    /// Stores the `i`th 8 bytes. Panics beyond the end.
    #[inline(always)]
    pub fn store(&self, i: usize, value: u64) {
        self.word(i).store(value, Relaxed);
    }

    #[inline(always)]
    fn word(&self, i: usize) -> &AtomicU64 {
        assert!(i < self.len / WORD);
        // SAFETY: within the place, and aligned, as the place is.
        unsafe { AtomicU64::from_ptr(self.start.add(i * WORD).cast()) }
    }
}

/// The writing end. Dropped, it says goodbye.
pub struct Sender<'a> {
    end: End<'a>,
    /// Where the next record goes.
    head: u64,
    /// The reader's position when we last looked.
    tail: u64,
    /// The message for which `reserve` has found room, in bytes.
    reserved: Option<u32>,
    /// The first record that is not published yet, and its word.
    held: Option<(u64, u64)>,
    /// The CPU on which we were when we last published.
    cpu: u16,
}

impl Sender<'_> {
    /// The longest message, in bytes: a quarter of the ring.
    #[inline(always)]
    pub fn most(&self) -> usize {
        self.end.most()
    }

    /// Sends a message, copied. A full ring blocks. PEER_DIED, PEER_SILENT, HOSTILE; 1: too long.
    #[inline(always)]
    pub fn send(&mut self, message: &[u8]) -> Result<()> {
        self.send_later(message)?;
        self.publish();
        Ok(())
    }

    /// Like [`Sender::send`], but the reader sees it with the next [`Sender::publish`], or when an
    /// eighth of the ring has gathered. For many in a row: one publication, one wake-up.
    #[inline(always)]
    pub fn send_later(&mut self, message: &[u8]) -> Result<()> {
        // Not by `reserve`, which would have to note down what it has found.
        let skip = self.make_room(message.len())?;
        self.end.place(self.head + skip, message.len()).write(message);
        self.end_record(message.len());
        Ok(())
    }

    /// Like [`Sender::send`], but a full ring does not block: false.
    #[inline(always)]
    pub fn try_send(&mut self, message: &[u8]) -> Result<bool> {
        let Some(place) = self.try_reserve(message.len())? else { return Ok(false) };
        place.write(message);
        self.commit();
        Ok(true)
    }

    /// Room for a message of `len` bytes, to be written where it is. A full ring blocks.
    #[inline(always)]
    pub fn reserve(&mut self, len: usize) -> Result<Place<'_>> {
        let skip = self.make_room(len)?;
        Ok(self.take(skip, len))
    }

    /// Waits until a message has room, and answers how much is to be skipped before it.
    #[inline(always)]
    fn make_room(&mut self, len: usize) -> Result<u64> {
        let (skip, need) = self.plan(len)?;
        if !self.has_room(need)? {
            self.publish();
            self.wait_for_room(need)?;
        }
        Ok(skip)
    }

    /// Like [`Sender::reserve`], but a full ring does not block: `None`.
    #[inline(always)]
    pub fn try_reserve(&mut self, len: usize) -> Result<Option<Place<'_>>> {
        let (skip, need) = self.plan(len)?;
        if !self.has_room(need)? {
            self.publish();
            return self.has_reader().map(|()| None);
        }
        Ok(Some(self.take(skip, len)))
    }

    /// Ends the message for which `reserve` has found room, and publishes it.
    #[inline(always)]
    pub fn commit(&mut self) {
        self.commit_later();
        self.publish();
    }

    /// Like [`Sender::commit`], but seen later: see [`Sender::send_later`].
    #[inline(always)]
    pub fn commit_later(&mut self) {
        if let Some(len) = self.reserved.take() {
            self.end_record(len as usize);
        }
    }

    #[inline(always)]
    fn end_record(&mut self, len: usize) {
        let rest = self.end.ring - self.end.offset(self.head);
        if End::record(len) > rest {
            self.skip(rest);
        }
        self.hold(MESSAGE | len as u64 | u64::from(self.cpu) << CPU, End::record(len));
        if self.held.is_some_and(|(first, _)| self.head - first >= self.end.eighth()) {
            self.enough();
        }
    }

    #[cold]
    fn enough(&mut self) {
        self.publish();
    }

    #[cold]
    fn skip(&mut self, rest: usize) {
        self.hold(SKIP, rest);
    }

    /// Shows the reader all that was committed, and wakes it if it sleeps.
    #[inline(always)]
    pub fn publish(&mut self) {
        if let Some((first, word)) = self.held.take() {
            // The invariant, for the next record. `plan` has kept room for it.
            self.end.word(self.head).store(0, Relaxed);
            self.end.show(self.end.word(first), word, &self.end.messages);
            self.cpu = cpu();
        }
    }

    /// How often a wait for room ended without a wake-up: see [`Line::late`].
    pub fn late(&self) -> u64 {
        self.end.room.late()
    }

    /// What to skip so that a record does not break at the ring's end, and how much is needed.
    #[inline(always)]
    fn plan(&self, len: usize) -> Result<(u64, usize)> {
        if len > self.most() {
            return self.too_long(len);
        }
        let (record, rest) = (End::record(len), self.end.ring - self.end.offset(self.head));
        let skip = if record > rest { rest } else { 0 };
        Ok((skip as u64, skip + record + WORD))
    }

    #[cold]
    fn too_long<T>(&self, len: usize) -> Result<T> {
        let why = format!("a message of {len} bytes; this ring takes {}", self.most());
        Err(Failure::because(why))
    }

    /// Is there so much room? Looks at the reader's position only when the last one does not do.
    #[inline(always)]
    fn has_room(&mut self, need: usize) -> Result<bool> {
        Ok(self.fits(need, self.tail) || self.look_again(need)?)
    }

    #[inline(always)]
    fn fits(&self, need: usize, tail: u64) -> bool {
        self.head + need as u64 - tail <= self.end.ring as u64
    }

    #[inline(never)]
    fn look_again(&mut self, need: usize) -> Result<bool> {
        // Acquire: the reader is through with what lies before its position.
        let tail = self.end.progress.tail.load(Acquire);
        if !self.is_possible(tail) {
            return hostile(format!("{tail} bytes read, between {} and {}", self.tail, self.head));
        }
        self.tail = tail;
        Ok(self.fits(need, tail))
    }

    /// Can the reader be there? Not before where it was, and not beyond what is published.
    fn is_possible(&self, tail: u64) -> bool {
        let published = self.held.map_or(self.head, |(first, _)| first);
        (self.tail..=published).contains(&tail) && tail.is_multiple_of(WORD as u64)
    }

    fn has_reader(&self) -> Result<()> {
        match self.end.progress.left.load(SeqCst) {
            0 => Ok(()),
            _ => Err(Failure::Because(exit::PEER_DIED, "the reader has left".into())),
        }
    }

    #[cold]
    fn wait_for_room(&mut self, need: usize) -> Result<()> {
        let Progress { tail, cpu, left } = self.end.progress;
        while !self.has_room(need)? {
            self.has_reader()?;
            // Anything else than more reading is for `has_room` to judge.
            let news = || {
                let tail = tail.load(SeqCst);
                left.load(SeqCst) != 0 || !self.is_possible(tail) || self.fits(need, tail)
            };
            self.end.room.wait(cpu.load(Relaxed) as u16, news)?;
        }
        Ok(())
    }

    #[inline(always)]
    fn take(&mut self, skip: u64, len: usize) -> Place<'_> {
        self.reserved = Some(len as u32);
        self.end.place(self.head + skip, len)
    }

    /// Ends a record: its word is stored, or held back if nothing before it is.
    #[inline(always)]
    fn hold(&mut self, word: u64, record: usize) {
        match self.held {
            None => self.held = Some((self.head, word)),
            Some(_) => self.end.word(self.head).store(word, Relaxed),
        }
        self.head += record as u64;
    }
}

impl Drop for Sender<'_> {
    fn drop(&mut self) {
        self.publish();
        self.end.show(self.end.word(self.head), END, &self.end.messages);
    }
}

/// The reading end. Dropped, it says goodbye.
pub struct Receiver<'a> {
    end: End<'a>,
    /// Where the next record is.
    tail: u64,
    /// What the writer knows of `tail`.
    told: u64,
    /// Bytes of the record that was peeked at; 0 if none was.
    record: usize,
    /// Bytes of its message.
    len: usize,
    last: u64,
    usual: usize,
    /// Where it had to wait last.
    waited: u64,
    /// The CPU on which the last message was written.
    cpu: u16,
    ended: bool,
}

impl Receiver<'_> {
    /// Waits for a message and copies it out; false: the writer has said goodbye. PEER_DIED,
    /// PEER_SILENT, HOSTILE.
    #[inline(always)]
    pub fn recv(&mut self, to: &mut Vec<u8>) -> Result<bool> {
        let Some(place) = self.peek()? else { return Ok(false) };
        to.resize(place.len(), 0);
        place.read(to);
        self.release();
        Ok(true)
    }

    /// Waits for a message and shows it where it is, until [`Receiver::release`]; `None`: the
    /// writer has said goodbye.
    #[inline(always)]
    pub fn peek(&mut self) -> Result<Option<Place<'_>>> {
        if !self.is_usual() {
            self.wait()?;
        }
        Ok(self.seen())
    }

    #[inline(never)]
    fn wait(&mut self) -> Result<()> {
        // Many have come since we waited last: the writer is at work just here. To look at once would
        // take the cache line from it for each message; a little later there are several.
        let many = self.tail - self.waited > self.usual as u64;
        self.waited = self.tail;
        if many && !self.look()? {
            (0..SLIP).for_each(|_| spin_loop());
        }
        while !self.look()? && !self.ended {
            let (end, tail) = (&self.end, self.tail);
            end.messages.wait(self.cpu, || end.word(tail).load(SeqCst) != 0)?;
        }
        Ok(())
    }

    /// Like [`Receiver::peek`], but does not wait: `None`, too, if there is no message now.
    #[inline(always)]
    pub fn try_peek(&mut self) -> Result<Option<Place<'_>>> {
        self.look()?;
        Ok(self.seen())
    }

    /// Has the writer said goodbye, and was everything before that read?
    pub fn has_ended(&self) -> bool {
        self.ended
    }

    /// Gives back the bytes of the message that was peeked at.
    #[inline(always)]
    pub fn release(&mut self) {
        self.tail += std::mem::take(&mut self.record) as u64;
        if self.tail - self.told >= self.end.eighth() {
            self.tell();
        }
    }

    /// How often a wait for a message ended without a wake-up: see [`Line::late`].
    pub fn late(&self) -> u64 {
        self.end.messages.late()
    }

    #[inline(always)]
    fn seen(&self) -> Option<Place<'_>> {
        (self.record > 0).then(|| self.end.place(self.tail, self.len))
    }

    /// Is there a message like the last one? A branch, which the processor guesses, in place of an
    /// address that has to wait until the word is here: so it can load many messages at once.
    #[inline(always)]
    fn is_usual(&mut self) -> bool {
        // Acquire: what the writer stored before this word is seen after it.
        let word = self.end.word(self.tail).load(Acquire);
        let usual = word == self.last && self.usual <= self.end.ring - self.end.offset(self.tail);
        if usual {
            self.record = self.usual;
        }
        usual
    }

    /// Is there a message? Goes to it if it stands at the ring's beginning.
    fn look(&mut self) -> Result<bool> {
        loop {
            // Acquire: as above.
            let word = self.end.word(self.tail).load(Acquire);
            let (offset, len) = (self.end.offset(self.tail), word as u32 as usize);
            let rest = self.end.ring - offset;
            match word & KIND {
                0 if word == 0 => return Ok(false),
                MESSAGE if len <= self.end.most() && End::record(len) <= rest => {
                    (self.record, self.len, self.cpu) =
                        (End::record(len), len, (word >> CPU) as u16);
                    (self.last, self.usual) = (word, self.record);
                    return Ok(true);
                }
                SKIP if offset > 0 => self.tail += rest as u64,
                END => {
                    self.ended = true;
                    return Ok(false);
                }
                _ => return hostile(format!("the record at {offset} of the ring says {word:#x}")),
            }
        }
    }

    /// Lets the writer have the room, and wakes it if it waits for some.
    fn tell(&mut self) {
        self.told = self.tail;
        self.end.progress.cpu.store(cpu().into(), Relaxed);
        self.end.show(&self.end.progress.tail, self.tail, &self.end.room);
    }
}

impl Drop for Receiver<'_> {
    fn drop(&mut self) {
        self.end.progress.left.store(1, SeqCst);
        self.tell();
    }
}
