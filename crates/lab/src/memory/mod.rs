//! Memory that processes share, and what orders their accesses to it: for all that look at them.

use std::collections::BTreeMap;

pub mod order;

/// Bytes of a memory: from the first to before the last.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Bytes {
    /// As maps name it.
    pub memory: u64,
    pub from: u64,
    pub to: u64,
}

impl Bytes {
    /// How many they are.
    pub fn len(&self) -> usize {
        (self.to - self.from) as usize
    }

    /// Have they a byte in common?
    pub fn meets(&self, other: &Bytes) -> bool {
        self.memory == other.memory && self.from < other.to && other.from < self.to
    }

    /// Have they, or does one begin where the other ends?
    pub fn touches(&self, other: &Bytes) -> bool {
        self.memory == other.memory && self.from <= other.to && other.from <= self.to
    }
}

/// `shm 0`; `map` for memory that is no segment.
pub fn name(memory: u64) -> String {
    i32::try_from(memory).map_or("map".into(), |id| format!("shm {id}"))
}

/// `shm 0 +0..+5`
pub fn place(bytes: Bytes) -> String {
    format!("{} +{}..+{}", name(bytes.memory), bytes.from, bytes.to)
}

/// So often the same look at the same bytes, and they are as they were: a thread waits for them to change.
pub const SPINS: u32 = 16;

/// A thing in the kernel or in memory that more than one process or thread can touch.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[allow(missing_docs)]
pub enum Thing {
    /// A process as one that signals reach.
    Process(u32),
    /// A signal that is pending for a process, which blocks it; 0: any, and which it blocks.
    Pending(u32, i32),
    /// What becomes of SIGCHLD in a process: nothing, or it waits there, or is heard.
    Heeds(u32),
    /// How many signals are pending for anybody.
    Queued,
    /// The children of a process, as a wait for any of them sees them.
    Children(u32),
    /// A process, as a wait for it alone sees it.
    Child(u32),
    /// The order in which pids are given.
    Pids,
    /// A System V object; -1: the table of its kind.
    Shm(i32),
    /// All segments, as the kernel's table in /proc shows them, and how much of them is in memory.
    Segments,
    Resident,
    /// A page of a segment, by its number: the first who touches it brings it into memory.
    Page(u64, u64),
    Msg(i32),
    Sem(i32),
    /// One semaphore of a set, which is `Sem`.
    Semaphore(i32, u16),
    /// A pipe; every move that may meet any pipe, socket or other descriptor is `Descriptors`.
    Pipe(u64),
    Descriptors,
    Files,
    /// A word to sleep on: in which memory, and where there; any of them is `Futexes`.
    Futex(u64, u64),
    Futexes,
    Time,
    /// What is printed, where it counts who prints first.
    Printed,
    /// Memory that is shared: a segment by its id, a mapping by its birth, a process with threads.
    Memory(u64),
}

/// Is this memory a segment, and not a mapping?
pub fn is_segment(memory: u64) -> bool {
    memory <= u64::from(u32::MAX)
}

impl Thing {
    /// Are they the same, or is one a part of the other?
    pub fn meets(self, other: Thing) -> bool {
        let whole = |thing| match thing {
            Thing::Semaphore(id, _) => Some(Thing::Sem(id)),
            Thing::Pending(process, _) => Some(Thing::Pending(process, 0)),
            Thing::Pipe(_) => Some(Thing::Descriptors),
            Thing::Futex(..) => Some(Thing::Futexes),
            Thing::Shm(_) => Some(Thing::Segments),
            Thing::Memory(of) if is_segment(of) => Some(Thing::Resident),
            _ => None,
        };
        self == other || whole(self) == Some(other) || whole(other) == Some(self)
    }
}

/// Sets of bytes.
#[derive(Clone, Default)]
pub struct Ranges(BTreeMap<(u64, u64), u64>);

impl Ranges {
    /// Adds these. True: some of them are new.
    pub fn add(&mut self, bytes: Bytes) -> bool {
        let Bytes { memory, mut from, mut to } = bytes;
        if self.contain(bytes) {
            return false;
        }
        // Those that it touches become one with it.
        let near: Vec<_> =
            self.0.range((memory, 0)..=(memory, to)).map(|(at, end)| (*at, *end)).collect();
        for (at, end) in near.into_iter().filter(|(_, end)| *end >= bytes.from) {
            self.0.remove(&at);
            (from, to) = (from.min(at.1), to.max(end));
        }
        self.0.insert((memory, from), to);
        true
    }

    /// Is one of these bytes in it?
    pub fn meet(&self, bytes: Bytes) -> bool {
        let before = self.0.range((bytes.memory, 0)..(bytes.memory, bytes.to)).next_back();
        before.is_some_and(|(_, end)| *end > bytes.from)
    }

    fn contain(&self, bytes: Bytes) -> bool {
        let before = self.0.range((bytes.memory, 0)..=(bytes.memory, bytes.from)).next_back();
        before.is_some_and(|(_, end)| *end >= bytes.to)
    }

    /// All of them, in order.
    pub fn all(&self) -> impl Iterator<Item = Bytes> {
        self.0.iter().map(|((memory, from), to)| Bytes { memory: *memory, from: *from, to: *to })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(from: u64, to: u64) -> Bytes {
        Bytes { memory: 3, from, to }
    }

    #[test]
    fn ranges_join_where_they_touch() {
        let mut ranges = Ranges::default();
        assert!(ranges.add(bytes(0, 4)) && ranges.add(bytes(8, 12)) && !ranges.add(bytes(1, 3)));
        assert!(
            !ranges.meet(bytes(4, 8)) && ranges.meet(bytes(3, 5)) && ranges.meet(bytes(11, 40))
        );
        assert!(ranges.add(bytes(4, 8)));
        assert_eq!(ranges.all().collect::<Vec<_>>(), [bytes(0, 12)]);
        assert!(!ranges.meet(Bytes { memory: 2, from: 0, to: 99 }));
        assert!(ranges.add(bytes(2, 20)) && ranges.all().count() == 1);
    }
}
