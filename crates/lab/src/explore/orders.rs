//! How many of the orders from a place of a run end in which way: counted beside the run that is held there, by a
//! thread of its own, in a room of its own.

use std::path::PathBuf;
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::footprint::Footprint;
use super::next::{self, Next};
use super::outcomes::name;
use super::room::{self, Scratch};
use super::run::{Asked, Clock, Known, Outcome, World};
use super::schedule::Who;
use super::search::{Bound, Counts, Guide, Place, Search};
use super::{Result, TICK, Trouble};
use crate::asked;
use crate::tracer::cpu;
use crate::tracer::filter::Filter;
use crate::tracer::program::Program;

/// So often the turn may be taken from one that could go on.
const PREEMPTIONS: u32 = 2;
/// So many runs are made at most for one place.
const COUNTED: u64 = 20_000;
/// So often it is said how many there are so far.
const SAID: Duration = Duration::from_millis(100);

/// How the orders from a place end.
#[derive(Clone, Default, Debug)]
pub struct Orders {
    /// Who has moved, up to that place.
    pub path: Vec<(usize, Who)>,
    /// Each end, whether something is wrong there, and how many orders lead to it.
    pub ends: Vec<(String, bool, u64)>,
    /// They are all.
    pub complete: bool,
    /// No more are counted.
    pub over: bool,
    /// What each next move leads to; before it is known, and where it cannot be: empty.
    pub next: Vec<Next>,
    /// So many runs were made.
    pub runs: u64,
}

/// So many runs are few.
const FEW: u64 = 300;

impl Orders {
    /// Were all counted with few runs? For many, somebody would wait too long.
    pub fn were_few(&self) -> bool {
        self.complete && self.are_few()
    }

    /// With few runs so far?
    pub fn are_few(&self) -> bool {
        self.runs <= FEW
    }

    /// So many there are, and in so many something is wrong.
    pub fn both(&self) -> (u64, u64) {
        let bad = self.ends.iter().filter(|end| end.1).map(|end| end.2).sum();
        (self.ends.iter().map(|end| end.2).sum(), bad)
    }

    fn count(&mut self, outcome: &Outcome) {
        let (name, bad) = (name(outcome), !outcome.findings.is_empty());
        match self.ends.iter_mut().find(|end| end.0 == name) {
            Some(end) => end.2 += 1,
            None => self.ends.push((name, bad, 1)),
        }
    }
}

/// The search for them.
pub struct Counter {
    path: Vec<(usize, Who)>,
    search: Search,
    orders: Orders,
    pub runs: u64,
    /// The first run that went to its end.
    pub first: Option<Outcome>,
    /// The programs do not do what they did before: what is not counted is not known.
    lost: bool,
}

/// The way to the place, and from there the search.
struct From<'a> {
    path: &'a [(usize, Who)],
    at: usize,
    search: &'a mut Search,
}

impl Guide for From<'_> {
    fn choose(&mut self, place: &Place) -> Option<usize> {
        let Some((letter, who)) = self.path.get(self.at) else { return self.search.choose(place) };
        if place.movers.is_empty() {
            return None;
        }
        self.at += 1;
        let meant = |i: &usize| place.letters[*i] == *letter && place.movers[*i].who == *who;
        (0..place.movers.len()).find(meant)
    }

    fn moved(&mut self, footprint: Footprint) {
        // The last one of the way is answered when the search has not begun.
        self.search.moved(footprint);
    }
}

impl Counter {
    /// Nothing is counted yet.
    pub fn new(path: Vec<(usize, Who)>) -> Counter {
        Counter {
            search: Search::new(Bound::Preemptions(PREEMPTIONS), true),
            orders: Orders { path: path.clone(), ..Orders::default() },
            path,
            runs: 0,
            first: None,
            lost: false,
        }
    }

    /// All so far were orders of less than there is.
    pub fn begin_again(&mut self) {
        let path = std::mem::take(&mut self.path);
        *self = Counter { runs: self.runs, ..Counter::new(path) };
    }

    /// One run more. False: there is no other to be made.
    pub fn goes_on(&mut self, world: &mut World) -> Result<bool> {
        self.runs += 1;
        let mut from = From { path: &self.path, at: 0, search: &mut self.search };
        let outcome = world.run(&mut from, false)?;
        let arrived = from.at == self.path.len();
        if world.starts_again {
            return Ok(true);
        }
        if !arrived || self.search.diverged {
            self.lost = true;
            return Ok(false);
        }
        if !outcome.dropped
            && let Counts::New(preemptions, way) = self.search.counts(!outcome.over)
        {
            self.orders.count(&outcome);
            if self.first.is_none() {
                self.first = Some(Outcome { preemptions, way, ..outcome });
            }
        }
        Ok(self.search.next())
    }
}

/// Counts the orders from a place, until all are known or `enough` says so.
fn count(
    world: &mut World,
    path: Vec<(usize, Who)>,
    mut enough: impl FnMut(&Orders) -> bool,
) -> Result<()> {
    let mut counter = Counter::new(path);
    let mut next = None;
    loop {
        let known = match next.take() {
            Some(known) => known,
            None => next::from(world, &counter.path)?,
        };
        if std::mem::take(&mut world.starts_again) {
            counter.begin_again();
            continue;
        }
        counter.orders.next.clone_from(&known);
        if enough(&counter.orders) {
            return Ok(());
        }
        next = Some(known);
        let goes_on = counter.runs < COUNTED && counter.goes_on(world)?;
        if std::mem::take(&mut world.starts_again) {
            counter.begin_again();
            next = None;
            continue;
        }
        counter.orders.runs = counter.runs;
        counter.orders.over = !goes_on;
        counter.orders.complete = !goes_on && !counter.lost && counter.runs < COUNTED;
        if enough(&counter.orders) || !goes_on {
            return Ok(());
        }
    }
}

/// What a second world is made of.
pub struct Plan {
    pub programs: Vec<Program>,
    pub filter: Filter,
    pub clock: Clock,
    /// Where programs find the folder for what they keep for a session.
    pub found_at: PathBuf,
    pub cpu: usize,
    /// What came of the first run: copies have to do the same.
    pub first: Outcome,
    pub known: Known,
}

/// See the module. Dropped, it ends.
pub struct Ahead {
    plan: Option<Plan>,
    jobs: Option<Sender<Vec<(usize, Who)>>>,
    said: Option<Receiver<Orders>>,
    thread: Option<JoinHandle<()>>,
    /// What is known of the place that was asked for last.
    pub last: Option<Orders>,
}

impl Ahead {
    /// It starts when it is asked for the first time.
    pub fn new(plan: Plan) -> Ahead {
        Ahead { plan: Some(plan), jobs: None, said: None, thread: None, last: None }
    }

    /// Counts the orders from a place: who has moved so far.
    pub fn ask(&mut self, path: Vec<(usize, Who)>) {
        if self.last.as_ref().is_some_and(|last| last.path == path) {
            return;
        }
        if let Some(plan) = self.plan.take() {
            self.start(plan);
        }
        self.last = Some(Orders { path: path.clone(), ..Orders::default() });
        // One that has ended says nothing more.
        let _ = self.jobs.as_ref().map(|jobs| jobs.send(path));
    }

    /// Is there more to say than before?
    pub fn has_news(&mut self) -> bool {
        let mut news = false;
        while let Some(Ok(said)) = self.said.as_ref().map(|said| said.try_recv()) {
            news |= self.take(said);
        }
        news
    }

    /// Waits until so much is known of that place, there is no more to know, a signal comes, or so much time has
    /// passed.
    pub fn wait(&mut self, most: Duration, known: impl Fn(&Orders) -> bool) {
        let begin = Instant::now();
        while self.last.as_ref().is_some_and(|last| !last.over && !known(last))
            && asked::to_stop().is_none()
            && begin.elapsed() < most
        {
            match self.said.as_ref().map(|said| said.recv_timeout(SAID)) {
                Some(Ok(said)) => drop(self.take(said)),
                Some(Err(std::sync::mpsc::RecvTimeoutError::Timeout)) => {}
                _ => return,
            }
        }
    }

    fn take(&mut self, said: Orders) -> bool {
        let meant = self.last.as_ref().is_some_and(|last| last.path == said.path);
        if meant {
            self.last = Some(said);
        }
        meant
    }

    fn start(&mut self, plan: Plan) {
        let (jobs, inbox) = channel();
        let (tell, said) = channel();
        let (ready, is_ready) = channel();
        asked::ends_beside(false);
        let work = move || drop(work(plan, &inbox, &tell, &ready));
        self.thread = std::thread::Builder::new().spawn(work).ok();
        // Nothing else of ours happens while a process is forked.
        let _ = is_ready.recv();
        (self.jobs, self.said) = (Some(jobs), Some(said));
    }
}

impl Drop for Ahead {
    fn drop(&mut self) {
        asked::ends_beside(true);
        self.jobs = None;
        // One that has panicked has ended, too.
        let _ = self.thread.take().map(JoinHandle::join);
        asked::ends_beside(false);
    }
}

/// The whole life of the thread.
fn work(
    plan: Plan,
    jobs: &Receiver<Vec<(usize, Who)>>,
    said: &Sender<Orders>,
    ready: &Sender<()>,
) -> Result<()> {
    let _tick = asked::works_beside(TICK).map_err(Trouble::of("timer_create()"))?;
    cpu::pin_to(plan.cpu);
    let scratch = Scratch::new()?;
    let room = room::enter(&plan.programs, &plan.filter, scratch.0.clone(), Some(&plan.found_at))?;
    asked::hears_the_first_thread_alone();
    let _ = ready.send(());
    let mut world = World::beside(room, plan.programs.len(), Asked::default(), plan.clock);
    world.looks_at_ends = true;
    world.knows(&plan.known);
    if !world.copies_do_the_same_as(&plan.first)? {
        return Ok(());
    }
    let mut job = jobs.recv().ok();
    while let Some(path) = job.take() {
        let (mut next, mut since) = (None, Instant::now());
        count(&mut world, path, |orders| {
            if orders.over || orders.runs == 0 || since.elapsed() > SAID {
                since = Instant::now();
                let _ = said.send(orders.clone());
            }
            next = Some(jobs.try_recv());
            !matches!(next, Some(Err(TryRecvError::Empty)))
        })?;
        job = match next {
            Some(Ok(path)) => Some(path),
            Some(Err(TryRecvError::Disconnected)) => None,
            _ => jobs.recv().ok(),
        };
    }
    Ok(())
}
