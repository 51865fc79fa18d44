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

use std::hint::spin_loop;
use std::mem;
use std::sync::atomic::Ordering::{Acquire, Relaxed, SeqCst};

use crate::peer::Peer;
use crate::segment::{End, Progress, WORD, hostile};
pub use crate::segment::{MAGIC, Place, RING, Role, SIZES, Segment, VERSION, segment_size};
use crate::wakeup::{Way, cpu};
use crate::{Failure, Patience, Result, exit};

impl Segment {
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
        Ok(Receiver { end, tail: 0, told: 0, waited: 0, last: 0, seen: false, ended: false })
    }
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
    pub fn try_reserve(&mut self, len: usize) -> Result<Option<Place<'_>>> {
        let (skip, need) = self.plan(len)?;
        if !self.has_room(need)? {
            self.publish();
            return self.has_reader().map(|()| None);
        }
        Ok(Some(self.take(skip, len)))
    }

    /// Ends the message for which `reserve` has found room, and publishes it.
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
            self.hold(SKIP, rest);
        }
        self.hold(MESSAGE | len as u64 | u64::from(self.cpu) << CPU, End::record(len));
        if self.held.is_some_and(|(first, _)| self.head - first >= self.end.eighth()) {
            self.publish();
        }
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

    /// How often a wait for room ended without a wake-up: see [`crate::wakeup::Line::late`].
    pub fn late(&self) -> u64 {
        self.end.room.late()
    }

    /// What to skip so that a record does not break at the ring's end, and how much is needed.
    #[inline(always)]
    fn plan(&self, len: usize) -> Result<(u64, usize)> {
        if len > self.most() {
            let why = format!("a message of {len} bytes; this ring takes {}", self.most());
            return Err(Failure::because(why));
        }
        let (record, rest) = (End::record(len), self.end.ring - self.end.offset(self.head));
        let skip = if record > rest { rest } else { 0 };
        Ok((skip as u64, skip + record + WORD))
    }

    /// Is there so much room? Looks at the reader's position only when the last one does not do.
    #[inline(always)]
    fn has_room(&mut self, need: usize) -> Result<bool> {
        Ok(self.fits(need, self.tail) || self.look_again(need)?)
    }

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
    /// Where it had to wait last.
    waited: u64,
    /// The word of the last message.
    last: u64,
    /// Is that the one at `tail`, which was not released yet?
    seen: bool,
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
        Ok(self.place())
    }

    #[inline(never)]
    fn wait(&mut self) -> Result<()> {
        // Many have come since we waited last: the writer is at work just here. To look at once would
        // take the cache line from it for each message; a little later there are several.
        let many = self.tail - self.waited > self.record() as u64;
        self.waited = self.tail;
        if many && !self.look()? {
            (0..SLIP).for_each(|_| spin_loop());
        }
        while !self.look()? && !self.ended {
            let (end, tail) = (&self.end, self.tail);
            end.messages.wait((self.last >> CPU) as u16, || end.word(tail).load(SeqCst) != 0)?;
        }
        Ok(())
    }

    /// Like [`Receiver::peek`], but does not wait: `None`, too, if there is no message now.
    pub fn try_peek(&mut self) -> Result<Option<Place<'_>>> {
        self.look()?;
        Ok(self.place())
    }

    /// Has the writer said goodbye, and was everything before that read?
    pub fn has_ended(&self) -> bool {
        self.ended
    }

    /// Gives back the bytes of the message that was peeked at.
    #[inline(always)]
    pub fn release(&mut self) {
        if mem::take(&mut self.seen) {
            self.tail += self.record() as u64;
        }
        if self.tail - self.told >= self.end.eighth() {
            self.tell();
        }
    }

    /// How often a wait for a message ended without a wake-up: see [`crate::wakeup::Line::late`].
    pub fn late(&self) -> u64 {
        self.end.messages.late()
    }

    #[inline(always)]
    fn place(&self) -> Option<Place<'_>> {
        self.seen.then(|| self.end.place(self.tail, self.last as u32 as usize))
    }

    /// Bytes of the last record.
    fn record(&self) -> usize {
        End::record(self.last as u32 as usize)
    }

    /// Is there a message like the last one? A branch, which the processor guesses, in place of an
    /// address that has to wait until the word is here: so it can load many messages at once.
    #[inline(always)]
    fn is_usual(&mut self) -> bool {
        // Acquire: what the writer stored before this word is seen after it.
        let word = self.end.word(self.tail).load(Acquire);
        let rest = self.end.ring - self.end.offset(self.tail);
        self.seen = word == self.last && word != 0 && self.record() <= rest;
        self.seen
    }

    /// Is there a message? Goes to it if it stands at the ring's beginning.
    fn look(&mut self) -> Result<bool> {
        self.seen = false;
        loop {
            // Acquire: as above.
            let word = self.end.word(self.tail).load(Acquire);
            let (offset, len) = (self.end.offset(self.tail), word as u32 as usize);
            let rest = self.end.ring - offset;
            match word & KIND {
                0 if word == 0 => return Ok(false),
                MESSAGE if len <= self.end.most() && End::record(len) <= rest => {
                    (self.last, self.seen) = (word, true);
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
