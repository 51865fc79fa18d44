//! Shared memory that a process has mapped.

use super::model::Process;
use super::shared::learned::PAGE;
use crate::explore::footprint::is_segment;

/// A map of one.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Map {
    pub start: u64,
    pub len: usize,
    /// Which memory: a segment's id, or a number for a mapping.
    pub memory: u64,
    /// Where in it the map begins.
    pub from: u64,
    /// What the program may do there.
    pub reads: bool,
    pub writes: bool,
    /// It is kept closed, and each access to it is seen.
    pub watched: bool,
}

impl Map {
    /// Where its last page ends.
    pub fn end(&self) -> u64 {
        self.start + (self.len as u64).next_multiple_of(PAGE)
    }

    /// Where in the memory an address of the map lies.
    pub fn inside(&self, at: u64) -> u64 {
        self.from + (at - self.start)
    }

    /// Where the memory would begin, if all of it were mapped.
    pub fn base(&self) -> u64 {
        self.start.wrapping_sub(self.from)
    }

    /// What is left of it without these pages.
    fn without(self, from: u64, to: u64) -> impl Iterator<Item = Map> {
        let before = Map { len: self.len.min(from.saturating_sub(self.start) as usize), ..self };
        let cut = to.clamp(self.start, self.end()) - self.start;
        let after = Map {
            start: self.start + cut,
            len: self.len.saturating_sub(cut as usize),
            from: self.from + cut,
            ..self
        };
        let apart = to <= self.start || self.end() <= from;
        let parts = if apart { [Some(self), None] } else { [Some(before), Some(after)] };
        parts.into_iter().flatten().filter(|part| part.len > 0)
    }

    /// Is it a segment, and not a mapping?
    pub fn is_segment(&self) -> bool {
        is_segment(self.memory)
    }
}

impl Process {
    /// Is some of its memory watched?
    pub fn watches(&self) -> bool {
        self.maps.iter().any(|map| map.watched)
    }

    /// The map in which an address lies.
    pub fn map_at(&self, at: u64) -> Option<&Map> {
        self.maps.iter().find(|map| (map.start..map.end()).contains(&at))
    }

    /// The same, if it is watched.
    pub fn watched_at(&self, at: u64) -> Option<&Map> {
        self.map_at(at).filter(|map| map.watched)
    }

    /// These pages are not what they were.
    pub fn unmap(&mut self, from: u64, to: u64) {
        self.maps = self.maps.iter().flat_map(|map| map.without(from, to)).collect();
        self.open.retain(|open| open.to <= from || to <= open.from);
    }
}
