//! Robust locks (pthread_mutexattr_setrobust(3)): a thread keeps a list of those that it holds, and the kernel marks
//! each when the thread ends, so that the next one that takes it hears of that.
//!
//! Source: Documentation/locking/robust-futex-ABI.rst; kernel/futex/core.c, handle_futex_death()

use super::pointers::robust_list;
use crate::tracer::Tid;

/// Of a lock's word: its owner's number, and two marks. <linux/futex.h>
const OWNER: u32 = 0x3fff_ffff;
const OWNER_DIED: u32 = 0x4000_0000;
const WAITERS: u32 = 0x8000_0000;
/// So many locks the kernel looks at.
const MOST: usize = 2048;
/// A bit in the address of a lock: one that hands on its owner's priority. The kernel wakes nobody for it.
const HANDS_ON: u64 = 1;

/// A lock that a thread holds, or is about to take.
pub struct Lock {
    /// Where its word is.
    pub word: u64,
    hands_on: bool,
    /// It is being taken, or given back.
    pending: bool,
}

/// What the end of a thread does to a lock.
pub struct Left {
    /// The word is this from now on.
    pub marked: Option<u32>,
    /// An owner has ended, this one or one before.
    pub orphaned: bool,
    /// One that sleeps until it is free is woken.
    pub wakes: bool,
}

/// The locks of a thread. `word_at` reads eight bytes of its memory.
pub fn locks(tid: Tid, word_at: impl Fn(u64) -> Option<u64>) -> Vec<Lock> {
    let Some([head, _]) = robust_list(tid).filter(|[head, _]| *head != 0) else { return vec![] };
    let (Some(mut at), Some(offset), Some(pending)) =
        (word_at(head), word_at(head + 8), word_at(head + 16))
    else {
        return vec![];
    };
    let lock = |at: u64, pending: bool| Lock {
        word: (at & !HANDS_ON).wrapping_add(offset),
        hands_on: at & HANDS_ON != 0,
        pending,
    };
    let mut all = vec![];
    for _ in 0..MOST {
        if at & !HANDS_ON == head {
            break;
        }
        all.push(lock(at, false));
        let Some(next) = word_at(at & !HANDS_ON) else { break };
        at = next;
    }
    if pending != 0 {
        all.push(lock(pending, true));
    }
    all
}

impl Lock {
    /// The thread ends. `owner`: the number by which it is known there.
    pub fn left(&self, word: u32, owner: u32) -> Left {
        let is_its_own = word & OWNER == owner;
        let gave_back = self.pending && word & OWNER == 0;
        let waits = is_its_own && word & WAITERS != 0;
        Left {
            marked: is_its_own.then_some(word & WAITERS | OWNER_DIED),
            orphaned: is_its_own || word & OWNER_DIED != 0,
            wakes: !self.hands_on && (waits || gave_back),
        }
    }
}
