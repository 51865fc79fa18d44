//! Robust locks (pthread_mutexattr_setrobust(3)) of threads that end. The kernel marks each, so that the next one
//! that takes it hears of that; but where memory is closed it cannot. For a thread that ends by a call, memory is
//! opened. Before it ends in another way, by a signal, by exec or with its whole process, its list is read here, and
//! what the kernel could not mark is marked then.
//!
//! Source: Documentation/locking/robust-futex-ABI.rst; kernel/futex/core.c, handle_futex_death()

use std::collections::HashMap;

use crate::explore::calls;
use crate::explore::footprint::Bytes;
use crate::explore::run::model::State;
use crate::explore::run::programs::Programs;
use crate::syscalls::pointers::robust_list;
use crate::tracer::memory::record;

/// Of a lock's word: its owner's number, and two marks. <linux/futex.h>
const OWNER: u32 = 0x3fff_ffff;
const OWNER_DIED: u32 = 0x4000_0000;
const WAITERS: u32 = 0x8000_0000;
/// So many locks the kernel looks at.
const MOST: usize = 2048;
/// A bit in the address of a lock: one that hands on its owner's priority. The kernel wakes nobody for it.
const HANDS_ON: u64 = 1;

/// Of each thread, the locks that it had when it was last thought to end.
pub type Locks = HashMap<usize, Vec<Lock>>;

/// A lock that a thread holds, or is about to take.
pub struct Lock {
    word: Bytes,
    hands_on: bool,
    /// It is being taken, or given back.
    pending: bool,
    /// By what number its owner is known.
    owner: u32,
}

impl Programs<'_> {
    /// Threads may be about to end in such a way. Who that is need not be known: a word that a thread does not own
    /// is not marked.
    pub fn remember_locks(&mut self) {
        for i in 0..self.model.tasks.len() {
            if self.model.tasks[i].state != State::Gone && self.model.process(i).watches() {
                let locks = self.locks_of(i).unwrap_or_default();
                self.locks.insert(i, locks);
            }
        }
    }

    /// The same, where one ends by a call: only its own locks are found by the kernel then.
    pub fn remember_locks_at_exit(&mut self, i: usize) {
        let (task, process) = (&self.model.tasks[i], self.model.process(i));
        let heirs = || !self.model.heirs(task.process).is_empty();
        if task.opened || process.threads > 1 || heirs() {
            self.remember_locks();
        }
    }

    fn locks_of(&self, i: usize) -> Option<Vec<Lock>> {
        let tid = self.model.tasks[i].tid;
        let [head, _] = robust_list(tid).filter(|[head, _]| *head != 0)?;
        let [mut at, offset, pending] = record::<[u64; 3]>(tid, head)?;
        let mut all = vec![];
        for _ in 0..MOST {
            if at & !HANDS_ON == head {
                break;
            }
            all.push((at, false));
            let Some(next) = self.word_at(i, at & !HANDS_ON) else { break };
            at = next;
        }
        if pending != 0 {
            all.push((pending, true));
        }
        if all.is_empty() {
            return None;
        }
        let owner = calls::number_in_room(tid) as u32;
        let lock = |(at, pending): (u64, bool)| {
            let at_word = (at & !HANDS_ON).wrapping_add(offset);
            let map = self.model.process(i).watched_at(at_word)?;
            let from = map.inside(at_word);
            let word = Bytes { memory: map.memory, from, to: from + 4 };
            Some(Lock { word, hands_on: at & HANDS_ON != 0, pending, owner })
        };
        Some(all.into_iter().filter_map(lock).collect())
    }

    /// A word of its memory, watched or not.
    fn word_at(&self, i: usize, at: u64) -> Option<u64> {
        let Some(map) = self.model.process(i).watched_at(at) else {
            return record(self.model.tasks[i].tid, at);
        };
        let from = map.inside(at);
        let seen = self.seen(i, Bytes { memory: map.memory, from, to: from + 8 })?;
        Some(u64::from_le_bytes(seen.try_into().ok()?))
    }

    /// A thread has ended. What it has stored is in the memory.
    pub fn mark_locks(&mut self, i: usize) {
        for lock in self.locks.remove(&i).unwrap_or_default() {
            let word = self.objects.read(lock.word).and_then(|word| word.try_into().ok());
            let Some(word) = word.map(u32::from_le_bytes) else { continue };
            let is_its_own = word & OWNER == lock.owner;
            if is_its_own {
                let marked = word & WAITERS | OWNER_DIED;
                self.objects.write(lock.word.memory, lock.word.from, &marked.to_le_bytes());
            }
            if is_its_own || word & OWNER_DIED != 0 {
                self.touched.made.bytes(lock.word, true);
                self.touched.changed = true;
                // Who takes it next comes after all that its owner has done.
                let knew = self.order.knows(i);
                self.order.publishes(lock.word, &knew);
            }
            let gave_back = lock.pending && word & OWNER == 0;
            let waits = is_its_own && word & WAITERS != 0;
            if !lock.hands_on && (waits || gave_back) {
                self.objects.wake(lock.word);
            }
        }
    }
}
