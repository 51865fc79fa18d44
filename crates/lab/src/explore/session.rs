//! A whole exploration: run after run, and what came of them.

use std::collections::BTreeMap;
use std::time::Instant;

use super::report::{self, Answer};
use super::run::{Outcome, World};
use super::search::{Replay, Search};
use super::{Options, Result, Trouble, calls, complain, exit, room};
use crate::asked;
use crate::tracer::filter::Filter;
use crate::tracer::program::Program;

/// So often a plan is tried again when the programs do not do what they did before.
const PATIENCE: u32 = 5;

/// So often, in microseconds, a wait for one who spins ends.
const TICK: i64 = 4000;

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
    let filter = Filter::new(&calls::watched());
    let filter = filter.map_err(|error| Trouble::because(error.to_string()))?;
    let scratch = Scratch::new()?;
    asked::listen(&[libc::SIGINT, libc::SIGTERM, libc::SIGHUP]);
    let room = room::enter(&programs, &filter, !options.spread, scratch.0.clone())?;
    asked::tick_every(TICK);
    let mut world = World::new(room, programs.len());
    if let Some(schedule) = &options.replay {
        let mut replay = Replay::new(schedule);
        let outcome = world.run(&mut replay, true)?;
        if let Some(turn) = replay.wrong {
            let who = super::schedule::letter(turn.letter);
            let why = format!("this schedule is not one of this program: {who} cannot move there");
            return Err(Trouble::Because(exit::USAGE, why));
        }
        report::replayed(options, &outcome)?;
        return Ok(if outcome.findings.is_empty() { exit::NONE } else { exit::FOUND });
    }
    let answer = search(options, &mut world)?;
    let found = answer.worst.is_some();
    report::answer(options, &answer)?;
    Ok(match (found, answer.complete) {
        (true, _) => exit::FOUND,
        (false, true) => exit::NONE,
        (false, false) => exit::INCOMPLETE,
    })
}

fn search(options: &Options, world: &mut World) -> Result<Answer> {
    let start = Instant::now();
    let mut search = Search::new(options.bound(), !options.all);
    let mut answer = Answer { complete: true, ..Answer::default() };
    let mut outcomes: BTreeMap<String, (u64, bool, String)> = BTreeMap::new();
    let mut again = 0;
    loop {
        answer.runs += 1;
        let outcome = world.run(&mut search, false)?;
        let more = if search.diverged {
            again += 1;
            if again < PATIENCE {
                search.again();
                true
            } else {
                answer.unstable += 1;
                again = 0;
                search.give_up()
            }
        } else {
            again = 0;
            if !outcome.dropped {
                answer.schedules += 1;
                answer.longest = answer.longest.max(outcome.moves);
                let bad = !outcome.findings.is_empty();
                let first = || (0, bad, outcome.schedule.to_string());
                outcomes.entry(name(&outcome)).or_insert_with(first).0 += 1;
                keep_shorter(&mut answer.worst, outcome);
            }
            search.next()
        };
        if !more {
            break;
        }
        if answer.runs >= options.max {
            answer.complete = false;
            break;
        }
    }
    answer.seconds = start.elapsed().as_secs_f64();
    answer.complete &= answer.unstable == 0;
    answer.cut = search.cut;
    answer.outcomes =
        outcomes.into_iter().map(|(name, (n, bad, one))| (name, n, bad, one)).collect();
    answer.outcomes.sort_by_key(|(_, n, bad, _)| (!bad, std::cmp::Reverse(*n)));
    if let Some(worst) = &mut answer.worst {
        tell(world, worst)?;
    }
    Ok(answer)
}

/// An outcome's name, by which they are counted.
fn name(outcome: &Outcome) -> String {
    if outcome.findings.is_empty() {
        return format!("ended: {}", report::ends(&outcome.ends));
    }
    let mut classes: Vec<String> = outcome.findings.iter().map(|one| one.class()).collect();
    classes.dedup();
    classes.join(", ")
}

/// The bad run with the fewest preemptions, and of those the shortest.
fn keep_shorter(worst: &mut Option<Outcome>, outcome: Outcome) {
    let length = |one: &Outcome| (one.preemptions, one.moves, one.schedule.0.len());
    let better = worst.as_ref().is_none_or(|worst| length(&outcome) < length(worst));
    if !outcome.findings.is_empty() && better {
        *worst = Some(outcome);
    }
}

/// Runs it once more, for its story.
fn tell(world: &mut World, worst: &mut Outcome) -> Result<()> {
    for _ in 0..PATIENCE {
        let again = world.run(&mut Replay::new(&worst.schedule), true)?;
        if name(&again) == name(worst) {
            *worst = Outcome {
                preemptions: worst.preemptions,
                schedule: worst.schedule.clone(),
                ..again
            };
            return Ok(());
        }
    }
    complain(
        "its schedule does not lead there every time: the program does not depend on order alone",
    );
    Ok(())
}

/// A folder for what programs keep for a session; emptied before each run, and gone with us.
struct Scratch(std::path::PathBuf);

impl Scratch {
    fn new() -> Result<Scratch> {
        let template = std::env::temp_dir().join("lab-explore-XXXXXX");
        let dir = nix::unistd::mkdtemp(&template).map_err(Trouble::of("mkdtemp"))?;
        // SAFETY: we have one thread.
        unsafe { std::env::set_var("XDG_RUNTIME_DIR", &dir) };
        Ok(Scratch(dir))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What cannot be removed is in the folder for what may be lost.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
