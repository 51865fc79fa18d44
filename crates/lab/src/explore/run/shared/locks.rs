//! Robust locks (pthread_mutexattr_setrobust(3)) of threads that end. The kernel marks each, so that the next one
//! that takes it hears of that; but where memory is closed it cannot. For a thread that ends by a call, memory is
//! opened. Before it ends in another way, by a signal, by exec or with its whole process, its list is read here, and
//! what the kernel could not mark is marked then.

use std::collections::HashMap;

use crate::explore::footprint::Bytes;
use crate::explore::run::model::State;
use crate::explore::run::programs::Programs;
use crate::syscalls::robust;
use crate::tracer::memory::record;
use crate::tracer::number_inside;

/// Of each thread, the locks that it had when it was last thought to end.
pub type Locks = HashMap<usize, Vec<Lock>>;

/// A lock that a thread holds, or is about to take.
pub struct Lock {
    word: Bytes,
    its: robust::Lock,
    /// By what number its owner is known.
    owner: u32,
}

impl Programs<'_> {
    /// Threads may be about to end in such a way. Who that is need not be known: a word that a thread does not own
    /// is not marked.
    pub fn remember_locks(&mut self) {
        for i in 0..self.model.tasks.len() {
            if self.model.tasks[i].state != State::Gone && self.model.process(i).watches() {
                let locks = self.locks_of(i);
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

    fn locks_of(&self, i: usize) -> Vec<Lock> {
        let tid = self.model.tasks[i].tid;
        let locks = robust::locks(tid, |at| self.word_at(i, at));
        if locks.is_empty() {
            return vec![];
        }
        let owner = number_inside(tid) as u32;
        let lock = |its: robust::Lock| {
            let map = self.model.process(i).watched_at(its.word)?;
            let from = map.inside(its.word);
            let word = Bytes { memory: map.memory, from, to: from + 4 };
            Some(Lock { word, its, owner })
        };
        locks.into_iter().filter_map(lock).collect()
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
            let left = lock.its.left(word, lock.owner);
            if let Some(marked) = left.marked {
                self.objects.write(lock.word.memory, lock.word.from, &marked.to_le_bytes());
            }
            if left.orphaned {
                self.touched.made.bytes(lock.word, true);
                self.touched.changed = true;
                // Who takes it next comes after all that its owner has done.
                let knew = self.order.knows(i);
                self.order.publishes(lock.word, &knew);
            }
            if left.wakes {
                self.objects.wake(lock.word);
            }
        }
    }
}
