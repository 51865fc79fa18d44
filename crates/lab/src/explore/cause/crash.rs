//! Why one of them crashes.

use libc::c_int;
use nix::errno::Errno;
use say::tell;
use screen::words::translated;

use super::cures::*;
use super::{Decides, Found, called, delivered_last, history, object, opens};
use crate::event::Call;
use crate::explore::schedule::letter;
use crate::explore::verdict::{Kind, Line, Moment, Story};
use crate::syscalls;
use crate::syscalls::cells::Object;
use crate::tracer::names;

/// Addresses that are a few bytes past -1, or that the kernel does not tell.
fn comes_from_minus_one(fault: Option<u64>) -> bool {
    fault.is_none_or(|at| at.wrapping_add(1) < 1 << 16)
}

/// The line that decided, and the cure.
pub fn crash(story: &Story, one: usize, signal: c_int) -> (Decides, Cure) {
    let Some(died) = delivered_last(story, one, signal) else { return (None, CHECK_ANSWERS) };
    let (who, name) = (letter(one), names::signal(signal));
    let past = history(story, story[died].pid, died);
    if let Moment::Signal { fault, signal: libc::SIGSEGV | libc::SIGBUS, .. } = story[died].moment
        && let Some((at, why, cure)) = of_a_segment(story, &past, fault)
    {
        return (Some((at, why)), cure);
    }
    let alone = story.iter().all(|told| {
        let makes = |call: &Call| syscalls::row(call.number).is_some_and(|row| row.makes_child());
        told.letter == one && !called(told).is_some_and(makes)
    });
    let failed = past.iter().rev().find_map(|(at, told)| {
        let call = called(told).filter(|call| told.letter == one && call.errno.is_some())?;
        Some((*at, call))
    });
    let exists = failed.is_some_and(|(_, call)| call.errno == Some(Errno::EEXIST));
    let cure = match signal {
        _ if exists => ONE_STEP,
        libc::SIGSEGV | libc::SIGBUS if alone => MAPPED,
        _ if alone => CHECK_ANSWERS,
        _ => LET_IT_WAIT,
    };
    let taken =
        story[..died].iter().rposition(|told| matches!(told.moment, Moment::Turn { taken: true }));
    if let Some(at) = taken {
        let other = letter(story[at].letter);
        return (
            Some((
                at,
                tell!("{other} takes the turn here, and nothing makes it wait; {name} follows"),
            )),
            cure,
        );
    }
    if let Some((at, call)) = failed {
        return (
            Some((at, tell!("{} fails here, in this order; {name} follows", super::name(call)))),
            cure,
        );
    }
    let last = past.last().map(|(at, _)| *at).filter(|_| !alone);
    match last {
        Some(at) => (
            Some((at, tell!("{who} goes on here, and nothing makes it wait; {name} follows"))),
            cure,
        ),
        None => (Some((died, tell!("{name} is delivered to {who}, which kills it"))), cure),
    }
}

/// An attachment: where it was made, its range, and whether for reading alone.
struct Attached {
    at: usize,
    start: u64,
    size: u64,
    read_only: bool,
    /// Where it was detached.
    detached: Option<usize>,
}

/// A fault that has to do with a segment of the process.
fn of_a_segment(story: &Story, past: &[(usize, &Line)], fault: Option<u64>) -> Found {
    let mut all: Vec<Attached> = vec![];
    let mut failed = None;
    for (at, told) in past {
        let Some(call) = called(told) else { continue };
        match (object(call), call.result) {
            (Some(Object::Attach), Some(-1)) => failed = Some(*at),
            (Some(Object::Attach), Some(start)) => {
                failed = None;
                let read_only = call.args[2].value & i64::from(libc::SHM_RDONLY) != 0;
                let size = size_of(story, call.args[0].value);
                all.push(Attached {
                    at: *at,
                    start: start as u64,
                    size,
                    read_only,
                    detached: None,
                });
            }
            (Some(Object::Detach), Some(0)) => {
                let start = call.args[0].value as u64;
                all.iter_mut()
                    .filter(|one| one.start == start)
                    .for_each(|one| one.detached = Some(*at));
            }
            _ => {}
        }
    }
    if let Some(at) = failed.filter(|_| comes_from_minus_one(fault)) {
        return Some((
            at,
            translated("shmat fails here; its result, -1, is used as an address below").into(),
            CHECK_SHMAT,
        ));
    }
    let fault = fault?;
    let one = all
        .iter()
        .rev()
        .find(|one| fault >= one.start && fault < one.start + one.size + (1 << 16))?;
    if fault >= one.start + one.size {
        let why =
            tell!("attached here, {} bytes; {fault:#x}, used below, is past its end", one.size);
        return Some((one.at, why, IN_THE_SEGMENT));
    }
    if let Some(at) = one.detached {
        return Some((
            at,
            tell!("detached here; {fault:#x}, in the segment, is used below"),
            NOT_AFTER_SHMDT,
        ));
    }
    let why = translated("attached here for reading alone; a store to it follows").to_string();
    one.read_only.then_some((one.at, why, NOT_READ_ONLY))
}

/// The size of a segment, in whole pages, as it was asked for when it was made.
fn size_of(story: &Story, id: i64) -> u64 {
    let made = story.iter().filter_map(called).find(|call| opens(call, Kind::Shm, id as i32));
    let size = made.and_then(|call| call.value("size")).unwrap_or(0) as u64;
    size.max(1).next_multiple_of(4096)
}
