//! The moment that decided a bad run, and the cure: what an answer says beyond what is wrong.
//!
//! | module | what it holds |
//! |---|---|
//! | [`deadlock`], [`crash`] | the causes of these two |
//! | [`cures`] | what helps, and where the workbook shows it |

use libc::c_int;
use say::tell;
use screen::words::translated;

use super::footprint::Bytes;
use super::schedule::letter;
use super::verdict::{Buffered, Finding, Kind, Line, Moment, Raced, Story, word};
use crate::event::{Call, Command};
use crate::syscalls;
use crate::syscalls::cells::Object;
use crate::tracer::names;

mod crash;
mod cures;
mod deadlock;

use crash::crash;
pub use cures::FENCE;
use cures::*;
use deadlock::deadlock;

/// What is known of the cause of a finding.
pub struct Cause {
    /// The line that decided, and why.
    pub decides: Option<(usize, String)>,
    pub cure: Cure,
}

/// A line of the story, and what is to be said of it.
type Decides = Option<(usize, String)>;

/// A line, why it decided, and the cure. An empty sentence: the last one to fall asleep decided.
type Found = Option<(usize, String, Cure)>;

/// Looks for the cause of a finding in the story of its run.
pub fn of(story: &Story, finding: &Finding) -> Cause {
    let end = story.len().checked_sub(1);
    let (decides, cure) = match finding {
        Finding::Deadlock { sleepers } => deadlock(story, sleepers),
        Finding::NoHandler { letter: one, signal, pid, had } => {
            let (name, one_letter) = (names::signal(*signal), letter(*one));
            let why = match had {
                true => tell!(
                    "{name} is delivered to {one_letter}, which has no handler for it any more"
                ),
                false => {
                    tell!("{name} is delivered to {one_letter}, which has no handler for it yet")
                }
            };
            let cure = match is_related(story, *pid) {
                _ if *had => KEEP_HANDLER,
                true => HANDLER_FIRST,
                false => HANDLER_IN_BOTH,
            };
            (delivered_last(story, *one, *signal).map(|at| (at, why)), cure)
        }
        Finding::Crash { letter, signal, .. } => crash(story, *letter, *signal),
        Finding::RemovedTwice { by, id, kind, .. } => {
            (removal(story, *kind, *id, *by), ONE_REMOVES)
        }
        Finding::DeadId { by, id, kind, .. } => {
            let cure = match kind {
                Kind::Shm => ATTACH_FIRST,
                Kind::Msg => REMOVE_QUEUE_LAST,
                Kind::Sem => REMOVE_SET_LAST,
            };
            (removal(story, *kind, *id, *by), cure)
        }
        Finding::Outsider { .. } => (end.map(|at| (at, finding.to_string())), CHECK_PID),
        Finding::Prints { difference } => {
            let writes = [libc::SYS_write, libc::SYS_writev];
            let at = story.iter().rposition(|told| {
                let call =
                    called(told).filter(|call| call.args.first().is_some_and(|fd| fd.value == 1));
                let who = difference.letter.is_none_or(|one| one == told.letter);
                who && call.is_some_and(|call| writes.contains(&call.number))
            });
            (at.or(end).map(|at| (at, finding.to_string())), LET_IT_WAIT)
        }
        Finding::Race(Raced { bytes, .. }) if let Some((at, who)) = late(story, bytes) => {
            let one = letter(who);
            let why = tell!(
                "{one}'s store still waits in its store buffer: this is what was there before"
            );
            (Some((at, why)), FENCE)
        }
        Finding::Race(Raced { bytes, .. }) => {
            let cure = if spans(story, bytes) { ORDER_ACCESSES } else { ONE_INSTRUCTION };
            (between(story, bytes).map(|at| (at, translated(RACE).into())), cure)
        }
        Finding::Endless { .. } => (end.map(|at| (at, finding.to_string())), SLEEP_FOR_A_TURN),
        Finding::Left { id, kind } => {
            let at = story
                .iter()
                .position(|told| called(told).is_some_and(|call| opens(call, *kind, *id)));
            let why = tell!("{} {id} is made here, and no process removes it", word(*kind));
            let cure = match kind {
                Kind::Shm => REMOVE,
                Kind::Msg => REMOVE_QUEUE_LAST,
                Kind::Sem => REMOVE_SET_LAST,
            };
            (at.map(|at| (at, why)), cure)
        }
    };
    Cause { decides, cure }
}

// ---- what the story says

fn called(told: &Line) -> Option<&Call> {
    if let Moment::Call { call, .. } = &told.moment { Some(call) } else { None }
}

fn object(call: &Call) -> Option<Object> {
    Some(syscalls::row(call.number)?.object)
}

fn name(call: &Call) -> &str {
    syscalls::spoken(&call.name, call.args.get(3).is_some_and(|limit| limit.value != 0))
}

/// Does the call remove this object?
fn removes(call: &Call, kind: Kind, id: i32) -> bool {
    let of = matches!(object(call), Some(Object::Control { kind: one, .. }) if one == kind);
    of && call.command() == Some(Command::Remove) && call.args[0].value == i64::from(id)
}

/// Has the call made or found this object?
fn opens(call: &Call, kind: Kind, id: i32) -> bool {
    let of = matches!(object(call), Some(Object::Get { kind: one, .. }) if one == kind);
    of && call.result == Some(id.into())
}

/// What is said where one touches what another is in the middle of.
const RACE: &str = "nothing keeps this access from coming here";

/// The first access to these bytes right after the turn was taken from one that had touched them, too.
fn between(story: &Story, memory: &Bytes) -> Option<usize> {
    let touches = |told: &Line| {
        matches!(&told.moment, Moment::Touched(one)
            if one.bytes.meets(memory) && !matches!(one.buffered, Buffered::Enters | Buffered::Seen))
    };
    let mut last = None;
    let mut taken = false;
    for (at, told) in story.iter().enumerate() {
        taken |= matches!(told.moment, Moment::Turn { taken: true });
        if touches(told) {
            if taken && last.is_some_and(|last| last != told.letter) {
                return Some(at);
            }
            (last, taken) = (Some(told.letter), false);
        }
    }
    story.iter().rposition(touches)
}

/// A store that waits: whose, and has its thread made a load since?
struct Waiting {
    letter: usize,
    bytes: Bytes,
    overtaken: bool,
}

/// The first load of these bytes while another's store to them waits in its buffer, and a load of its own has overtaken
/// it; and whose.
fn late(story: &Story, memory: &Bytes) -> Option<(usize, usize)> {
    let mut waiting: Vec<Waiting> = vec![];
    for (at, told) in story.iter().enumerate() {
        let Moment::Touched(touched) = &told.moment else { continue };
        let (letter, bytes) = (told.letter, touched.bytes);
        match touched.buffered {
            Buffered::Enters => waiting.push(Waiting { letter, bytes, overtaken: false }),
            Buffered::Leaves => {
                let found = waiting.iter().position(|one| one.letter == letter);
                found.map(|found| waiting.remove(found));
            }
            Buffered::No if !touched.writes => {
                let missed = waiting.iter().find(|one| {
                    let meets = one.bytes.meets(&bytes) && one.bytes.meets(memory);
                    one.letter != letter && one.overtaken && meets
                });
                if let Some(store) = missed {
                    return Some((at, store.letter));
                }
                let own = waiting.iter_mut().filter(|one| one.letter == letter);
                own.for_each(|one| one.overtaken = true);
            }
            Buffered::No | Buffered::Seen => {}
        }
    }
    None
}

/// Are more bytes touched than one instruction can?
fn spans(story: &Story, memory: &Bytes) -> bool {
    story.iter().any(|told| {
        matches!(&told.moment, Moment::Touched(one)
            if one.bytes.meets(memory) && one.bytes.to - one.bytes.from > 8)
    })
}

fn removal(story: &Story, kind: Kind, id: i32, by: usize) -> Decides {
    let at = story.iter().position(|told| {
        told.letter == by && called(told).is_some_and(|call| removes(call, kind, id))
    })?;
    Some((at, tell!("{} {id} is removed here, and used again below", word(kind))))
}

fn delivered_last(story: &Story, one: usize, signal: c_int) -> Option<usize> {
    story.iter().rposition(|told| {
        told.letter == one && matches!(told.moment, Moment::Signal { signal: s, .. } if s == signal)
    })
}

/// Where a process was made by another one of the story; what made it.
fn birth(story: &Story, pid: i32) -> Option<usize> {
    story.iter().position(|told| {
        told.pid != pid
            && called(told).is_some_and(|call| {
                let makes = syscalls::row(call.number).is_some_and(|row| row.makes_child());
                makes && call.result == Some(pid.into())
            })
    })
}

/// Is it the child or the parent of another one of the story?
fn is_related(story: &Story, pid: i32) -> bool {
    let parent = story.iter().any(|told| {
        told.pid != pid && birth(story, told.pid).is_some_and(|at| story[at].pid == pid)
    });
    parent || birth(story, pid).is_some()
}

/// What a process has done up to a line, and what those did from which it was forked.
fn history(story: &Story, pid: i32, until: usize) -> Vec<(usize, &Line)> {
    let mut lines = match birth(story, pid) {
        Some(at) if at < until => history(story, story[at].pid, at),
        _ => vec![],
    };
    lines.extend(story[..until].iter().enumerate().filter(|(_, told)| told.pid == pid));
    lines
}
