//! Why all of them sleep.

use libc::c_int;
use nix::errno::Errno;
use say::tell;
use screen::words::translated;

use super::cures::*;
use super::{Decides, Found, called, is_related, name, object};
use crate::event::{Call, Operation};
use crate::explore::schedule::letter;
use crate::explore::verdict::{Asleep, Kind, Line, Moment, Sleeper, Story};
use crate::syscalls;
use crate::syscalls::cells::{LetsIn, Object, Sleep};
use crate::tracer::names;

/// The process that decided, and the cure.
pub fn deadlock(story: &Story, sleepers: &[Sleeper]) -> (Decides, Cure) {
    let finders = [
        waits_for_a_signal,
        waits_for_a_semaphore,
        waits_for_a_message,
        waits_for_a_lock,
        waits_for_a_pipe,
        is_stopped,
    ];
    let found = finders
        .iter()
        .find_map(|find| sleepers.iter().find_map(|sleeper| find(story, sleepers, sleeper)));
    let (at, why, cure) = match found {
        Some((at, why, cure)) => (Some(at), why, cure),
        None => (None, String::new(), TELL_FIRST),
    };
    let decides = match at.filter(|_| !why.is_empty()) {
        Some(at) => Some((at, why)),
        None => last_asleep(story),
    };
    (decides, cure)
}

fn last_asleep(story: &Story) -> Decides {
    let at =
        story.iter().rposition(|told| matches!(&told.moment, Moment::Call { asleep: true, .. }))?;
    let who = letter(story[at].letter);
    Some((at, tell!("{who} is the last to fall asleep: no process is left to wake it")))
}

/// The call in which one sleeps, and where it began.
fn sleeps_in<'a>(story: &'a Story, sleeper: &Sleeper) -> Option<(usize, &'a Call)> {
    let Asleep::Call(number) = sleeper.asleep else { return None };
    let at = story.iter().rposition(|told| {
        told.letter == sleeper.letter
            && matches!(&told.moment, Moment::Call { call, asleep: true } if call.number == number)
    })?;
    Some((at, called(&story[at])?))
}

fn waits_for_a_signal(story: &Story, _: &[Sleeper], sleeper: &Sleeper) -> Found {
    let (slept, call) = sleeps_in(story, sleeper)?;
    let Sleep::Signal(lets_in) = syscalls::row(call.number)?.sleep else { return None };
    let (who, name) = (letter(sleeper.letter), name(call));
    let is_mine = |at: &usize| story[*at].letter == sleeper.letter;
    let handled = |at: &usize| matches!(story[*at].moment, Moment::Signal { handler: true, .. });
    if lets_in != LetsIn::Unblocked
        && let Some((at, signal)) = became_one(story, sleeper, slept)
    {
        let why = tell!("{signal} is sent again while the first is pending: they become one");
        return Some((at, why, COUNT));
    }
    // Another thread of its process has taken it.
    let sibling = (0..slept.max(story.len()))
        .rev()
        .find(|at| handled(at) && story[*at].pid == sleeper.pid && !is_mine(at));
    if let Some(at) = sibling
        && let Moment::Signal { signal, .. } = story[at].moment
    {
        let (signal, other) = (names::signal(signal), letter(story[at].letter));
        let why = tell!("{signal} was delivered to thread {other}, and thread {who} waits for it");
        return Some((at, why, ANOTHER_THREAD));
    }
    let came = (0..slept).rev().find(|at| is_mine(at) && handled(at));
    // A wait that it ended has made use of it.
    let lost = came.filter(|at| {
        let is_turn = |at: &usize| matches!(story[*at].moment, Moment::Turn { .. });
        let before = (0..*at).rev().find(|at| is_mine(at) && !is_turn(at));
        let ended = before.and_then(|at| called(&story[at])).is_some_and(|call| call.interrupted);
        lets_in == LetsIn::Unblocked || !ended
    });
    if let Some(at) = lost
        && let Moment::Signal { signal, .. } = story[at].moment
    {
        let signal = names::signal(signal);
        let why = tell!("{signal} was delivered to {who} before {name}: no other signal will come");
        let cure = if is_related(story, sleeper.pid) { BLOCK } else { BLOCK_IN_BOTH };
        return Some((at, why, cure));
    }
    let found_nothing = story.iter().rposition(|told| {
        let nothing = |call: &Call| {
            matches!(object(call), Some(Object::Get { .. })) && call.errno == Some(Errno::ENOENT)
        };
        told.letter != sleeper.letter && called(told).is_some_and(nothing)
    });
    if let Some(at) = found_nothing {
        let other = letter(story[at].letter);
        return Some((
            at,
            tell!("{other} finds nothing here and gives up; {who} waits for it"),
            TRY_AGAIN,
        ));
    }
    let at = ended_last(story, sleeper)?;
    let other = letter(story[at].letter);
    Some((
        at,
        tell!("{other} ends here; {who} waits for a signal that only {other} would send"),
        WAIT_FOR_ITS_END,
    ))
}

/// Where a signal was sent to one again while it was pending, which then did not come twice.
fn became_one(story: &Story, sleeper: &Sleeper, slept: usize) -> Option<(usize, String)> {
    let mut pending: Vec<c_int> = vec![];
    let mut merged = None;
    for (at, told) in story[..slept].iter().enumerate() {
        if let Moment::Signal { signal, .. } = told.moment
            && told.letter == sleeper.letter
        {
            pending.retain(|one| *one != signal);
        }
        let Some(call) = called(told) else { continue };
        let sends = syscalls::row(call.number).is_some_and(|row| row.sends_signal());
        let Some(signal) = call.value("sig").filter(|_| sends && call.succeeded()) else {
            continue;
        };
        if call.args[0].value != i64::from(sleeper.pid) || signal as c_int >= libc::SIGRTMIN() {
            continue;
        }
        if pending.contains(&(signal as c_int)) {
            merged = Some((at, names::signal(signal as c_int)));
        }
        pending.push(signal as c_int);
    }
    merged
}

/// Where the last of the others has ended.
fn ended_last(story: &Story, sleeper: &Sleeper) -> Option<usize> {
    let ends = |told: &Line| matches!(told.moment, Moment::Exit { .. } | Moment::Killed { .. });
    story.iter().rposition(|told| ends(told) && told.pid != sleeper.pid)
}

/// What is done with semaphores; not what has not ended.
fn semaphores(told: &Line) -> Option<Operation> {
    called(told).filter(|call| call.succeeded()).and_then(Call::operation)
}

/// Has it taken a semaphore, and not posted since?
fn holds(story: &Story, letter: usize) -> bool {
    let held = story.iter().filter(|told| told.letter == letter).filter_map(semaphores);
    held.fold(0_u32, |held, operation| match operation {
        Operation::Take => held + 1,
        Operation::Post => held.saturating_sub(1),
        Operation::Test => held,
    }) > 0
}

fn waits_for_a_semaphore(story: &Story, sleepers: &[Sleeper], sleeper: &Sleeper) -> Found {
    let (_, call) = sleeps_in(story, sleeper)?;
    call.operation()?;
    let who = letter(sleeper.letter);
    let held = sleepers.iter().filter(|one| holds(story, one.letter)).count();
    if held > 1 {
        let (at, _) = last_asleep(story)?;
        return Some((
            at,
            translated("each of them has taken what another one waits for").into(),
            SAME_ORDER,
        ));
    }
    if let Some(at) = ended_last(story, sleeper) {
        let other = letter(story[at].letter);
        let why = match holds(story, story[at].letter) {
            true => tell!("{other} ends here and holds a semaphore; {who} waits for it"),
            false => tell!("{other} ends here without a post; {who} waits for it"),
        };
        return Some((at, why, POST_ALWAYS));
    }
    Some((0, String::new(), POST_FIRST))
}

fn waits_for_a_message(story: &Story, _: &[Sleeper], sleeper: &Sleeper) -> Found {
    let (slept, call) = sleeps_in(story, sleeper)?;
    let Some(Object::Use(Kind::Msg)) = object(call) else { return None };
    let takes = |told: &Line| {
        called(told).is_some_and(|one| {
            one.number == call.number && one.args[0].value == call.args[0].value && one.succeeded()
        })
    };
    let at = story[..slept].iter().rposition(|told| takes(told) && told.letter != sleeper.letter);
    let Some(at) = at else { return Some((0, String::new(), TYPES)) };
    let (who, other) = (letter(sleeper.letter), letter(story[at].letter));
    Some((at, tell!("{other} receives the message here that {who} waits for"), TYPES))
}

fn waits_for_a_lock(story: &Story, _: &[Sleeper], sleeper: &Sleeper) -> Found {
    let (slept, call) = sleeps_in(story, sleeper)?;
    if !matches!(syscalls::row(call.number)?.sleep, Sleep::Futex) {
        return None;
    }
    let before = (0..slept).rev().find(|at| story[*at].letter == sleeper.letter)?;
    if let Moment::Signal { signal, handler: true, .. } = story[before].moment {
        let why = tell!(
            "the handler of {} waits for a lock that {} itself holds",
            names::signal(signal),
            letter(sleeper.letter)
        );
        return Some((before, why, NO_LOCK_IN_HANDLER));
    }
    Some((0, String::new(), PREDICATE))
}

fn waits_for_a_pipe(story: &Story, _: &[Sleeper], sleeper: &Sleeper) -> Found {
    let (_, call) = sleeps_in(story, sleeper)?;
    let makes = |told: &Line| called(told).is_some_and(|call| name(call).starts_with("pipe"));
    (name(call) == "read" && story.iter().any(makes)).then_some((0, String::new(), CLOSE_ENDS))
}

fn is_stopped(_: &Story, _: &[Sleeper], sleeper: &Sleeper) -> Found {
    (sleeper.asleep == Asleep::Stopped).then_some((0, String::new(), GO_ON))
}
