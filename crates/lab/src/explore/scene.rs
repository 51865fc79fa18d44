//! What somebody sees who chooses who moves: a run as it stands between two moves.

use super::schedule::Who;
use super::verdict::{Could, Kind, Line, Step};
use crate::event::Row;

/// See the module.
#[derive(Clone, Default)]
pub struct Scene {
    /// Processes and threads, in the order of their births.
    pub lanes: Vec<Lane>,
    /// Who can move.
    pub could: Vec<Could>,
    /// Who of them moves if nobody is interrupted.
    pub first: usize,
    /// Of each of them: it would take the turn from one that could go on.
    pub takes: Vec<bool>,
    pub story: Vec<Line>,
    pub steps: Vec<Step>,
    /// The kernel's tables.
    pub rows: Vec<(Kind, i32, Row)>,
    /// What shared memory holds, up to a page of each.
    pub memory: Vec<(u64, Vec<u8>)>,
    /// Before this step nobody looks: the scene is not made there.
    pub from: usize,
}

/// A process or a thread.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Lane {
    /// The number of its process.
    pub pid: i32,
    /// It is a thread of this lane's process.
    pub thread_of: Option<usize>,
    pub stands: Stands,
}

/// How it stands.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Stands {
    /// It can move.
    Ready,
    /// It sleeps in this call.
    Asleep(String),
    /// Its next call, this one, would sleep now, so it is not made yet.
    Waits(String),
    /// A signal has stopped it.
    Stopped,
    Gone,
}

impl Scene {
    /// The place among those that can move of one that did so elsewhere.
    pub fn position(&self, letter: usize, who: Who) -> Option<usize> {
        self.could.iter().position(|one| (one.letter, one.who) == (letter, who))
    }
}
