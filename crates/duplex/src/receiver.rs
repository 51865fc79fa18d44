//! The reading end of a ring.

use std::hint::spin_loop;
use std::mem;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::{Acquire, Relaxed, SeqCst};

use lablib::{Patience, Result, say};

use crate::layout::{Role, Segment};
use crate::peers::Peer;
use crate::ring::{CPU, END, End, KIND, MESSAGE, Place, SKIP, hostile};
use crate::waiters::{Way, cpu};

/// How long a reader that is faster than its writer stays behind: about half a microsecond.
const SLIP: u32 = 30;

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

impl<'a> Receiver<'a> {
    /// The reading end of a segment, which has one. `patience`: for how long it waits for a message.
    pub fn new(
        segment: &'a mut Segment,
        way: Way,
        peer: Option<&'a Peer>,
        patience: Patience,
    ) -> Result<Receiver<'a>> {
        let end = segment.end(Role::Reader, way, peer, patience)?;
        Ok(Receiver { end, tail: 0, told: 0, waited: 0, last: 0, seen: false, ended: false })
    }

    /// Waits for a message and copies it out; false: the writer has said goodbye. PEER_DIED, PEER_SILENT, HOSTILE.
    #[inline(always)]
    pub fn recv(&mut self, to: &mut Vec<u8>) -> Result<bool> {
        let Some(place) = self.peek()? else { return Ok(false) };
        to.resize(place.len(), 0);
        place.read(to);
        self.release();
        Ok(true)
    }

    /// Waits for a message and shows it where it is, until [`Receiver::release`]; `None`: the writer has said goodbye.
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

    /// The word on which it sleeps while there is no message.
    pub fn word(&self) -> &AtomicU32 {
        &self.end.messages.bell.asleep
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

    /// How often a wait for a message ended without a wake-up: see [`crate::waiters::Line::late`].
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
                _ => return hostile(say!("the record at {offset} of the ring says {word:#x}")),
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
