//! Ids of no object, commands, and what they take.

use libc::c_int;
use say::tell;
use screen::words::translated;
use sysv::tables::Kind;

use super::case::Case;
use crate::event::Command;
use crate::syscalls::world::{Removed, Source};
use crate::tracer::names;

/// An id that cannot be one; -1 is most often the answer of a call that failed.
pub fn negative_id(case: &Case) -> Option<String> {
    let id = case.first();
    if id >= 0 {
        return None;
    }
    let failed = case.world.failed(Source::Get(case.kind)).filter(|_| id == -1);
    Some(match failed {
        Some((call, errno)) => tell!("-1 is the answer of the {call} that failed ({errno:?})"),
        None => tell!("{id} is no id: {} answers 0 or more", case.get_call()),
    })
}

pub fn unknown_id(case: &Case) -> Option<String> {
    let (id, noun) = (case.first(), case.noun());
    // Of the commands of ipcs some take a place in the table.
    if case.call.command() == Some(Command::Walk) || case.world.has(case.kind, id)? {
        return None;
    }
    if let Some(Removed { by, .. }) = case.world.removed_id(case.kind, id) {
        return Some(match by {
            Some(by) => tell!("{noun} {id} does not exist any more: {by} removed it"),
            None => tell!("{noun} {id} does not exist any more: it was removed"),
        });
    }
    if let Some(found) = case.world.with_key(case.kind, id).filter(|_| id != libc::IPC_PRIVATE) {
        let real = found.id;
        return Some(tell!(
            "{id} is the key {id:#x}, not an id; the {noun} with this key has id {real}"
        ));
    }
    let other = Kind::ALL.into_iter().find(|kind| *kind != case.kind && case.world.uses(*kind, id));
    Some(match other {
        Some(other) => tell!("{id} is the id of a {}, not of a {noun}", translated(other.noun())),
        None => tell!("no {noun} has the id {id}"),
    })
}

pub fn removed_meanwhile(case: &Case) -> Option<String> {
    let (id, noun) = (case.first(), case.noun());
    let by = case.world.removed_id(case.kind, id).and_then(|removed| removed.by);
    Some(match by {
        Some(by) => tell!("{by} removed {noun} {id} while the call waited"),
        None => tell!("{noun} {id} was removed while the call waited"),
    })
}

pub fn no_command(case: &Case) -> Option<String> {
    let (command, name) = (case.value("cmd") as c_int, &case.call.name);
    // On x86-64 even IPC_64 makes another number of one.
    let marked = cfg!(target_arch = "x86_64") && command & 0x100 != 0;
    let none = marked || !names::is_command(case.kind, command);
    none.then(|| tell!("{name} has no command {command}"))
}

pub fn empty_slot(case: &Case) -> Option<String> {
    let walk = case.call.command() == Some(Command::Walk);
    let (slot, noun) = (case.first(), case.noun());
    walk.then(|| tell!("place {slot} of the kernel's table has no {noun}"))
}

pub fn no_such_owner(case: &Case) -> Option<String> {
    let (uid, gid) = case.call.owner()?;
    let why = match (uid, gid) {
        (u32::MAX, _) => "uid -1 is no owner",
        (_, u32::MAX) => "gid -1 is no owner",
        _ => "this uid or gid does not exist here",
    };
    Some(translated(why).into())
}

pub fn no_such_semaphore(case: &Case) -> Option<String> {
    let (id, number) = (case.first(), case.value("semnum"));
    let has = case.world.found(case.kind, id)?.row.nsems?;
    let one = [libc::GETVAL, libc::SETVAL, libc::GETPID, libc::GETNCNT, libc::GETZCNT]
        .contains(&(case.value("cmd") as c_int));
    (one && (number < 0 || number as u64 >= has)).then(|| {
        let last = has - 1;
        tell!("set {id} has no semaphore {number}: it has {has}, the last is {last}")
    })
}

pub fn bad_argument(_: &Case) -> Option<String> {
    Some(translated("one of its arguments is not valid").into())
}

pub fn bad_value(case: &Case) -> Option<String> {
    let most = case.world.limit("semvmx").unwrap_or(32767);
    let value = case.call.args.last().map_or(0, |arg| arg.value) as c_int;
    Some(match case.value("cmd") as c_int {
        libc::SETVAL => tell!("{value} is no value of a semaphore: 0 to {most}"),
        _ => tell!("one of the values is above {most}, the highest of a semaphore"),
    })
}
