//! Time, as the programs see it: it passes when we say so.

use std::time::{SystemTime, UNIX_EPOCH};

use libc::c_int;

use crate::explore::calls::{Limit, Reply};
use crate::syscalls::cells::Question;
use crate::tracer::Entry;

const SECOND: u64 = 1_000_000_000;
/// What one question takes.
const QUESTION: u64 = 1000;
/// A process that asks for the time more often than this in a row is waiting for it to pass: then
/// time passes faster.
const QUESTIONS: u32 = 64;

/// See the module.
#[derive(Clone)]
pub struct Clock {
    /// Nanoseconds since the start.
    now: u64,
    /// The clocks at the start.
    day: u64,
    monotonic: u64,
    /// Questions since the last call that was none.
    asked: u32,
}

impl Clock {
    /// A clock that starts as the machine's stand now. All runs of an exploration start then.
    pub fn start() -> Clock {
        let day = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_nanos() as u64);
        let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        // SAFETY: writes one timespec.
        unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &mut time) };
        let monotonic = time.tv_sec as u64 * SECOND + time.tv_nsec as u64;
        Clock { now: 0, day, monotonic, asked: 0 }
    }

    /// The second of the day at the start, as time(2) tells it.
    pub fn day(&self) -> u64 {
        self.day / SECOND
    }

    /// Nanoseconds since the start.
    pub fn now(&self) -> u64 {
        self.now
    }

    /// It is now at least so late.
    pub fn pass_to(&mut self, at: u64) {
        self.now = self.now.max(at);
    }

    /// A process has done something other than ask for the time.
    pub fn not_asked(&mut self) {
        self.asked = 0;
    }

    /// Answers what time it is; `None`: on a clock that is not ours, like that of a processor.
    pub fn read(&mut self, entry: &Entry, how: Question) -> Option<Reply<2>> {
        let named = how == Question::Named;
        let which = if named { entry.args[0] as c_int } else { libc::CLOCK_REALTIME };
        let start = match which {
            libc::CLOCK_REALTIME | libc::CLOCK_REALTIME_COARSE => self.day,
            libc::CLOCK_MONOTONIC
            | libc::CLOCK_MONOTONIC_COARSE
            | libc::CLOCK_MONOTONIC_RAW
            | libc::CLOCK_BOOTTIME => self.monotonic,
            _ => return None,
        };
        self.asked += 1;
        self.now += QUESTION << self.asked.saturating_sub(QUESTIONS).min(14);
        let time = start + self.now;
        let (seconds, nanos) = (time / SECOND, time % SECOND);
        Some(match how {
            Question::Named => Reply { at: entry.args[1], words: [seconds, nanos], result: 0 },
            Question::Day => Reply { at: entry.args[0], words: [seconds, nanos / 1000], result: 0 },
            Question::Seconds => Reply { at: 0, words: [0, 0], result: seconds as i64 },
        })
    }

    /// When a limit is reached; `None`: it is already.
    pub fn deadline(&self, limit: &Limit) -> Option<u64> {
        Some(self.moment(limit.until, limit.length)).filter(|at| *at > self.now)
    }

    /// When it is so late: from now, or on a clock.
    pub fn moment(&self, clock: Option<c_int>, time: u64) -> u64 {
        match clock {
            None => self.now.saturating_add(time),
            Some(libc::CLOCK_REALTIME | libc::CLOCK_REALTIME_ALARM | libc::CLOCK_TAI) => {
                time.saturating_sub(self.day)
            }
            Some(_) => time.saturating_sub(self.monotonic),
        }
    }

    /// How much is left until then, in nanoseconds.
    pub fn left(&self, at: Option<u64>) -> u64 {
        at.map_or(0, |at| at.saturating_sub(self.now))
    }
}
