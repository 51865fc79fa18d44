//! The duplex channel of 4.10: a segment per direction, each with a ring that one process writes and the other reads.
//!
//! A segment is a header and a ring. In the ring stand records: a word and the bytes of a message, padded to 8:
//!
//! ```text
//!     │ word │ bytes … │ word │ bytes … │ 0 │   free   │ word │ bytes … │ word │ bytes … │ SKIP │
//!                                         head         tail                  too little at the end
//! ```
//!
//! A word says how long its message is and on which CPU it was written; it is 0 where no message is yet. The reader
//! needs nothing but the word at its place, which lies beside the bytes: one cache line to wait for, not two. The
//! writer's invariant: **the word at `head` is 0.** It fills a record, puts a 0 behind it, and stores the record's
//! word last, with Release. A reader that loads the word with Acquire therefore sees the bytes, and the 0. Of several
//! records made in a row, the first one's word is stored last, and publishes all.
//!
//! The reader's position, `tail`, goes back through the header, and seldom: when an eighth of the ring was read. It
//! is stored with Release and loaded with Acquire, so the reader's loads are over before the writer stores to the
//! same bytes again. Where a side may sleep, both stores are sequentially consistent: see `waiters.rs`.
//!
//! How the two sides come to it (the server has made both segments, of [`crate::layout::segment_size`]):
//!
//! ```text
//!     server  create(0, Writer)  create(1, Reader)  meet, meet   sender of 0, receiver of 1
//!     client  open(0, Reader)    open(1, Writer)    meet, meet   receiver of 0, sender of 1
//! ```
//!
//! A [`crate::sender::Sender`] and a [`crate::receiver::Receiver`] may go to threads of their own.
//! Dropped, they say goodbye. Then detach both segments; the process that made them removes them.
//!
//! Nothing in a segment is trusted: every process that has attached it can write anything. A number
//! is loaded once, checked, and the checked copy is used; what fails is an error with exit code
//! HOSTILE. No code makes a reference to shared bytes, only to atomics. Bytes are copied through
//! raw pointers; a peer that changes them during the copy damages only its own message.

use std::marker::PhantomData;
use std::ptr::copy_nonoverlapping;
use std::sync::atomic::Ordering::{Release, SeqCst};
use std::sync::atomic::{AtomicU32, AtomicU64};

use lablib::{Failure, Result, exit, say};

use crate::waiters::Line;

/// The word before the bytes of a message, and the unit of a record, in bytes.
pub const WORD: usize = 8;

/// What a word says: the length in the low half, then the kind, then the CPU.
pub(crate) const MESSAGE: u64 = 1 << 32;
/// The rest of the ring is too short for the next record, which stands at the beginning.
pub(crate) const SKIP: u64 = 2 << 32;
/// The writer has said goodbye.
pub(crate) const END: u64 = 3 << 32;
pub(crate) const KIND: u64 = 0xffff << 32;
pub(crate) const CPU: u32 = 48;

/// What the reader reports to the writer.
#[repr(C, align(64))]
pub(crate) struct Progress {
    /// How many bytes of the ring have been read, in all.
    pub(crate) tail: AtomicU64,
    /// The CPU on which the reader was then.
    pub(crate) cpu: AtomicU32,
    /// 1: it will read no more.
    pub(crate) left: AtomicU32,
}

/// What both ends have: the ring, and the two bells.
pub(crate) struct End<'a> {
    pub(crate) start: *mut u8,
    pub(crate) ring: usize,
    pub(crate) progress: &'a Progress,
    pub(crate) messages: Line<'a>,
    pub(crate) room: Line<'a>,
    pub(crate) sleeps: bool,
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
        // SAFETY: positions are multiples of 8, and `offset` is below the ring's size: 8 aligned bytes in it.
        unsafe { AtomicU64::from_ptr(self.start.add(self.offset(position)).cast()) }
    }

    /// Asks for the cache line at a position, to write it soon. A hint: nothing depends on it.
    #[cfg(target_arch = "x86_64")]
    #[inline(always)]
    pub(crate) fn fetch(&self, position: u64) {
        let at = self.word(position).as_ptr();
        // SAFETY: the instruction changes no byte and no register.
        unsafe {
            std::arch::asm!("prefetchw [{0}]", in(reg) at, options(nostack, preserves_flags, readonly))
        };
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
    /// one always fits into an empty ring, with what is skipped before it and not yet reported.
    pub(crate) fn most(&self) -> usize {
        self.ring / 4
    }

    /// How many bytes are collected before they are reported to the other side.
    pub(crate) fn eighth(&self) -> u64 {
        self.ring as u64 / 8
    }

    /// Bytes of a record.
    #[inline]
    pub(crate) fn record(len: usize) -> usize {
        (WORD + len + WORD - 1) & !(WORD - 1)
    }

    /// Stores a number for the other side, and wakes it if it sleeps for want of it.
    #[inline]
    pub(crate) fn show(&self, number: &AtomicU64, value: u64, bell: &Line) {
        if self.sleeps {
            // Sequentially consistent, and a swap: with the look at the bell, the protocol of `waiters.rs`.
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
    pub(crate) start: *mut u8,
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

/// What stands in the segment is not what a peer writes.
#[cold]
pub(crate) fn hostile<T>(why: String) -> Result<T> {
    Err(Failure::Because(exit::HOSTILE, say!("hostile: {why}")))
}
