//! What a move touches. Two moves whose footprints do not conflict may change places without a
//! visible difference, so only one of the two orders is tried.
//!
//! A footprint must never be too small, or an order is missed; if it is too large, one is tried twice.

use std::ops::Range;

pub use crate::memory::{Bytes, Thing, is_segment};

/// Bytes of a page.
const PAGE: u64 = 4096;

/// What a move does with a thing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Access {
    Looks,
    /// One more, or one less: the order of two such moves makes no difference.
    Counts,
    /// Bytes that hash to this are added at its end: the order of two that are equal makes no
    /// difference.
    Appends(u64),
    Changes,
}

/// What one move touched.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Footprint {
    /// It may have touched anything.
    everything: bool,
    touched: Vec<(Thing, Access)>,
    /// Bytes of memory that is watched, and whether they were written.
    bytes: Vec<(Bytes, bool)>,
    /// The stores of its thread, by their numbers, that it has put into the buffer.
    pub stores: Range<u32>,
    /// The one that it has taken out of there.
    pub drained: Option<u32>,
    /// It could not have been made before the buffer was empty.
    pub waits_for_stores: bool,
}

impl Footprint {
    /// Of a move of which nothing is known.
    pub fn everything() -> Footprint {
        Footprint { everything: true, ..Footprint::default() }
    }

    /// It may have touched anything.
    pub fn add_everything(&mut self) {
        self.everything = true;
    }

    /// It looked at a thing.
    pub fn reads(&mut self, thing: Thing) {
        self.add(thing, Access::Looks);
    }

    /// It is one more of those that have a thing, or one less: others that only count notice
    /// nothing of it.
    pub fn counts(&mut self, thing: Thing) {
        self.add(thing, Access::Counts);
    }

    /// It has added bytes at the thing's end.
    pub fn appends(&mut self, thing: Thing, bytes: u64) {
        self.add(thing, Access::Appends(bytes));
    }

    /// It changed a thing.
    pub fn writes(&mut self, thing: Thing) {
        self.add(thing, Access::Changes);
    }

    /// It read these bytes, or wrote them. What touches is one.
    pub fn bytes(&mut self, bytes: Bytes, writes: bool) {
        let near = |(one, wrote): &&mut (Bytes, bool)| *wrote == writes && one.touches(&bytes);
        match self.bytes.iter_mut().rev().find(near) {
            Some((one, _)) => (one.from, one.to) = (one.from.min(bytes.from), one.to.max(bytes.to)),
            None => self.bytes.push((bytes, writes)),
        }
    }

    /// What it touched but for memory, and whether it changed that.
    pub fn things(&self) -> impl Iterator<Item = (Thing, bool)> {
        self.touched.iter().map(|(thing, access)| (*thing, *access != Access::Looks))
    }

    /// Has it changed anything?
    pub fn changes(&self) -> bool {
        let wrote = self.bytes.iter().any(|(_, writes)| *writes);
        // One that might have noticed what is pending has done nothing to it.
        use Thing::{Heeds, Page, Pending, Resident};
        let notices = |thing: Thing| matches!(thing, Pending(..) | Heeds(_) | Page(..) | Resident);
        let changes =
            |(thing, access): &(Thing, Access)| *access != Access::Looks && !notices(*thing);
        self.everything || wrote || self.touched.iter().any(changes)
    }

    /// May there be an object of System V now that was not there, or another one?
    pub fn makes_objects(&self) -> bool {
        use Thing::*;
        self.may_have_made(|thing| matches!(thing, Shm(_) | Msg(_) | Sem(_) | Semaphore(..)))
    }

    /// The same of files.
    pub fn makes_files(&self) -> bool {
        self.may_have_made(|thing| matches!(thing, Thing::Files | Thing::Descriptors))
    }

    fn may_have_made(&self, is_made: impl Fn(Thing) -> bool) -> bool {
        self.everything
            || self.touched.iter().any(|(thing, how)| *how != Access::Looks && is_made(*thing))
    }

    /// Has it put the store into the buffer that another has taken out?
    pub fn puts(&self, other: &Footprint) -> bool {
        other.drained.is_some_and(|store| self.stores.contains(&store))
    }

    /// So many bytes it takes, about.
    pub fn weight(&self) -> usize {
        size_of_val(&self.touched[..]) + size_of_val(&self.bytes[..])
    }

    fn add(&mut self, thing: Thing, access: Access) {
        match self.touched.iter_mut().find(|(known, _)| *known == thing) {
            Some((_, known)) if *known != access => *known = Access::Changes,
            Some(_) => {}
            None => self.touched.push((thing, access)),
        }
    }

    /// Could the order of the two matter?
    pub fn conflicts(&self, other: &Footprint) -> bool {
        let clash = |(one, access): &(Thing, Access)| {
            let matters = |also: Access| *access != also || also == Access::Changes;
            other.touched.iter().any(|(two, also)| matters(*also) && one.meets(*two))
        };
        let overlap = |(one, wrote): &(Bytes, bool)| {
            other.bytes.iter().any(|(two, also)| (*wrote || *also) && one.meets(two))
        };
        self.everything
            || other.everything
            || self.touched.iter().any(clash)
            || self.bytes.iter().any(overlap)
            || self.counts_pages_of(other)
            || other.counts_pages_of(self)
    }

    /// Does it look at how much of the segments is in memory, and is there more since the other one?
    fn counts_pages_of(&self, other: &Footprint) -> bool {
        let brings = |(thing, access): &(Thing, Access)| {
            matches!(thing, Thing::Page(..)) && *access == Access::Changes
        };
        let counts = self.touched.iter().any(|(thing, _)| *thing == Thing::Resident);
        counts && other.touched.iter().any(brings)
    }

    /// The pages of segments in which its bytes lie.
    pub fn pages(&self) -> impl Iterator<Item = (u64, u64)> {
        let of = |(bytes, _): &(Bytes, bool)| {
            let Bytes { memory, from, to } = *bytes;
            (from / PAGE..to.div_ceil(PAGE)).map(move |page| (memory, page))
        };
        self.bytes.iter().filter(|(bytes, _)| is_segment(bytes.memory)).flat_map(of)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(list: &[(Thing, bool)]) -> Footprint {
        let mut footprint = Footprint::default();
        for &(thing, write) in list {
            if write { footprint.writes(thing) } else { footprint.reads(thing) }
        }
        footprint
    }

    #[test]
    fn two_looks_may_change_places_and_a_change_may_not() {
        let look = of(&[(Thing::Shm(1), false)]);
        let change = of(&[(Thing::Shm(1), true)]);
        assert!(!look.conflicts(&look));
        assert!(look.conflicts(&change) && change.conflicts(&look) && change.conflicts(&change));
        assert!(!change.conflicts(&of(&[(Thing::Shm(2), true), (Thing::Sem(1), true)])));
        assert!(Footprint::everything().conflicts(&Footprint::default()));
        let pipe = of(&[(Thing::Pipe(3), true)]);
        assert!(pipe.conflicts(&of(&[(Thing::Descriptors, false)])));
        assert!(!pipe.conflicts(&of(&[(Thing::Pipe(4), true)])));
    }

    #[test]
    fn two_that_count_may_change_places_and_one_that_looks_may_not() {
        let mut count = Footprint::default();
        count.counts(Thing::Shm(1));
        assert!(!count.conflicts(&count) && count.changes());
        assert!(count.conflicts(&of(&[(Thing::Shm(1), false)])));
        assert!(count.conflicts(&of(&[(Thing::Shm(1), true)])));
        let mut both = count.clone();
        both.reads(Thing::Shm(1));
        assert!(both.conflicts(&count) && both.conflicts(&both));
    }

    #[test]
    fn the_kernels_table_shows_every_segment_and_how_much_of_it_is_in_memory() {
        let mut table = of(&[(Thing::Segments, false)]);
        table.counts(Thing::Resident);
        assert!(!table.conflicts(&table));
        let mut attached = Footprint::default();
        attached.counts(Thing::Shm(3));
        let touched = of(&[(Thing::Page(3, 0), true)]);
        assert!(!table.conflicts(&of(&[(Thing::Page(3, 0), false)])));
        assert!(touched.conflicts(&of(&[(Thing::Page(3, 0), false)])));
        for other in [attached, touched, of(&[(Thing::Shm(-1), true), (Thing::Memory(3), false)])] {
            assert!(table.conflicts(&other) && other.conflicts(&table), "{other:?}");
        }
        assert!(!table.conflicts(&of(&[(Thing::Msg(3), true), (Thing::Memory(1 << 40), true)])));
        assert!(!table.conflicts(&of(&[(Thing::Pending(3, 0), true), (Thing::Files, true)])));
    }

    #[test]
    fn a_part_meets_its_whole_and_no_other_part() {
        let first = of(&[(Thing::Semaphore(7, 0), true)]);
        assert!(first.conflicts(&of(&[(Thing::Sem(7), false)])));
        assert!(!first.conflicts(&of(&[(Thing::Semaphore(7, 1), true), (Thing::Sem(8), true)])));
        let word = of(&[(Thing::Futex(1, 64), true)]);
        assert!(word.conflicts(&of(&[(Thing::Futexes, true)])));
        assert!(!word.conflicts(&of(&[(Thing::Futex(1, 68), true), (Thing::Futex(2, 64), true)])));
    }
}
