//! A program on a stage: one run, in which somebody decides before each move who makes it. The processes are real,
//! and held in between. notes/stage.md

use std::cell::RefCell;
use std::rc::Rc;

use super::footprint::Footprint;
pub use super::next::Next;
pub use super::orders::{Ahead, Orders};
use super::orders::{Counter, Plan};
pub use super::report::ends;
use super::room::{self, Scratch};
pub use super::run::Outcome;
use super::run::{Asked, World};
pub use super::scene::{Lane, Scene, Stands};
pub use super::schedule::{Who, letter};
use super::search::{Guide, Place};
pub use super::verdict::{Could, Kind, Line, Moment};
use super::{Result, TICK, Trouble, cause, report};
use crate::asked;
use crate::syscalls;
use crate::tracer::cpu;
use crate::tracer::filter::Filter;
use crate::tracer::program::Program;

/// So many runs are made at most before the curtain rises: which accesses to memory matter is known then.
const REHEARSALS: u64 = 300;
/// After so many in which no access was new, it is enough.
const NO_NEWS: u64 = 20;

/// Decides who moves.
pub trait Chooser {
    /// Which of those that could move does so; `None`: this run is to end.
    fn choose(&mut self, scene: &Scene) -> Option<usize>;
    /// Before this step it needs no scene: it knows who moves, as [`Chooser::known`] says.
    fn looks_from(&self) -> usize {
        0
    }
    /// Who moves at a step before that.
    fn known(&self, _step: usize) -> Option<(usize, Who)> {
        None
    }
    /// The programs do not do what they did before: nothing is known.
    fn lost(&mut self) {}
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
    at: usize,
}

impl Guide for Asks<'_> {
    fn choose(&mut self, place: &Place) -> Option<usize> {
        if place.movers.is_empty() {
            return None;
        }
        let at = self.at;
        self.at += 1;
        if at < self.scene.borrow().from {
            let known = self.chooser.known(at);
            let meant = |i: &usize| Some((place.letters[*i], place.movers[*i].who)) == known;
            let found = (0..place.movers.len()).find(meant);
            if found.is_none() {
                self.chooser.lost();
            }
            return found;
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
    /// Makes the room for programs that run at the same time, and rehearses. Answers also what can count orders
    /// meanwhile; `None`: two runs at a time would find each other's files.
    pub fn new(programs: Vec<Program>) -> Result<(Staged, Option<Ahead>)> {
        let filter = Filter::letting_through(&syscalls::harmless());
        let filter = filter.map_err(|error| Trouble::because(error.to_string()))?;
        let scratch = Scratch::new()?;
        scratch.is_named();
        asked::listen(&[libc::SIGINT, libc::SIGTERM, libc::SIGHUP]);
        let cpus = cpu::allowed();
        let here = cpu::pin();
        let room = room::enter(&programs, &filter, scratch.0.clone(), None)?;
        asked::tick_every(TICK);
        let mut world = World::new(room, programs.len(), Asked::default());
        world.looks_at_ends = true;
        let first = rehearse(&mut world)?;
        let other = cpus.into_iter().find(|cpu| Some(*cpu) != here).or(here);
        let possible = world.can_have_one_beside();
        let ahead = first.zip(other).filter(|_| possible).map(|(first, cpu)| {
            let (clock, known) = (world.clock(), world.known());
            let found_at = scratch.0.clone();
            Ahead::new(Plan { programs, filter, clock, found_at, cpu, first, known })
        });
        let scene = Rc::new(RefCell::new(Scene::default()));
        world.scene = Some(scene.clone());
        Ok((Staged { world, scene, _scratch: scratch }, ahead))
    }

    /// The same without a rehearsal: for one that runs the programs once.
    pub fn once(programs: Vec<Program>) -> Result<Staged> {
        let filter = Filter::letting_through(&syscalls::harmless());
        let filter = filter.map_err(|error| Trouble::because(error.to_string()))?;
        let scratch = Scratch::new()?;
        asked::listen(&[libc::SIGINT, libc::SIGTERM, libc::SIGHUP]);
        let _ = cpu::pin();
        let room = room::enter(&programs, &filter, scratch.0.clone(), None)?;
        asked::tick_every(TICK);
        let mut world = World::new(room, programs.len(), Asked::default());
        let scene = Rc::new(RefCell::new(Scene::default()));
        world.scene = Some(scene.clone());
        Ok(Staged { world, scene, _scratch: scratch })
    }

    /// Runs the programs once, as the chooser says. Answers how they stand in the end, and how it went.
    pub fn run(&mut self, chooser: &mut dyn Chooser) -> Result<(Scene, Outcome)> {
        loop {
            *self.scene.borrow_mut() = Scene { from: chooser.looks_from(), ..Scene::default() };
            let scene = self.scene.clone();
            let mut guide = Asks { chooser: &mut *chooser, scene, at: 0 };
            let outcome = self.world.run_by(&mut guide, true, true)?;
            // An access that was not known to matter is a move of its own from now on.
            if !std::mem::take(&mut self.world.starts_again) {
                return Ok((self.scene.borrow().clone(), outcome));
            }
            chooser.lost();
        }
    }
}

/// Runs the programs in many orders, and answers the first that went to its end. From now on they are copied.
fn rehearse(world: &mut World) -> Result<Option<Outcome>> {
    let mut counter = Counter::new(vec![]);
    let mut news = 0;
    while counter.runs < REHEARSALS && counter.runs - news < NO_NEWS && counter.goes_on(world)? {
        if std::mem::take(&mut world.starts_again) {
            counter.begin_again();
            news = counter.runs;
        }
    }
    let Some(first) = counter.first else { return Ok(None) };
    Ok(world.copies_do_the_same_as(&first)?.then_some(first))
}

/// What helps against a finding.
pub fn cure(outcome: &Outcome) -> Option<String> {
    let finding = outcome.findings.first()?;
    Some(cause::of(&outcome.story, finding).cure.to_string())
}

/// Who decided, and why.
pub fn decides(outcome: &Outcome) -> Option<String> {
    let finding = outcome.findings.first()?;
    cause::of(&outcome.story, finding).decides.map(|(_, why)| why)
}

/// A moment in one line.
pub fn spelled(line: &Line) -> String {
    report::line(line).replace(report::TIE, " ")
}

/// A run as `lab explore --replay --json` prints it. One that was left in the middle has no end.
pub fn as_json(outcome: &Outcome) -> String {
    let text = report::json_story(outcome);
    if !outcome.dropped {
        return text;
    }
    let end = text.trim_end().rfind('\n').map_or(0, |at| at + 1);
    text[..end].into()
}
