//! What stays from run to run of the memory that is shared: where each access is looked at, and before which
//! accesses others can move. It only grows; when it has grown, the search begins again.

use std::collections::BTreeSet;

use super::order::Race;
use crate::explore::footprint::Bytes;
pub use crate::memory::Ranges;

/// Memory is closed page by page.
pub const PAGE: u64 = 4096;

/// The pages on which bytes lie.
pub fn pages(bytes: Bytes) -> impl Iterator<Item = u64> {
    bytes.from / PAGE..bytes.to.div_ceil(PAGE)
}

/// See the module.
#[derive(Clone, Default)]
pub struct Learned {
    /// Pages on which each access is looked at.
    fine: BTreeSet<(u64, u64)>,
    /// Bytes that two touch, and nothing orders them.
    raced: Ranges,
    /// Bytes by which they order the rest: touched by instructions that lock, or spun on.
    ordering: Ranges,
    /// The races, each once.
    pub races: BTreeSet<Race>,
    /// Accesses to which one comes again and again, and counts.
    counting: BTreeSet<u64>,
    /// Stores have to wait longer for the next load.
    pub patient: bool,
    /// Something was learned since that was asked last.
    grown: bool,
}

impl Learned {
    /// Are all accesses to this page looked at?
    pub fn is_fine(&self, memory: u64, page: u64) -> bool {
        self.fine.contains(&(memory, page))
    }

    /// So are those on which a segment ends in the middle: from the first run on, for it is seen who writes behind it.
    pub fn looks_at_the_end(&mut self, memory: u64, len: u64) {
        if !len.is_multiple_of(PAGE) {
            self.fine.insert((memory, len / PAGE));
        }
    }

    /// From now on they are.
    pub fn looks_closer_at(&mut self, bytes: Bytes) {
        for page in pages(bytes) {
            self.grown |= self.fine.insert((bytes.memory, page));
        }
    }

    /// Two accesses to fine pages race.
    pub fn race(&mut self, race: Race) {
        for one in &race.sides {
            self.grown |= self.raced.add(one.bytes);
        }
        self.races.insert(race);
    }

    /// These races were seen again.
    pub fn saw(&mut self, races: &[Race]) {
        self.races.extend(races);
    }

    /// These bytes order others.
    pub fn orders(&mut self, bytes: Bytes) {
        self.looks_closer_at(bytes);
        self.grown |= self.ordering.add(bytes);
    }

    /// Do these order others?
    pub fn is_ordering(&self, bytes: Bytes) -> bool {
        self.ordering.meet(bytes)
    }

    /// A store could have waited for a load, and has not.
    pub fn becomes_patient(&mut self) {
        self.grown |= !self.patient;
        self.patient = true;
    }

    /// One comes to this access again and again, and never in the same state. From now on it waits there.
    pub fn counts(&mut self, access: u64) {
        self.grown |= self.counting.insert(access);
    }

    /// Is that so?
    pub fn is_counting(&self, access: u64) -> bool {
        self.counting.contains(&access)
    }

    /// Is there one?
    pub fn knows_counting(&self) -> bool {
        !self.counting.is_empty()
    }

    /// Can others move before an access to these?
    pub fn is_point(&self, bytes: Bytes) -> bool {
        self.raced.meet(bytes) || self.ordering.meet(bytes)
    }

    /// All bytes before whose accesses others can move.
    pub fn points(&self) -> Vec<Bytes> {
        let mut all = Ranges::default();
        for bytes in self.raced.all().chain(self.ordering.all()) {
            all.add(bytes);
        }
        all.all().collect()
    }

    /// From now on others can move before accesses to these.
    pub fn makes_points(&mut self, all: &[Bytes], patient: bool) {
        self.patient = patient;
        for bytes in all {
            self.looks_closer_at(*bytes);
            self.raced.add(*bytes);
        }
        self.grown = false;
    }

    /// The bytes that are taken to order others.
    pub fn ordering(&self) -> impl Iterator<Item = Bytes> {
        self.ordering.all()
    }

    /// Was something learned since this was asked last? What was seen before was seen with less.
    pub fn has_grown(&mut self) -> bool {
        let grown = std::mem::take(&mut self.grown);
        if grown {
            self.races.clear();
        }
        grown
    }
}
