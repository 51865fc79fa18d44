//! A program on a stage: one run, in which somebody decides before each move who makes it. The processes are real,
//! and held in between. notes/stage.md

use std::cell::RefCell;
use std::rc::Rc;

use super::footprint::Footprint;
pub use super::report::ends;
use super::room::Scratch;
pub use super::run::Outcome;
use super::run::{Asked, World};
pub use super::scene::{Lane, Scene, Stands};
pub use super::schedule::{Who, letter};
use super::search::{Guide, Place};
pub use super::verdict::{Could, Kind, Line, Moment};
use super::{Bound, Options, Result, TICK, Trouble, cause, report, room, session};
use crate::asked;
use crate::syscalls;
use crate::tracer::cpu;
use crate::tracer::filter::Filter;
use crate::tracer::program::Program;

/// So many runs are made before the curtain rises: which accesses to memory matter is known then.
const REHEARSALS: u64 = 300;

/// Decides who moves.
pub trait Chooser {
    /// Which of those that could move does so; `None`: this run is to end.
    fn choose(&mut self, scene: &Scene) -> Option<usize>;
}

/// See the module.
pub struct Staged {
    world: World,
    scene: Rc<RefCell<Scene>>,
    /// Emptied before each run, and gone with us.
    _scratch: Scratch,
}

/// What the run asks is what the chooser is asked.
struct Asks<'a> {
    chooser: &'a mut dyn Chooser,
    scene: Rc<RefCell<Scene>>,
}

impl Guide for Asks<'_> {
    fn choose(&mut self, place: &Place) -> Option<usize> {
        if place.movers.is_empty() {
            return None;
        }
        let scene = self.scene.borrow();
        asked::tick_every(0);
        let chosen = self.chooser.choose(&scene);
        asked::tick_every(TICK);
        chosen
    }

    fn moved(&mut self, _: Footprint) {}
}

impl Staged {
    /// Makes the room for programs that run at the same time, and rehearses.
    pub fn new(programs: Vec<Program>) -> Result<Staged> {
        let filter = Filter::letting_through(&syscalls::harmless());
        let filter = filter.map_err(|error| Trouble::because(error.to_string()))?;
        let scratch = Scratch::new()?;
        scratch.is_named();
        asked::listen(&[libc::SIGINT, libc::SIGTERM, libc::SIGHUP]);
        cpu::pin();
        let room = room::enter(&programs, &filter, scratch.0.clone(), None)?;
        asked::tick_every(TICK);
        let mut world = World::new(room, programs.len(), Asked::default());
        world.looks_at_ends = true;
        let options = Options {
            max: REHEARSALS,
            workers: Some(1),
            ..Options::of(programs[0].words.clone(), Bound::Preemptions(2))
        };
        session::explored(&options, &mut world)?;
        let scene = Rc::new(RefCell::new(Scene::default()));
        world.scene = Some(scene.clone());
        Ok(Staged { world, scene, _scratch: scratch })
    }

    /// Runs the programs once, as the chooser says. Answers how they stand in the end, and how it went.
    pub fn run(&mut self, chooser: &mut dyn Chooser) -> Result<(Scene, Outcome)> {
        loop {
            let scene = self.scene.clone();
            let mut guide = Asks { chooser: &mut *chooser, scene };
            let outcome = self.world.run_by(&mut guide, true, true)?;
            // An access that was not known to matter is a move of its own from now on.
            if !std::mem::take(&mut self.world.starts_again) {
                return Ok((self.scene.borrow().clone(), outcome));
            }
        }
    }
}

/// What helps against a finding, and why.
pub fn cure(outcome: &Outcome) -> Option<String> {
    let finding = outcome.findings.first()?;
    Some(cause::of(&outcome.story, finding).cure.to_string())
}

/// A moment in one line.
pub fn spelled(line: &Line) -> String {
    report::line(line).replace(report::TIE, " ")
}
