//! One run of the real programs, in which only one process or thread moves at a time.
//!
//! | module | what it holds |
//! |---|---|
//! | [`moves`] | one move of one of them |
//! | [`programs`] | the programs, and what a call of theirs does |
//! | [`life`] | what a birth or an end of theirs does |
//! | [`candidates`] | who can move at a place |
//! | [`asleep`] | who cannot move, and who has been woken |
//! | [`blocked`] | calls that cannot be made yet |
//! | [`model`] | what is known of processes and threads |
//! | [`maps`] | what they have mapped |
//! | [`results`] | what the end of a call means |
//! | [`tracees`] | the threads as the tracer has them: held, let go on, waited for |
//! | [`clock`] | time, which passes when we say so |
//! | [`timers`] | alarms and other timers, and the limits of sockets |
//! | [`looks`] | processes that only check again what they have checked already |
//! | [`touched`] | what a move touches |
//! | [`proc`] | what a look into /proc touches |
//! | [`shared`] | memory that they share: each access to it |
//! | [`disturbed`] | what is done to them, to see how they take it |
//! | [`judge`] | what is wrong |
//! | [`known`] | what is known from runs before |
//! | [`outcome`] | how it went |
//! | [`shown`] | how it stands |
//! | [`story`] | the lines that are printed |

use std::cell::RefCell;
use std::collections::HashSet;
use std::rc::Rc;

use super::held::Held;
use super::printed::Expected;
use super::room::{self, Room};
use super::scene::Scene;
use super::schedule::{Turn, Who};
use super::search::{Guide, Mover, Place, Way, cost};
use super::verdict::{Finding, Moment};
use super::{Result, Trouble};
use crate::asked;

mod asleep;
mod blocked;
mod candidates;
mod clock;
mod disturbed;
mod judge;
mod known;
mod life;
mod looks;
mod maps;
mod model;
mod moves;
mod outcome;
mod proc;
mod programs;
mod results;
mod shared;
mod shown;
mod spins;
mod story;
mod timers;
mod touched;
mod tracees;

use crate::tracer::instruction::Instructions;
use crate::tracer::source::Sources;
use candidates::Candidate;
pub use clock::Clock;
pub use disturbed::{Disturbance, Disturbed, Most, Struck};
use judge::Judge;
pub use known::Known;
use model::Ids;
use moves::Moves;
pub use outcome::{Asked, Outcome};
use programs::Programs;
pub use shared::buffer::Early;
use shared::learned::Learned;
pub use shared::order::Race;
use spins::state;
use story::Narrator;

/// So many numbers are tried for the first process of a run.
const NUMBERS: i32 = 40;
/// So often a copy is made again that did not get its number.
const COPIES: u32 = 50;
/// In so many moves in a row, processes only checked again what had not changed, or time passed
/// because no process could move. Then this may go on for ever, and it does if all processes are in
/// a state that came before.
const NOWHERE: u32 = 300;
/// So many states are compared: if each was new, the next one will be new, too.
const STATES: usize = 200;

/// What stays from run to run: which process is which.
pub struct World {
    /// The programs after their start, to be copied for each run; none where that cannot be.
    /// They end before the room does.
    held: Vec<Held>,
    room: Room,
    programs: usize,
    ids: Ids,
    /// The programs can tell who sleeps from who has not come to sleep: to fall asleep is a move.
    pub sleepers_matter: bool,
    /// They look at the rows of segments.
    rows_matter: bool,
    /// What was asked for, beyond findings.
    asked: Asked,
    clock: Clock,
    /// What time it is for them there.
    held_clock: Clock,
    /// One of these was found out: all orders so far were of less than there is.
    pub starts_again: bool,
    /// Accesses to some shared memory could not be looked at.
    pub unwatched: bool,
    /// Stores left their buffer earlier than they had to.
    pub early: Early,
    pub learned: Learned,
    pub sources: Sources,
    pub instructions: Instructions,
    /// Accesses to which a program comes round in a circle, with its registers.
    circles: HashSet<(u64, u64)>,
    /// Another one runs the same programs at the same time, and is asked first: see [`super::beside`].
    pub is_beside: bool,
    /// A run may have changed files where another one finds them.
    leaves_files: bool,
    /// What is done to the programs in the next runs.
    pub disturbance: Option<Disturbance>,
    pub most: Most,
    /// Each access to the page on which a segment ends is looked at.
    pub looks_at_ends: bool,
    /// What somebody sees who looks on.
    pub scene: Option<Rc<RefCell<Scene>>>,
}

impl World {
    /// A world in which so many programs are started for each run.
    pub fn new(room: Room, programs: usize, asked: Asked) -> World {
        World {
            room,
            programs,
            asked,
            held_clock: Clock::start(),
            clock: Clock::start(),
            held: vec![],
            ids: Ids::default(),
            sleepers_matter: false,
            rows_matter: false,
            starts_again: false,
            unwatched: false,
            early: Early::default(),
            learned: Learned::default(),
            sources: Sources::default(),
            instructions: Instructions::default(),
            circles: HashSet::new(),
            is_beside: false,
            leaves_files: false,
            disturbance: None,
            most: Most::default(),
            looks_at_ends: false,
            scene: None,
        }
    }

    /// Runs the programs once, as the guide says. With `tell`, the outcome includes the whole
    /// story.
    pub fn run(&mut self, guide: &mut dyn Guide, tell: bool) -> Result<Outcome> {
        self.run_by(guide, tell, !tell)
    }

    /// `by_copy`: of programs that are held, if there are any.
    pub fn run_by(&mut self, guide: &mut dyn Guide, tell: bool, by_copy: bool) -> Result<Outcome> {
        // The kernel may need a moment to give up the numbers of a run before.
        for _ in 0..if by_copy { COPIES } else { 0 } {
            match self.run_once(guide, tell, true, room::first_pid(0)) {
                Err(Trouble::Taken) => std::thread::yield_now(),
                done => return done,
            }
        }
        // Then others.
        for attempt in 0..NUMBERS {
            match self.run_once(guide, tell, false, room::first_pid(attempt)) {
                Err(Trouble::Taken) => {}
                done => return done,
            }
        }
        Err(Trouble::Taken)
    }

    /// How many programs were started so far.
    pub fn starts(&self) -> u64 {
        self.room.starts
    }

    /// Starts the programs once more and holds them, if that can be: from now on runs are copies of them.
    /// Does a copy go the same way as this run, in which they were started? If not, each run starts them.
    pub fn copies_do_the_same_as(&mut self, first: &Outcome) -> Result<bool> {
        if self.held.is_empty() {
            self.hold()?;
        }
        if self.held.is_empty() {
            return Ok(true);
        }
        let copied = self.run_by(&mut Way::new(&first.way), false, true)?;
        let same = !copied.dropped
            && copied.schedule.to_string() == first.schedule.to_string()
            && copied.ends == first.ends
            && copied.printed == first.printed;
        if !same {
            self.held.clear();
        }
        Ok(same)
    }

    fn hold(&mut self) -> Result<()> {
        self.room.renew()?;
        if !self.room.next_number(room::HELD)? {
            return Ok(());
        }
        let mut moves = Moves { all: Programs::new(self, false) };
        moves.all.copied_as = Some(room::first_pid(0));
        let started = moves.until_they_are_known(room::HELD);
        let taken = if started.is_ok() { moves.take() } else { None };
        let clock = moves.all.clock.clone();
        moves.all.clear()?;
        started?;
        self.held_clock = clock;
        let taken = taken.into_iter().flatten().zip(room::first_pid(0)..);
        for ((thread, entry, number_at), number) in taken {
            self.held.extend(Held::hold(&self.room, thread, &entry, (number_at, number))?);
        }
        if self.held.len() < self.programs {
            self.held.clear();
        }
        Ok(())
    }

    fn run_once(
        &mut self,
        guide: &mut dyn Guide,
        tell: bool,
        by_copy: bool,
        first_pid: i32,
    ) -> Result<Outcome> {
        self.room.renew()?;
        let mut run = Run {
            moves: Moves { all: Programs::new(self, tell) },
            outcome: Outcome::default(),
            last: None,
            ticks: 0,
            looks: 0,
            states: HashSet::new(),
        };
        run.outcome.schedule.sleeps = run.moves.all.world.sleepers_matter;
        run.outcome.schedule.buffers = run.moves.all.world.buffers();
        let started = match by_copy && !run.moves.all.world.held.is_empty() {
            true => run.moves.copy(first_pid),
            false => run.moves.start(first_pid),
        };
        let done = started.and_then(|()| run.play(guide));
        run.show(&Place::default(), &[]);
        done.and(run.moves.all.clear())?;
        let world = &mut run.moves.all.world;
        world.starts_again |= world.learned.has_grown();
        run.outcome.schedule.points = world.learned.points();
        run.outcome.schedule.patient = world.learned.patient;
        let Programs { judge, mut narrator, mut printed, world, races, disturbed, .. } =
            run.moves.all;
        let exploration = world.clock.day()..=Clock::start().day();
        printed.at_one_time(&exploration);
        narrator.at_one_time(&exploration);
        let Judge { mut findings, ends, over, not_judged, .. } = judge;
        let whole = findings.is_empty() && !run.outcome.dropped && not_judged.is_none();
        let differs = |expected: &Expected| expected.differs(&printed, &ends);
        if let Some(difference) = world.asked.expected.as_ref().filter(|_| whole).and_then(differs)
        {
            findings.push(Finding::Prints { difference });
        }
        let Narrator { story, steps, .. } = narrator;
        Ok(Outcome {
            findings,
            ends,
            over,
            not_judged,
            story,
            steps,
            printed,
            races,
            disturbed,
            ..run.outcome
        })
    }
}

/// One run under way.
struct Run<'a> {
    moves: Moves<'a>,
    outcome: Outcome,
    /// The process that moved last.
    last: Option<Mover>,
    /// How often in a row time passed because no process could move.
    ticks: u32,
    /// How many moves in a row only looked again at what had not changed.
    looks: u32,
    /// Who moved, and the state afterwards, since then.
    states: HashSet<(usize, u64)>,
}

impl Run<'_> {
    /// Moves until all have ended or none can move.
    fn play(&mut self, guide: &mut dyn Guide) -> Result<()> {
        while !self.moves.all.judge.over {
            if let Some(signal) = asked::to_stop() {
                return Err(Trouble::Signal(signal));
            }
            if asked::is_enough() {
                return Err(Trouble::Signal(libc::SIGTERM));
            }
            self.moves.find_blocked();
            let candidates = self.candidates();
            if candidates.is_empty() && self.moves.has_blocked() {
                if !self.moves.goes_round_again() {
                    guide.choose(&self.place(&[]));
                    self.moves.let_sleep()?;
                }
                continue;
            }
            if candidates.is_empty() {
                let Programs { judge, model, .. } = &mut self.moves.all;
                judge.nobody_moves(model);
                return Ok(());
            }
            if self.moves.all.world.starts_again {
                self.outcome.dropped = true;
                return Ok(());
            }
            let place = self.place(&candidates);
            self.show(&place, &candidates);
            let Some(chosen) = guide.choose(&place) else {
                self.outcome.dropped = true;
                return Ok(());
            };
            let idle = self.is_idle();
            self.note_choice(&place, chosen);
            let Programs { narrator, model, .. } = &mut self.moves.all;
            let could = candidates.iter().map(|one| (one.task, one.mover.who));
            narrator.moves(model, could, chosen, cost(&place, chosen) > 0);
            self.move_one(candidates[chosen], cost(&place, chosen) > 0)?;
            self.moves.all.touched.resident();
            guide.moved(std::mem::take(&mut self.moves.all.touched.made));
            self.look_at_progress(candidates[chosen], candidates.len(), idle);
        }
        Ok(())
    }

    fn note_choice(&mut self, place: &Place, chosen: usize) {
        if place.movers.len() > 1 {
            let turn = Turn { letter: place.letters[chosen], who: place.movers[chosen].who };
            self.outcome.schedule.turns.push(turn);
        }
        self.outcome.preemptions += cost(place, chosen);
        self.outcome.moves += 1;
    }

    /// One moves. `taken`: it takes the turn from one that could have gone on.
    fn move_one(&mut self, Candidate { mover, task }: Candidate, taken: bool) -> Result<()> {
        let all = &mut self.moves.all;
        let last = self.last.replace(mover);
        let goes_on =
            |last: Mover| last.id == mover.id && last.who.is_time() == mover.who.is_time();
        if last.is_some_and(|last| !goes_on(last)) {
            all.model.tasks[task].looks.takes_turn();
            all.narrator.tell(&all.model, task, Moment::Turn { taken });
        }
        if mover.who == Who::Buffer {
            all.drain(task);
            all.narrator.has_moved(&all.model);
            return Ok(());
        }
        all.touched.made = all.certain(task, mover.who.is_time());
        all.touched.has_call = all.next_call(task, mover.who.is_time()).is_some();
        let waited = std::mem::take(&mut all.model.tasks[task].waited_for_stores);
        all.touched.made.waits_for_stores = waited || all.waits_for_its_stores(task);
        all.model.tasks[task].looks.yields = false;
        match mover.who {
            Who::Time => self.moves.pass_time(task)?,
            _ => {
                self.moves.disturb(task);
                self.moves.go(task)?;
            }
        }
        self.moves.settle()?;
        let Programs { touched, model, .. } = &mut self.moves.all;
        let changed = std::mem::take(&mut touched.changed);
        match mover.who.is_time() {
            true => model.tasks[task].looks.naps(),
            false if changed => model.tasks[task].looks.changed(),
            false => {}
        }
        touched.memory(model, task);
        model.has_gone_on(task);
        self.moves.all.look_at_mask(task);
        self.moves.all.narrator.has_moved(&self.moves.all.model);
        Ok(())
    }

    /// After a move: does it go on and on, and nothing changes?
    fn look_at_progress(&mut self, moved: Candidate, candidates: usize, idle: bool) {
        let model = &mut self.moves.all.model;
        let repeats = model.tasks[moved.task].looks.yields && moved.mover.who == Who::Itself;
        let movers = (0..model.tasks.len()).filter(|i| model.can_move(*i)).count();
        // A process has moved: those that waited for that may check again.
        if !repeats || candidates > 1 || movers > 1 {
            let others = model.tasks.iter_mut().enumerate().filter(|(i, _)| *i != moved.task);
            others.for_each(|(_, task)| task.looks.may_look());
        }
        self.looks = if repeats { self.looks + 1 } else { 0 };
        self.ticks = match (idle, moved.mover.who.is_time()) {
            (true, true) => self.ticks + 1,
            (true, false) => self.ticks,
            (false, _) => 0,
        };
        let most = self.moves.all.world.most.moves;
        let Programs { judge, model, tracees, .. } = &mut self.moves.all;
        if self.looks.max(self.ticks) <= NOWHERE {
            self.states.clear();
        } else if self.states.len() < STATES
            && let Some(state) = state(model, tracees)
            && !self.states.insert((moved.task, state))
        {
            return judge.endless(model, moved.task);
        }
        if self.outcome.moves > most {
            judge.not_judged("it makes more moves than the explorer follows");
        }
    }
}
