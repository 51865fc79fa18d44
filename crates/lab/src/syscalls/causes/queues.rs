//! Messages, and operations on semaphores.

use libc::c_int;
use say::tell;
use screen::words::translated;

use super::case::{Case, count};

pub fn bad_length(case: &Case) -> Option<String> {
    let size = case.value("msgsz");
    if size < 0 {
        return Some(tell!("msgsz is {size}: a length is 0 or more"));
    }
    let most = case.world.limit("msgmax").filter(|_| case.call.name == "msgsnd")?;
    (size as u64 > most).then(|| tell!("{size} bytes are more than msgmax, {most}"))
}

pub fn bad_type(case: &Case) -> Option<String> {
    let kind = case.call.message_type()?;
    (kind < 1).then(|| tell!("the type is {kind}: that of a message is 1 or more"))
}

pub fn bad_copy(case: &Case) -> Option<String> {
    const MSG_COPY: c_int = 0o40000;
    const MSG_EXCEPT: c_int = 0o20000;
    let flags = case.flags();
    let bad = flags & libc::IPC_NOWAIT == 0 || flags & MSG_EXCEPT != 0;
    (flags & MSG_COPY != 0 && bad)
        .then(|| translated("MSG_COPY needs IPC_NOWAIT, and no MSG_EXCEPT").into())
}

pub fn queue_full(case: &Case) -> Option<String> {
    let row = case.world.found(case.kind, case.first()).map(|found| found.row);
    let held = row.and_then(|row| Some((row.qnum?, row.cbytes?)));
    let held = held.map_or(String::new(), |(messages, bytes)| {
        tell!(" ({}, {})", count(messages, "message"), count(bytes, "byte"))
    });
    Some(tell!("the queue is full{held}; with IPC_NOWAIT the call does not wait"))
}

pub fn message_too_long(case: &Case) -> Option<String> {
    let room = count(case.value("msgsz") as u64, "byte");
    Some(tell!("the message is longer than {room}; MSG_NOERROR would cut it off"))
}

pub fn no_message(case: &Case) -> Option<String> {
    let copies = case.flags() & 0o40000 != 0;
    let which = match case.value("msgtyp") {
        n if copies => tell!("message number {n}"),
        0 => translated("message").into(),
        n if n < 0 => tell!("message of a type up to {}", n.unsigned_abs()),
        n if case.flags() & 0o20000 != 0 => tell!("message of another type than {n}"),
        n => tell!("message of type {n}"),
    };
    Some(tell!("no {which} is there; with IPC_NOWAIT the call does not wait"))
}

pub fn no_operations(case: &Case) -> Option<String> {
    (case.value("nsops") as u32 == 0)
        .then(|| translated("no operations were given: nsops is 0").into())
}

/// A limit that is given, where the set is there.
pub fn bad_limit(case: &Case) -> Option<String> {
    let given = case.call.value("timeout").is_some_and(|at| at != 0);
    let there = case.world.has(case.kind, case.first()) == Some(true);
    (given && there).then(|| translated("the time limit is not a valid one").into())
}

pub fn bad_limit_at_all(_: &Case) -> Option<String> {
    Some(translated("no such set, or the time limit is not valid").into())
}

pub fn too_many_operations(case: &Case) -> Option<String> {
    let (asked, most) = (case.value("nsops"), case.world.limit("semopm")?);
    Some(tell!("{asked} operations are more than semopm, {most}"))
}

pub fn no_such_operand(case: &Case) -> Option<String> {
    let has = case.world.found(case.kind, case.first())?.row.nsems?;
    let last = has.saturating_sub(1);
    Some(tell!(
        "one sem_num is too large: the set has {}, the last is {last}",
        count(has, "semaphore")
    ))
}

pub fn value_too_high(case: &Case) -> Option<String> {
    let most = case.world.limit("semvmx").unwrap_or(32767);
    Some(tell!("a value would be above {most}, the highest of a semaphore"))
}

pub fn would_wait(case: &Case) -> Option<String> {
    Some(match case.call.value("timeout") {
        None | Some(0) => {
            translated("the call would have to wait, and IPC_NOWAIT forbids it").into()
        }
        Some(_) => translated(
            "the call would have to wait longer than its limit, or IPC_NOWAIT forbids it",
        )
        .into(),
    })
}
