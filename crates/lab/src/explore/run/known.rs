//! What a world knows from the runs that were made in it: with the same knowledge, the same choices lead to
//! the same run. Another world that runs the same programs can have it, too.

use std::collections::HashSet;

use super::clock::Clock;
use super::model::Ids;
use super::shared::learned::Learned;
use super::{Asked, Race, Room, World};
use crate::tracer::source::Sources;

/// See the module.
pub struct Known {
    ids: Ids,
    learned: Learned,
    circles: HashSet<(u64, u64)>,
    sources: Sources,
    sleepers_matter: bool,
    rows_matter: bool,
    unwatched: bool,
    size: Size,
}

/// How much it is. It only grows: where this is the same, so is what is known.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Size {
    circles: usize,
    flags: [bool; 3],
    /// What has a number. Runs do not depend on that, but what is told of them does.
    numbers: [usize; 2],
}

impl World {
    /// Another world in which the same programs are started, at the same time of the day.
    pub fn beside(room: Room, programs: usize, asked: Asked, clock: Clock) -> World {
        World { clock, is_beside: true, ..World::new(room, programs, asked) }
    }

    /// When each run starts.
    pub fn clock(&self) -> Clock {
        self.clock.clone()
    }

    /// Are runs made by copies, which nothing outside can tell from each other?
    pub fn can_have_one_beside(&self) -> bool {
        !self.held.is_empty() && self.room.tables.counts_ids() && self.has_its_own()
    }

    /// Did runs leave nothing where others find it?
    pub fn has_its_own(&self) -> bool {
        !self.leaves_files && self.room.places.are_its_own()
    }

    /// What is known now.
    pub fn known(&self) -> Known {
        Known {
            ids: self.ids.clone(),
            learned: self.learned.clone(),
            circles: self.circles.clone(),
            sources: self.sources.copy(),
            sleepers_matter: self.sleepers_matter,
            rows_matter: self.rows_matter,
            unwatched: self.unwatched,
            size: self.size(),
        }
    }

    /// Knows this from now on, and nothing else.
    pub fn knows(&mut self, known: &Known) {
        self.ids = known.ids.clone();
        self.learned = known.learned.clone();
        self.circles = known.circles.clone();
        self.sources = known.sources.copy();
        self.sleepers_matter = known.sleepers_matter;
        self.rows_matter = known.rows_matter;
        self.unwatched = known.unwatched;
        self.starts_again = false;
    }

    /// How much is known now. What was learned of memory is not in it: a world that has learned something there
    /// starts again.
    pub fn size(&self) -> Size {
        Size {
            circles: self.circles.len(),
            flags: [self.sleepers_matter, self.rows_matter, self.unwatched],
            numbers: [self.ids.0.len(), self.sources.count()],
        }
    }

    /// These races were seen in a run that was not made here.
    pub fn saw(&mut self, races: &[Race]) {
        self.learned.saw(races);
    }
}

impl Size {
    /// Was more known then, of what runs depend on?
    pub fn is_less_than(&self, later: &Size) -> bool {
        self.circles < later.circles || self.flags != later.flags
    }
}

impl Known {
    /// Does a world know no more than this?
    pub fn is_all(&self, world: &World) -> bool {
        self.size == world.size()
    }
}
