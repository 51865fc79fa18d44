//! A second worker, for a second CPU that is idle. It decides nothing: it makes runs for which the search will ask
//! later, and keeps them. The search itself goes on as it does alone, so the answer is the same; what it never asks
//! for is thrown away.
//!
//! It has a world of its own: a room, with one filter and its namespaces, and copies of the programs. What the first
//! world has learned it is told. Where it would learn more itself, its run is not kept: the first world has to make it,
//! to learn the same at its time.

use std::path::PathBuf;
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;

use super::room::{self, Scratch};
use super::run::{Asked, Clock, Known, Outcome, World};
use super::search::records::{Noted, Played, Records, Step};
use super::search::{Branch, Search};
use super::{Result, TICK, Trouble};
use crate::asked;
use crate::tracer::cpu;
use crate::tracer::filter::Filter;
use crate::tracer::program::Program;

/// In so many runs of the second worker, the first one has come to where it is: it was sent too near.
const NEAR: u64 = 16;
/// Or, in so many, too far.
const FAR: u64 = 256;
/// So many places are passed over at most.
const FARTHEST: usize = 64;

/// Runs that were made by both workers.
pub struct Store {
    /// `None`: the same choices do not always lead to the same.
    records: Option<Records<Outcome>>,
    /// How often the first world has learned something: what was made before is of no use.
    age: u64,
    /// The second worker has nothing to do.
    idle: bool,
    /// Its runs since it was told where to go on.
    made: u64,
}

/// They are for both.
#[derive(Clone)]
pub struct Stored(Arc<Mutex<Store>>);

impl Stored {
    /// None yet.
    pub fn new() -> Stored {
        let records = Some(Records::default());
        Stored(Arc::new(Mutex::new(Store { records, age: 0, idle: true, made: 0 })))
    }

    fn lock(&self) -> MutexGuard<'_, Store> {
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// What comes of the next run of this search, if one went the same way before: `of` says it.
    pub fn play<R>(&self, search: &mut Search, of: impl FnOnce(Played<Outcome>) -> R) -> Option<R> {
        self.lock().records.as_ref()?.play(search).map(of)
    }

    /// Keeps a run.
    pub fn keep(&self, steps: Vec<Step>, outcome: &Outcome) {
        if let Some(records) = &mut self.lock().records {
            records.keep(steps, outcome.clone(), outcome.weight());
        }
    }

    /// Keeps a run of the second worker, which was asked for at this age. False: it is of no use any more.
    fn keep_of(&self, age: u64, steps: Vec<Step>, outcome: &Outcome) -> bool {
        let mut store = self.lock();
        let fits = store.age == age;
        store.made += u64::from(fits);
        match &mut store.records {
            Some(records) if fits => {
                records.keep(steps, outcome.clone(), outcome.weight());
                true
            }
            _ => false,
        }
    }

    /// More has been learned: what was made before went another way.
    pub fn forget(&self) {
        let mut store = self.lock();
        store.age += 1;
        store.records = store.records.take().map(|_| Records::default());
    }

    /// From now on, nothing is kept.
    pub fn give_up(&self) {
        self.lock().records = None;
    }

    /// Is nothing kept?
    pub fn is_given_up(&self) -> bool {
        self.lock().records.is_none()
    }
}

/// What a second world is made of.
pub struct Plan {
    pub programs: Vec<Program>,
    pub filter: Filter,
    pub asked: Asked,
    pub clock: Clock,
    /// Where programs find the folder for what they keep for a session.
    pub found_at: PathBuf,
    pub cpu: usize,
    /// What came of the first run: its copies have to do the same.
    pub first: Outcome,
    pub known: Known,
}

struct Job {
    search: Search,
    known: Known,
    age: u64,
}

/// See the module. Dropped, it ends.
pub struct Beside {
    jobs: Option<Sender<Job>>,
    thread: Option<JoinHandle<()>>,
    stored: Stored,
    /// While the search is in it, it does not meet the second worker.
    branch: Option<(Branch, u64)>,
    back: usize,
}

impl Beside {
    /// Starts it, and waits until its room is there: nothing else of ours happens while a process is forked.
    /// `None`: there can be none.
    pub fn start(plan: Plan, stored: Stored) -> Option<Beside> {
        let (jobs, inbox) = channel();
        let (ready, is_ready) = channel();
        let its = stored.clone();
        asked::ends_beside(false);
        let work = move || drop(work(plan, &inbox, &its, &ready));
        let thread = std::thread::Builder::new().spawn(work).ok()?;
        let beside =
            Beside { jobs: Some(jobs), thread: Some(thread), stored, branch: None, back: 0 };
        is_ready.recv().is_ok().then_some(beside)
    }

    /// The search has to make a run now. Where the second worker is idle, or has been reached, it is sent ahead.
    /// False: it has ended.
    pub fn sent_ahead(&mut self, search: &Search, known: impl FnOnce() -> Known) -> bool {
        let (age, idle, made) = {
            let store = self.stored.lock();
            (store.age, store.idle, store.made)
        };
        let branch = self.branch.as_ref().filter(|branch| branch.1 == age);
        let reached = branch.is_some_and(|(branch, _)| !search.is_in(branch));
        if branch.is_some() && !reached && !idle {
            return true;
        }
        if made < NEAR {
            self.back = (self.back * 2 + 1).min(FARTHEST);
        } else if made > FAR {
            self.back /= 2;
        }
        let Some((ahead, branch)) = search.ahead(self.back) else { return true };
        {
            let mut store = self.stored.lock();
            (store.idle, store.made) = (false, 0);
        }
        self.branch = Some((branch, age));
        let job = Job { search: ahead, known: known(), age };
        self.jobs.as_ref().is_some_and(|jobs| jobs.send(job).is_ok())
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        asked::ends_beside(true);
        self.jobs = None;
        // One that has panicked has ended, too.
        let _ = self.thread.take().map(JoinHandle::join);
        asked::ends_beside(false);
    }
}

/// The whole life of the second worker.
fn work(plan: Plan, jobs: &Receiver<Job>, stored: &Stored, ready: &Sender<()>) -> Result<()> {
    let _tick = asked::works_beside(TICK).map_err(Trouble::of("timer_create()"))?;
    cpu::pin_to(plan.cpu);
    let scratch = Scratch::new()?;
    let room = room::enter(&plan.programs, &plan.filter, scratch.0.clone(), Some(&plan.found_at))?;
    asked::hears_the_first_thread_alone();
    // The first worker may have gone meanwhile.
    let _ = ready.send(());
    let mut world = World::beside(room, plan.programs.len(), plan.asked, plan.clock);
    world.knows(&plan.known);
    let same = world.copies_do_the_same_as(&plan.first)?;
    if !same || !world.can_have_one_beside() {
        return Ok(());
    }
    let mut job = jobs.recv().ok();
    while let Some(one) = job {
        job = ahead(&mut world, one, jobs, stored)?;
        if job.is_none() {
            stored.lock().idle = true;
            job = jobs.recv().ok();
        }
    }
    Ok(())
}

/// Makes one run after the other. Answers where to go on, once that is said; `None`: all are made, or there is
/// something that only the first world can learn.
fn ahead(
    world: &mut World,
    job: Job,
    jobs: &Receiver<Job>,
    stored: &Stored,
) -> Result<Option<Job>> {
    let Job { mut search, known, age } = job;
    world.knows(&known);
    loop {
        match jobs.try_recv() {
            Ok(next) => return Ok(Some(next)),
            Err(TryRecvError::Disconnected) => return Err(Trouble::Signal(libc::SIGTERM)),
            Err(TryRecvError::Empty) => {}
        }
        let whole = |played: Played<Outcome>| match played {
            Played::End(outcome) => Some(!outcome.over),
            Played::LetGo(_) => None,
        };
        let counts = match stored.play(&mut search, whole) {
            Some(counts) => counts,
            None => {
                search.again();
                let mut noted = Noted::new(&mut search);
                let outcome = world.run(&mut noted, false)?;
                let steps = noted.steps;
                if world.starts_again || search.diverged || !world.can_have_one_beside() {
                    return Ok(None);
                }
                if !known.is_all(world) {
                    world.knows(&known);
                } else if !stored.keep_of(age, steps, &outcome) {
                    return Ok(None);
                }
                (!outcome.dropped).then_some(!outcome.over)
            }
        };
        if let Some(whole) = counts {
            search.counts(whole);
        }
        if !search.next() {
            return Ok(None);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::explore::search::{Bound, Guide, Mover, Place};

    /// Two that can move, of whom the first does, and then the other.
    fn run(guide: &mut dyn Guide) {
        for movers in [vec![0, 1], vec![1]] {
            let letters = movers.iter().map(|id| *id as usize).collect();
            let movers = movers.iter().map(|id| Mover::itself(*id)).collect();
            guide.choose(&Place { movers, letters, ..Place::default() });
            guide.moved(Default::default());
        }
    }

    fn steps() -> Vec<Step> {
        let mut search = Search::new(Bound::Unbounded, true);
        let mut noted = Noted::new(&mut search);
        run(&mut noted);
        noted.steps
    }

    fn is_known(stored: &Stored) -> bool {
        stored.play(&mut Search::new(Bound::Unbounded, true), |_| ()).is_some()
    }

    #[test]
    fn a_run_from_before_something_was_learned_is_not_played() {
        let stored = Stored::new();
        assert!(!is_known(&stored));
        assert!(stored.keep_of(0, steps(), &Outcome::default()) && is_known(&stored));
        stored.forget();
        assert!(!is_known(&stored));
        // It was under way meanwhile.
        assert!(!stored.keep_of(0, steps(), &Outcome::default()) && !is_known(&stored));
        assert!(stored.keep_of(1, steps(), &Outcome::default()) && is_known(&stored));
        stored.give_up();
        assert!(!stored.keep_of(1, steps(), &Outcome::default()) && !is_known(&stored));
    }
}
