//! What the explorer reads of a call beyond its row: how long it would wait.

use libc::{c_int, timespec};
use sysv::tables::Kind;

use crate::syscalls;
use crate::syscalls::cells::{Object, Since, TimeLimit, Unit};
use crate::tracer::memory::record;
use crate::tracer::{Entry, Tid};

pub use crate::syscalls::watched;

/// Can it sleep until somebody else does something?
pub fn may_sleep(entry: &Entry) -> bool {
    syscalls::row(entry.number).is_some_and(|row| row.may_sleep(entry))
}

/// The kind of object that a call finds or makes.
pub fn gets(number: i64) -> Option<Kind> {
    match syscalls::row(number)?.object {
        Object::Get { kind, .. } => Some(kind),
        _ => None,
    }
}

/// The limit of a wait, as one call has it.
#[derive(Clone, Copy, Debug)]
pub struct Limit {
    /// Which argument, and what it held.
    pub argument: usize,
    pub value: u64,
    pub unit: Unit,
    /// The argument whose flags say that it is a moment on a clock, if there is one.
    pub flags: Option<usize>,
    /// The call does nothing but sleep.
    pub sleep: bool,
    /// In nanoseconds from now, or until a moment on a clock (the clock's number).
    pub length: u64,
    pub until: Option<c_int>,
    /// What the call answers when the limit is reached.
    pub answer: i64,
}

/// The limit of a call's wait, if it has one that is not 0.
pub fn limit(tid: Tid, entry: &Entry) -> Option<Limit> {
    let row = syscalls::row(entry.number).filter(|row| row.may_sleep(entry))?;
    let TimeLimit { argument, unit, from, error, sleep } = row.limit?;
    let until = until(from, entry);
    let value = entry.args[argument];
    let length = match unit {
        Unit::Millis => u64::try_from(value as c_int).ok()? * 1_000_000,
        Unit::Timespec => nanoseconds(&record(tid, value)?),
        Unit::Timeval => {
            let [seconds, micros]: [i64; 2] = record(tid, value)?;
            nanoseconds(&timespec { tv_sec: seconds, tv_nsec: micros * 1000 })
        }
    };
    let flags = if let Since::Flagged { flags, .. } = from { Some(flags) } else { None };
    let answer = -i64::from(error);
    (length > 0).then_some(Limit { argument, value, unit, flags, sleep, length, until, answer })
}

/// The clock on which a limit is a moment; `None`: it counts from now.
fn until(from: Since, entry: &Entry) -> Option<c_int> {
    const FUTEX_CLOCK_REALTIME: c_int = 256;
    let op = entry.args[1] as c_int;
    match from {
        Since::Now => None,
        Since::Day => Some(libc::CLOCK_REALTIME),
        Since::Flagged { clock, flags } => {
            let at = entry.args[flags] as c_int & libc::TIMER_ABSTIME != 0;
            at.then_some(entry.args[clock] as c_int)
        }
        Since::Futex => match op & 0x7f {
            libc::FUTEX_WAIT => None,
            libc::FUTEX_LOCK_PI => Some(libc::CLOCK_REALTIME),
            _ if op & FUTEX_CLOCK_REALTIME != 0 => Some(libc::CLOCK_REALTIME),
            _ => Some(libc::CLOCK_MONOTONIC),
        },
    }
}

fn nanoseconds(time: &timespec) -> u64 {
    (time.tv_sec.max(0) as u64).saturating_mul(1_000_000_000) + time.tv_nsec.max(0) as u64
}

/// The first expiry of an interval timer, in nanoseconds.
pub fn timer(tid: Tid, at: u64) -> Option<u64> {
    let [_, _, seconds, micros]: [i64; 4] = record(tid, at)?;
    Some(nanoseconds(&timespec { tv_sec: seconds, tv_nsec: micros * 1000 }))
}
