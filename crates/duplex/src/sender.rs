//! The writing end of a ring.

use std::sync::atomic::Ordering::{Acquire, Relaxed, SeqCst};

use lablib::{Failure, Patience, Result, exit, say};

use crate::layout::{Role, Segment};
use crate::peers::Peer;
use crate::ring::{CPU, END, End, MESSAGE, Place, Progress, SKIP, WORD, hostile};
use crate::waiters::{Way, cpu};

/// A record that is not published yet: where it is, and its word.
#[derive(Clone, Copy)]
struct Held {
    at: u64,
    word: u64,
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
    /// The first record that is not published yet.
    held: Option<Held>,
    /// The CPU on which we were when we last published.
    cpu: u16,
}

impl<'a> Sender<'a> {
    /// The writing end of a segment, which has one. `way`: how both sides wait; `patience`: how long for room.
    pub fn new(
        segment: &'a mut Segment,
        way: Way,
        peer: Option<&'a Peer>,
        patience: Patience,
    ) -> Result<Sender<'a>> {
        let end = segment.end(Role::Writer, way, peer, patience)?;
        Ok(Sender { end, head: 0, tail: 0, reserved: None, held: None, cpu: cpu() })
    }

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
        if self.held.is_some_and(|held| self.head - held.at >= self.end.eighth()) {
            self.publish();
        }
    }

    /// Shows the reader all that was committed, and wakes it if it sleeps.
    #[inline(always)]
    pub fn publish(&mut self) {
        if let Some(Held { at, word }) = self.held.take() {
            // The invariant, for the next record. `plan` has kept room for it.
            self.end.word(self.head).store(0, Relaxed);
            self.end.show(self.end.word(at), word, &self.end.messages);
            #[cfg(target_arch = "x86_64")]
            self.end.fetch(self.head + 64);
            self.cpu = cpu();
        }
    }

    /// How often a wait for room ended without a wake-up: see [`crate::waiters::Line::late`].
    pub fn late(&self) -> u64 {
        self.end.room.late()
    }

    /// What to skip so that a record does not break at the ring's end, and how much is needed.
    #[inline(always)]
    fn plan(&self, len: usize) -> Result<(u64, usize)> {
        if len > self.most() {
            let why = say!("a message of {len} bytes; this ring takes {}", self.most());
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
            return hostile(say!("{tail} bytes read, between {} and {}", self.tail, self.head));
        }
        self.tail = tail;
        Ok(self.fits(need, tail))
    }

    /// Can the reader be there? Not before where it was, and not beyond what is published.
    fn is_possible(&self, tail: u64) -> bool {
        let published = self.held.map_or(self.head, |held| held.at);
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
            None => self.held = Some(Held { at: self.head, word }),
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
