//! What calls about timers ask, and are answered; what the kernel says of a timer, and what a signal
//! says that comes from one.

use std::fs;

use libc::{c_int, siginfo_t, timespec};

use super::calls::{Reply, nanoseconds};
use crate::syscalls::cells::{Changes, Timing};
use crate::tracer::memory::record;
use crate::tracer::{Entry, Tid, zeroed};

const SECOND: u64 = 1_000_000_000;

/// What a call asks of a timer, in nanoseconds.
pub struct Wish {
    pub first: u64,
    pub interval: u64,
}

/// Is it a clock that passes with the time that we keep?
pub fn is_ours(clock: c_int) -> bool {
    [
        libc::CLOCK_REALTIME,
        libc::CLOCK_MONOTONIC,
        libc::CLOCK_BOOTTIME,
        libc::CLOCK_REALTIME_ALARM,
        libc::CLOCK_BOOTTIME_ALARM,
        libc::CLOCK_TAI,
    ]
    .contains(&clock)
}

/// A timer that sends a signal.
#[derive(Clone, Copy)]
pub struct Sender {
    /// 0: it sends none.
    pub signal: c_int,
    /// For this thread alone.
    pub thread: Option<Tid>,
    pub value: u64,
    pub clock: c_int,
}

/// What /proc says of a timer that sends a signal; `None`: it says nothing of it.
pub fn looked_up(tgid: Tid, id: c_int) -> Option<Sender> {
    let text = fs::read_to_string(format!("/proc/{tgid}/timers")).ok()?;
    let mut lines = text.lines().skip_while(|line| *line != format!("ID: {id}")).skip(1);
    let mut next = |name: &str| lines.next()?.strip_prefix(name);
    let (signal, value) = next("signal: ")?.split_once('/')?;
    let (how, to) = next("notify: ")?.split_once('/')?;
    let clock = next("ClockID: ")?.parse().ok()?;
    let signal = if how == "none" { 0 } else { signal.parse().ok()? };
    let thread = to.strip_prefix("tid.").map(str::parse).transpose().ok()?;
    let value = u64::from_str_radix(value, 16).ok()?;
    Some(Sender { signal, thread, value, clock })
}

/// What a call is to set; `None`: the kernel refuses it.
pub fn wish(tid: Tid, entry: &Entry, timing: Timing) -> Option<Wish> {
    let (at, fraction) = match timing {
        Timing::Alarm => {
            let first = u64::from(entry.args[0] as u32) * SECOND;
            return Some(Wish { first, interval: 0 });
        }
        Timing::Real => (entry.args[1], SECOND as i64 / 1_000_000),
        Timing::Signal | Timing::File => (entry.args[2], 1),
    };
    let parts: [i64; 4] = match (timing, at) {
        // Linux takes it for a record of zeros.
        (Timing::Real, 0) => [0; 4],
        _ => record(tid, at)?,
    };
    let mut all = [0, 0];
    for (length, part) in all.iter_mut().zip(parts.chunks(2)) {
        let valid = part[0] >= 0 && (0..SECOND as i64 / fraction).contains(&part[1]);
        *length = valid
            .then(|| nanoseconds(&timespec { tv_sec: part[0], tv_nsec: part[1] * fraction }))?;
    }
    Some(Wish { interval: all[0], first: all[1] })
}

/// How a call is told what is left of a timer.
pub fn answer(entry: &Entry, how: Changes, left: Wish) -> Reply<4> {
    const MICRO: u64 = 1000;
    let split = |time: u64, part: u64| [time / SECOND, time % SECOND / part];
    let words = |part: u64| [split(left.interval, part), split(left.first, part)].concat();
    let four = |part: u64| words(part).try_into().unwrap_or([0; 4]);
    match how {
        Changes::Timer(Timing::Alarm) => {
            Reply { at: 0, words: [0; 4], result: left.first.div_ceil(SECOND) as i64 }
        }
        Changes::Timer(Timing::Real) => Reply { at: entry.args[2], words: four(MICRO), result: 0 },
        Changes::AsksTimer(Timing::Real) => {
            Reply { at: entry.args[1], words: four(MICRO), result: 0 }
        }
        Changes::Timer(_) => Reply { at: entry.args[3], words: four(1), result: 0 },
        _ => Reply { at: entry.args[1], words: four(1), result: 0 },
    }
}

/// What a signal says that comes from a timer.
pub fn rung(id: c_int, timer: &Sender) -> siginfo_t {
    /// What <asm-generic/siginfo.h> has there: the timer, how often it was late, and its value.
    #[repr(C)]
    struct Rung {
        signo: c_int,
        errno: c_int,
        code: c_int,
        pad: c_int,
        id: c_int,
        late: c_int,
        value: u64,
    }
    let mut info: siginfo_t = zeroed();
    let (signo, value) = (timer.signal, timer.value);
    let rung = Rung { signo, errno: 0, code: libc::SI_TIMER, pad: 0, id, late: 0, value };
    // SAFETY: it is smaller than the record, and numbers alone.
    unsafe { (&raw mut info).cast::<Rung>().write(rung) };
    info
}
