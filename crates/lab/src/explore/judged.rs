//! A program for a judge: what it does in every order of its calls, and in one order when it is disturbed.
//! One room holds one of these at a time, and one process of ours makes one room: a judge forks for each.

use super::footprint::Footprint;
pub use super::printed::Expected;
pub use super::report::Answer;
use super::room::Scratch;
use super::run::{Asked, World};
pub use super::run::{Disturbance, Most, Outcome, Struck};
pub use super::schedule::{Schedule, letter};
use super::search::{Guide, Place, Replay};
use super::session;
pub use super::verdict::{Asleep, Finding, Line, Moment, all_of, word};
use super::{Bound, Options, Result, TICK, Trouble, cause, report, room};
use crate::asked;
pub use crate::memory::{Bytes, name, place};
use crate::syscalls;
use crate::tracer::cpu;
use crate::tracer::filter::Filter;
use crate::tracer::program::Program;

/// See the module.
pub struct Trial {
    world: World,
    options: Options,
    /// Emptied before each run, and gone with us.
    _scratch: Scratch,
}

/// How it is tried.
pub struct Wanted {
    /// All that standard output must be.
    pub prints: Option<Expected>,
    pub preemptions: u32,
    /// So often the program is run at most.
    pub runs: u64,
    /// Accesses to shared memory are ordered, too.
    pub accesses: bool,
    /// It matters who writes behind the end of a segment.
    pub ends: bool,
    pub most: Most,
    /// What stands around the programs.
    pub walls: fn() -> std::result::Result<(), String>,
}

/// In one order: the process that moved last goes on while it can.
struct Straight;

impl Guide for Straight {
    fn choose(&mut self, place: &Place) -> Option<usize> {
        Some(place.current.or(place.due).unwrap_or(0))
    }

    fn moved(&mut self, _: Footprint) {}
}

impl Trial {
    /// Makes the room for a program, or for several that run at the same time.
    pub fn new(programs: Vec<Program>, wanted: Wanted) -> Result<Trial> {
        let bound = Bound::Preemptions(wanted.preemptions);
        let options = Options {
            max: wanted.runs,
            calls_only: !wanted.accesses,
            ..Options::of(programs[0].words.clone(), bound)
        };
        let filter = Filter::letting_through(&syscalls::harmless());
        let filter = filter.map_err(|error| Trouble::because(error.to_string()))?;
        let scratch = Scratch::new()?;
        scratch.is_named();
        cpu::pin();
        let room = room::enter_within(&wanted.walls, &programs, &filter, scratch.0.clone(), None)?;
        asked::tick_every(TICK);
        let expected = wanted.prints;
        let calls_only = options.calls_only;
        let asked = Asked { expected, interleaving: false, calls_only, tso: false };
        let mut world = World::new(room, programs.len(), asked);
        (world.most, world.looks_at_ends) = (wanted.most, wanted.ends);
        Ok(Trial { world, options, _scratch: scratch })
    }

    /// Tries every order.
    pub fn every_order(&mut self) -> Result<Answer> {
        self.world.disturbance = None;
        session::explored(&self.options, &mut self.world)
    }

    /// Runs one order that is known, with its story.
    pub fn again(&mut self, schedule: &Schedule) -> Result<Outcome> {
        (self.world.sleepers_matter, self.world.disturbance) = (schedule.sleeps, None);
        self.world.learned.makes_points(&schedule.points, schedule.patient);
        loop {
            let outcome = self.world.run(&mut Replay::new(schedule), true)?;
            if !std::mem::take(&mut self.world.starts_again) {
                return Ok(outcome);
            }
        }
    }

    /// Runs it once, with its story.
    pub fn once(&mut self, disturbance: Option<Disturbance>) -> Result<Outcome> {
        self.world.disturbance = disturbance;
        loop {
            let outcome = self.world.run(&mut Straight, true)?;
            if !std::mem::take(&mut self.world.starts_again) {
                return Ok(outcome);
            }
        }
    }
}

/// The line of the story that decided, and why.
pub fn decides(outcome: &Outcome) -> Option<(usize, String)> {
    outcome.findings.first().and_then(|finding| cause::of(&outcome.story, finding).decides)
}

/// A moment in one line.
pub fn spelled(line: &Line) -> String {
    report::line(line).replace(report::TIE, " ")
}

/// A whole run as events, one a line.
pub fn events(outcome: &Outcome) -> String {
    report::json_story(outcome)
}

/// A whole run, as `lab explore` prints it.
pub fn story(outcome: &Outcome) -> String {
    report::story(outcome)
}
