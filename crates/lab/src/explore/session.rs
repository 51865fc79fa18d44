//! A whole exploration: run after run, and what came of them.

use std::path::PathBuf;
use std::time::Instant;

use super::beside::{Beside, Plan, Stored};
use super::footprint::Footprint;
use super::hints::{self, Memory};
use super::outcomes::{Outcomes, name};
use super::printed::Expected;
use super::progress::Progress;
use super::report::{self, Answer};
use super::room::Scratch;
use super::run::{Asked, Outcome, World};
use super::search::records::{Noted, Played};
use super::search::{Bound, Counts, Guide, Place, Replay, Search, Way};
use super::verdict::Finding;
use super::{Options, Result, TICK, Trouble, cause, complain, exit, mapped, room};
use crate::asked;
use crate::syscalls;
use crate::tracer::cpu::{self, Idle};
use crate::tracer::filter::Filter;
use crate::tracer::program::Program;
use crate::tree::Target;

/// So often a plan is tried again when the programs do not do what they did before.
const PATIENCE: u32 = 5;

/// So many of the first runs that are known are made all the same, and one in so many of the later.
const CHECKED: [u64; 2] = [4, 16];

/// What it prints, and the program has failed then.
const LEAK_DETECTOR_REFUSES: &str = "LeakSanitizer has encountered a fatal error";

/// See [`super::explore`].
pub fn explore(options: &Options) -> Result<u8> {
    let commands = std::iter::once(&options.program).chain(options.others.iter().map(|one| &one.0));
    let find = |words: &Vec<std::ffi::OsString>| {
        Program::find(words).map_err(|errno| {
            let name = words[0].to_string_lossy().into_owned();
            Trouble::Because(exit::USAGE, format!("{name}: {}", sysv::spell::errno(errno)))
        })
    };
    let programs = commands.map(find).collect::<Result<Vec<_>>>()?;
    let expected = options.expect.as_deref().map(Expected::of).transpose();
    let expected = expected.map_err(|why| Trouble::Because(exit::USAGE, why))?;
    let target = options.tree.as_deref().map(Target::new).transpose();
    let target = target.map_err(|why| Trouble::Because(exit::USAGE, why))?;
    let filter = Filter::letting_through(&syscalls::harmless());
    let filter = filter.map_err(|error| Trouble::because(error.to_string()))?;
    let scratch = Scratch::new()?;
    scratch.is_named();
    asked::listen(&[libc::SIGINT, libc::SIGTERM, libc::SIGHUP]);
    let cpus = cpu::allowed();
    let here = if options.spread { None } else { cpu::pin() };
    let room = room::enter(&programs, &filter, scratch.0.clone(), None)?;
    asked::tick_every(TICK);
    let asked = Asked {
        expected,
        interleaving: options.interleaving,
        calls_only: options.calls_only,
        tso: options.tso || options.replay.as_ref().is_some_and(|one| one.buffers),
    };
    let mut world = World::new(room, programs.len(), asked.clone());
    if let Some(schedule) = &options.replay {
        world.sleepers_matter = schedule.sleeps;
        world.learned.makes_points(&schedule.points, schedule.patient);
        let mut replay = Replay::new(schedule);
        let outcome = loop {
            let outcome = world.run(&mut replay, true)?;
            // What has to be known of all of the run may be noticed in the middle of it.
            if !std::mem::take(&mut world.starts_again) {
                break outcome;
            }
            replay = Replay::new(schedule);
        };
        let outcome = compared(&mut world, outcome)?;
        if let Some(turn) = replay.wrong {
            let who = super::schedule::letter(turn.letter);
            let why = format!("this schedule does not fit this program: {who} cannot move there");
            return Err(Trouble::Because(exit::USAGE, why));
        }
        report::replayed(options, &outcome)?;
        return Ok(if outcome.findings.is_empty() { exit::NONE } else { exit::FOUND });
    }
    let another = here.and_then(|here| cpus.iter().copied().find(|cpu| *cpu != here));
    let second = another.filter(|_| options.workers != Some(1) && !options.tso).map(|cpu| {
        let found_at = scratch.0.clone();
        Second { programs, filter, asked, found_at, cpu, idle: Idle::of(cpus.len()) }
    });
    let mut answer = Exploration::new(options, &mut world, second).all()?;
    report::answer(options, &answer)?;
    match (&target, answer.stopped) {
        (None, _) => {}
        (Some(_), Some(_)) => complain("stopped before the tree: it is not written"),
        (Some(target), None) => {
            let (tree, stopped) = mapped::tree(options, &mut world)?;
            // What was found stays found.
            (answer.stopped, answer.complete) = (stopped, answer.complete && tree.complete);
            match target.write(&tree) {
                Ok(()) => report::mapped(options, &tree)?,
                Err(why) => {
                    complain(&why);
                    answer.complete = false;
                }
            }
        }
    }
    Ok(match (&answer.worst, answer.complete, answer.stopped) {
        (Some(_), ..) => exit::FOUND,
        (None, true, _) => exit::NONE,
        (None, false, Some(signal)) => 128 + signal as u8,
        (None, false, None) => exit::INCOMPLETE,
    })
}

/// Run after run, until every order was tried, or as many as are wanted.
pub fn explored(options: &Options, world: &mut World) -> Result<Answer> {
    let exploration = Exploration::new(options, world, None);
    // What is done to the programs is counted in each run.
    exploration.stored.give_up();
    exploration.all()
}

/// A run in which accesses race is wrong if it comes out otherwise than one in which nobody is interrupted.
fn compared(world: &mut World, outcome: Outcome) -> Result<Outcome> {
    let whole = outcome.findings.is_empty() && outcome.not_judged.is_none() && !outcome.dropped;
    if !whole || outcome.races.is_empty() {
        return Ok(outcome);
    }
    let first = loop {
        let first = world.run(&mut Search::new(Bound::Preemptions(0), true), false)?;
        if !std::mem::take(&mut world.starts_again) {
            break first;
        }
    };
    let printed = |one: &Outcome| one.printed.by_process();
    let same = first.ends == outcome.ends && printed(&first) == printed(&outcome);
    Ok(if same { outcome } else { with_race(world, outcome) })
}

/// Run after run, as the search has them.
struct Exploration<'a> {
    options: &'a Options,
    world: &'a mut World,
    search: Search,
    answer: Answer,
    /// How often in a row the programs did not do what they did before.
    again: u32,
    progress: Progress,
    /// What came of the first run, until a copy has gone the same way.
    first: Option<Outcome>,
    /// Runs that were made.
    stored: Stored,
    /// How many runs were known before.
    known: u64,
    /// What a second worker needs; none where there can be none, or there is one already.
    second: Option<Second>,
    beside: Option<Beside>,
    /// What came of the first run.
    began: Option<Outcome>,
}

/// What a second worker needs from the beginning.
struct Second {
    programs: Vec<Program>,
    filter: Filter,
    asked: Asked,
    found_at: PathBuf,
    cpu: usize,
    idle: Idle,
}

/// The search, and between two moves a look at the progress: one run may take seconds.
struct Watched<'a> {
    search: &'a mut Search,
    progress: &'a mut Progress,
    answer: &'a Answer,
    start: Instant,
}

impl Guide for Watched<'_> {
    fn choose(&mut self, place: &Place) -> Option<usize> {
        self.progress.show(self.answer, self.start.elapsed());
        self.search.choose(place)
    }

    fn moved(&mut self, footprint: Footprint) {
        self.search.moved(footprint);
    }
}

impl<'a> Exploration<'a> {
    fn new(options: &'a Options, world: &'a mut World, second: Option<Second>) -> Exploration<'a> {
        Exploration {
            options,
            world,
            search: Search::new(options.bound(), !options.all),
            answer: Answer::new(options.interleaving),
            again: 0,
            progress: Progress::new(options.json),
            first: None,
            stored: Stored::new(),
            known: 0,
            second,
            beside: None,
            began: None,
        }
    }

    /// All of them, or as many as were wanted.
    fn all(mut self) -> Result<Answer> {
        let start = Instant::now();
        loop {
            self.answer.runs += 1;
            let done = self.one(start).and_then(|done| self.ran(done));
            let goes_on = match done {
                // What is known so far is printed. A second signal ends that, too.
                Err(Trouble::Signal(signal)) => {
                    asked::heard();
                    (self.answer.stopped, self.answer.complete) = (Some(signal), false);
                    false
                }
                goes_on => goes_on?,
            };
            if !goes_on {
                break;
            }
            let races = !self.world.learned.races.is_empty();
            let differs = races && self.answer.outcomes.unlike_the_first().is_some();
            let enough = self.options.first && (self.answer.worst.is_some() || differs);
            if enough || self.answer.runs >= self.options.max {
                self.answer.complete = false;
                break;
            }
        }
        self.progress.end();
        self.beside = None;
        self.answer.seconds = start.elapsed().as_secs_f64();
        self.finish()
    }

    /// The next run: it is made, if none went the same way before.
    fn one(&mut self, start: Instant) -> Result<Outcome> {
        let known = self.known();
        if let Some(outcome) = known.as_ref().filter(|_| !self.is_checked()) {
            self.world.saw(&outcome.races);
            return Ok(outcome.clone());
        }
        self.search.again();
        if known.is_none() {
            self.send_ahead(start);
        }
        let mut watched = Watched {
            search: &mut self.search,
            progress: &mut self.progress,
            answer: &self.answer,
            start,
        };
        let mut noted = Noted::new(&mut watched);
        let before = self.world.size();
        let outcome = self.world.run(&mut noted, false)?;
        let steps = noted.steps;
        if self.world.starts_again || self.search.diverged {
            return Ok(outcome);
        }
        if known.is_some_and(|known| !known.is_the_same(&outcome)) {
            // More than order decides: what was taken for known may have come otherwise.
            self.stored.give_up();
            self.world.starts_again = true;
            return Ok(outcome);
        }
        if !self.world.has_its_own() {
            // Two runs at a time would find each other's.
            (self.second, self.beside) = (None, None);
        }
        let after = self.world.size();
        if before.is_less_than(&after) {
            self.stored.forget();
        } else if self.search.asks_again() {
            self.stored.keep(steps, &outcome);
        }
        Ok(outcome)
    }

    /// What comes of the next run, if one went the same way before.
    fn known(&mut self) -> Option<Outcome> {
        let Exploration { world, search, .. } = self;
        let known = self.stored.play(search, |played| match played {
            Played::End(outcome) => Some(outcome.clone()),
            Played::LetGo(one) => {
                // Which of these it had seen when it came so far is not kept.
                let all = one.races.iter().all(|race| world.learned.races.contains(race));
                all.then(|| Outcome { dropped: true, ..Outcome::default() })
            }
        });
        self.known += u64::from(known.is_some());
        known.flatten()
    }

    /// Some runs are made although they are known: do the programs do the same again?
    fn is_checked(&self) -> bool {
        self.known <= CHECKED[0] || self.known.is_multiple_of(CHECKED[1])
    }

    /// A second worker is started when it is worth it, and told where to go on.
    fn send_ahead(&mut self, start: Instant) {
        let wanted = self.options.workers.is_some();
        let worth_it = |second: &mut Second| wanted || second.idle.is_another(start);
        if let (Some(second), Some(first)) = (&mut self.second, &self.began)
            && worth_it(second)
        {
            let (first, second) = (first.clone(), self.second.take());
            let possible = self.world.can_have_one_beside() && !self.stored.is_given_up();
            self.beside = second.filter(|_| possible).and_then(|second| self.start(second, first));
        }
        let (search, world) = (&self.search, &*self.world);
        if self.beside.as_mut().is_some_and(|one| !one.sent_ahead(search, || world.known())) {
            self.beside = None;
        }
    }

    fn start(&self, second: Second, first: Outcome) -> Option<Beside> {
        let Second { programs, filter, asked, found_at, cpu, .. } = second;
        let (clock, known) = (self.world.clock(), self.world.known());
        let plan = Plan { programs, filter, asked, clock, found_at, cpu, first, known };
        Beside::start(plan, self.stored.clone())
    }

    /// All that was tried so far was of less than there is, or of something else.
    fn start_again(&mut self) {
        self.stored.forget();
        self.search = Search::new(self.options.bound(), !self.options.all);
        (self.answer.schedules, self.answer.not_judged, self.again) = (0, 0, 0);
        (self.answer.unstable, self.answer.worst) = (0, None);
        self.answer.outcomes = Outcomes::new(self.options.interleaving);
    }

    /// One run has ended. False: there is no other to be tried.
    fn ran(&mut self, outcome: Outcome) -> Result<bool> {
        if std::mem::take(&mut self.world.starts_again) {
            self.start_again();
            return Ok(true);
        }
        if self.answer.schedules == 0 && outcome.printed.says(LEAK_DETECTOR_REFUSES) {
            return Err(Trouble::because(
                "LeakSanitizer does not work in a program that is traced: run it with \
                 ASAN_OPTIONS=detect_leaks=0",
            ));
        }
        let goes_on = self.counted(outcome);
        let Some(first) = self.first.take().filter(|_| goes_on) else { return Ok(goes_on) };
        if !self.world.copies_do_the_same_as(&first)? {
            complain("a copy of the program does not do the same: each run starts it anew");
        }
        self.began = Some(first);
        Ok(true)
    }

    fn counted(&mut self, outcome: Outcome) -> bool {
        if !self.search.diverged {
            self.again = 0;
            if !outcome.dropped {
                match self.search.counts(!outcome.over) {
                    Counts::New(preemptions, way) => {
                        let outcome = Outcome { preemptions, way, ..outcome };
                        if self.answer.schedules == 0 {
                            self.first = Some(outcome.clone());
                        }
                        self.count(outcome, 1);
                    }
                    Counts::Before => self.count(outcome, 0),
                }
            }
            return self.search.next();
        }
        self.again += 1;
        if self.again < PATIENCE {
            self.search.again();
            return true;
        }
        self.answer.unstable += 1;
        self.again = 0;
        self.search.give_up()
    }

    /// `times`: 0 for one that came before.
    fn count(&mut self, outcome: Outcome, times: u64) {
        self.answer.schedules += times;
        self.answer.not_judged += times * u64::from(outcome.not_judged.is_some());
        let (name, bad) = (name(&outcome), !outcome.findings.is_empty());
        if bad && self.answer.worst.is_none() {
            self.progress.found(&self.answer, &name, &outcome.schedule);
        }
        self.answer.outcomes.count(&outcome, times);
        keep_shorter(&mut self.answer.worst, outcome);
    }

    fn finish(self) -> Result<Answer> {
        let mut answer = self.answer;
        answer.complete &= answer.unstable == 0 && answer.not_judged == 0;
        answer.cut = self.search.cut;
        answer.outcomes.chance |= prints_by_chance(self.world, &answer.outcomes)?;
        match &mut answer.worst {
            Some(worst) => tell(self.world, worst)?,
            None => answer.worst = raced(self.world, &answer.outcomes)?,
        }
        answer.memory = Memory::of(self.world);
        answer.starts = self.world.starts();
        if let (true, Some(good)) = (self.options.json, answer.outcomes.shortest_good()) {
            let told = self.world.run(&mut Way::new(&good.way), true)?;
            let is_good = told.findings.is_empty() && told.not_judged.is_none() && !told.dropped;
            answer.good = is_good.then_some(told);
        }
        Ok(answer)
    }
}

/// The bad run with the fewest preemptions, and of those the shortest.
fn keep_shorter(worst: &mut Option<Outcome>, outcome: Outcome) {
    let length = |one: &Outcome| (one.preemptions, one.moves, one.schedule.turns.len());
    let better = worst.as_ref().is_none_or(|worst| length(&outcome) < length(worst));
    if !outcome.findings.is_empty() && better {
        *worst = Some(outcome);
    }
}

/// Two schedules print different things: does each print the same when it is run again?
fn prints_by_chance(world: &mut World, outcomes: &Outcomes) -> Result<bool> {
    for one in outcomes.that_differ().into_iter().flatten() {
        let again = world.run(&mut Way::new(&one.shortest.way), false)?;
        if !again.dropped && outcomes.printed(&again) != one.printed {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Two orders end or print differently, and in one of them accesses race: it, with its story.
fn raced(world: &mut World, outcomes: &Outcomes) -> Result<Option<Outcome>> {
    let Some(other) = outcomes.unlike_the_first().filter(|_| !world.learned.races.is_empty())
    else {
        return Ok(None);
    };
    let told = world.run(&mut Way::new(&other.way), true)?;
    if told.dropped || told.races.is_empty() {
        return Ok(None);
    }
    Ok(Some(with_race(world, Outcome { preemptions: other.preemptions(), ..told })))
}

/// A run that came out otherwise than the first, with the race that is nearest to where the turn was taken.
fn with_race(world: &mut World, told: Outcome) -> Outcome {
    let all: Vec<Finding> =
        told.races.iter().map(|race| Finding::Race(hints::told(world, race))).collect();
    // A store that was seen late says more than where the turn was taken.
    let of = |finding: &Finding| {
        let cause = cause::of(&told.story, finding);
        cause.decides.map(|(at, _)| (cause.cure != cause::FENCE, at))
    };
    let race = all.iter().filter(|one| of(one).is_some()).min_by_key(|one| of(one));
    let race = race.or(all.first()).cloned();
    Outcome { findings: race.into_iter().collect(), ..told }
}

/// Runs it once more, for its story.
fn tell(world: &mut World, worst: &mut Outcome) -> Result<()> {
    for time in 0..2 * PATIENCE {
        let (mut way, mut replay) = (Way::new(&worst.way), Replay::new(&worst.schedule));
        let guide: &mut dyn Guide = if time < PATIENCE { &mut way } else { &mut replay };
        let again = world.run(guide, true)?;
        if !again.dropped && name(&again) == name(worst) {
            *worst = Outcome { preemptions: worst.preemptions, ..again };
            return Ok(());
        }
    }
    complain("this schedule does not always lead there: the program depends on more than order");
    Ok(())
}
