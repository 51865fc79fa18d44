//! Accesses to shared memory, as they are told: what a thread stores by one line of its source into bytes that
//! lie beside each other is one; a load is told where another process has stored, and once as long as it finds
//! the same.

use std::collections::{BTreeMap, HashMap};

use super::memory::Touch;
use crate::event::What;
use crate::memory::name;
use crate::tracer::Tid;

/// Who has stored is remembered by blocks of so many bytes.
const BLOCK: u64 = 8;
/// So many bytes are told.
const TOLD: usize = 64;

/// One or several, as one.
#[derive(Clone, PartialEq, Eq)]
struct Access {
    memory: u64,
    from: u64,
    to: u64,
    writes: bool,
    locked: bool,
    source: Option<String>,
    holds: Vec<u8>,
}

/// See the module.
#[derive(Default)]
pub struct Touches {
    /// All loads are told.
    pub all: bool,
    stored: HashMap<(u64, u64), i32>,
    /// Those that others may follow.
    waiting: BTreeMap<Tid, Access>,
    /// The load that each thread has made last.
    loaded: BTreeMap<Tid, Access>,
}

impl Access {
    fn event(self) -> What {
        let Access { memory, from, to, writes, locked, source, holds } = self;
        let (memory, len) = (name(memory), to - from);
        What::Access { memory, at: from, len, writes, locked, source, holds, buffer: None }
    }

    fn meets(&self, other: &Access) -> bool {
        self.memory == other.memory && self.from < other.to && other.from < self.to
    }

    /// Both as one, if the other lies beside it, or goes on where it ends.
    fn with(&self, other: &Access) -> Option<Access> {
        let same = (self.memory, self.writes, self.locked, &self.source)
            == (other.memory, other.writes, false, &other.source);
        let beside = self.from <= other.to && other.from <= self.to;
        let within = self.from <= other.from && other.to <= self.to;
        if !same || !beside || within {
            return None;
        }
        let (from, to) = (self.from.min(other.from), self.to.max(other.to));
        let mut holds = vec![0; (to - from).min(TOLD as u64) as usize];
        for one in [self, other] {
            let at = (one.from - from) as usize;
            holds.iter_mut().skip(at).zip(&one.holds).for_each(|(byte, is)| *byte = *is);
        }
        Some(Access { from, to, holds, ..self.clone() })
    }
}

impl Touches {
    /// Is this to be told?
    pub fn is_told(&mut self, pid: i32, touch: &Touch) -> bool {
        let blocks = touch.at / BLOCK..(touch.at + touch.len).div_ceil(BLOCK);
        let mut told = self.all || touch.writes;
        for block in blocks {
            let by = self.stored.get(&(touch.memory, block)).copied();
            told |= by.is_some_and(|by| by != pid);
            if touch.writes {
                self.stored.insert((touch.memory, block), pid);
            }
        }
        told
    }

    /// Adds one. What it answers is told now: others do not follow it.
    pub fn add(&mut self, tid: Tid, touch: Touch, source: Option<String>) -> Vec<(Tid, What)> {
        let Touch { memory, at, len, writes, locked, holds, .. } = touch;
        let new = Access { memory, from: at, to: at + len, writes, locked, source, holds };
        if writes {
            self.loaded.remove(&tid);
        } else if self.loaded.insert(tid, new.clone()).is_some_and(|last| last == new) {
            return vec![];
        }
        let met = |(of, one): (&Tid, &Access)| (*of != tid && one.meets(&new)).then_some(*of);
        let met: Vec<Tid> = self.waiting.iter().filter_map(met).collect();
        let mut told: Vec<(Tid, What)> = met.into_iter().filter_map(|of| self.take(of)).collect();
        match self.waiting.get_mut(&tid) {
            Some(last) => match last.with(&new) {
                Some(both) => *last = both,
                None => {
                    let last = std::mem::replace(last, new);
                    told.push((tid, last.event()));
                }
            },
            None => {
                self.waiting.insert(tid, new);
            }
        }
        told
    }

    fn take(&mut self, tid: Tid) -> Option<(Tid, What)> {
        self.waiting.remove(&tid).map(|one| (tid, one.event()))
    }

    /// Those that wait for others to follow them.
    pub fn take_all(&mut self) -> Vec<(Tid, What)> {
        std::mem::take(&mut self.waiting).into_iter().map(|(tid, one)| (tid, one.event())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store(from: u64, bytes: &[u8]) -> Access {
        Access {
            memory: 0,
            from,
            to: from + bytes.len() as u64,
            writes: true,
            locked: false,
            source: None,
            holds: bytes.to_vec(),
        }
    }

    #[test]
    fn what_lies_beside_each_other_is_one() {
        let both = store(4, b"o\0").with(&store(0, b"hell")).expect("one");
        assert_eq!((both.from, both.to, &both.holds[..]), (0, 6, &b"hello\0"[..]));
        let overlap = store(0, b"01234567").with(&store(5, b"56789")).expect("one");
        assert_eq!((overlap.to, &overlap.holds[..]), (10, &b"0123456789"[..]));
        // Another store to the same bytes is another one.
        assert!(store(0, b"1234").with(&store(0, b"1235")).is_none());
        assert!(store(0, b"1234").with(&store(5, b"6")).is_none());
        let long = store(0, &[1; 64]).with(&store(64, &[2; 64])).expect("one");
        assert_eq!((long.to, long.holds.len()), (128, TOLD));
    }
}
