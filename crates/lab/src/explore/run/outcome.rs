//! What is asked of a run, and how it went.

use super::{Disturbed, Race};
use crate::explore::printed::{Expected, Printed};
use crate::explore::schedule::Schedule;
use crate::explore::search::Mover;
use crate::explore::verdict::{Finding, Step, Story};

/// What is asked about the output of a run.
#[derive(Clone, Default)]
pub struct Asked {
    /// All that standard output must be.
    pub expected: Option<Expected>,
    /// It counts who prints first.
    pub interleaving: bool,
    /// Only calls are ordered, and no access to memory.
    pub calls_only: bool,
    /// Stores wait in a buffer.
    pub tso: bool,
}

/// How a run went.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    pub findings: Vec<Finding>,
    /// How each process ended, in the order of their births: `0`, `1`, `SIGTERM`, `lives`.
    pub ends: Vec<String>,
    pub schedule: Schedule,
    pub moves: usize,
    pub preemptions: u32,
    /// Who moves.
    pub way: Vec<Mover>,
    /// It was ended before all had ended or slept.
    pub over: bool,
    /// Why it cannot be said whether something is wrong.
    pub not_judged: Option<&'static str>,
    /// The guide let go of it.
    pub dropped: bool,
    pub printed: Printed,
    /// Accesses to shared memory that nothing ordered.
    pub races: Vec<Race>,
    pub disturbed: Disturbed,
    /// What happened, if that was asked for, and move by move.
    pub story: Story,
    pub steps: Vec<Step>,
}

impl Outcome {
    /// Did another run with the same choices come to the same?
    pub fn is_the_same(&self, other: &Outcome) -> bool {
        let ends = |one: &Outcome| (one.dropped, one.over, one.not_judged);
        let all = |one: &Outcome| (one.ends.clone(), one.findings.clone(), one.printed.clone());
        ends(self) == ends(other) && (self.dropped || all(self) == all(other))
    }

    /// So many bytes it takes, about.
    pub fn weight(&self) -> usize {
        let printed: usize = self.printed.interleaved().iter().map(|one| one.bytes.len()).sum();
        printed + size_of_val(&self.schedule.turns[..]) + size_of_val(&self.races[..])
    }
}
