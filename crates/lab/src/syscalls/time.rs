//! Time: sleeping, alarms, and what time it is.

use super::args::As::*;
use super::cells::*;
use super::notes;

/// The only thing that these do.
const SLEEP: TimeLimit = TimeLimit { sleep: true, ..TimeLimit::new(0, Unit::Timespec) };

rows! {
    SYS_nanosleep nanosleep(req Time, rem Pointer) {
        shown: Shown::Always,
        sleep: Sleep::Yes,
        limit: Some(SLEEP),
        touches: &[Touch::Time],
        explain: notes::slept,
    }
    SYS_clock_nanosleep clock_nanosleep(clockid ClockId, flags TimerFlags, req Time, rem Pointer) {
        shown: Shown::Always,
        sleep: Sleep::Yes,
        limit: Some(TimeLimit { argument: 2, from: Since::Flagged { clock: 0, flags: 1 }, ..SLEEP }),
        touches: &[Touch::Time],
        explain: notes::slept,
    }
    #[cfg(target_arch = "x86_64")]
    SYS_alarm alarm(seconds Unsigned) {
        shown: Shown::Always,
        touches: &[Touch::Time],
        changes: Changes::Timer(Timing::Alarm),
    }
    SYS_setitimer setitimer(which Int, new_value Pointer, old_value Pointer) {
        touches: &[Touch::Time],
        changes: Changes::Timer(Timing::Real),
    }
    SYS_getitimer getitimer(which Int, curr_value Pointer) {
        touches: &[Touch::Time],
        changes: Changes::AsksTimer(Timing::Real),
    }
    SYS_timer_settime timer_settime(timerid Int, flags TimerFlags, new_value Pointer, old_value Pointer) {
        touches: &[Touch::Time],
        changes: Changes::Timer(Timing::Signal),
    }
    SYS_timer_gettime timer_gettime(timerid Int, curr_value Pointer) {
        touches: &[Touch::Time],
        changes: Changes::AsksTimer(Timing::Signal),
    }
    SYS_timer_delete timer_delete(timerid Int) {
        touches: &[Touch::Time],
        changes: Changes::DeletesTimer,
    }
    SYS_timerfd_settime timerfd_settime(fd Int, flags TimerFlags, new_value Pointer, old_value Pointer) {
        touches: &[Touch::Descriptor, Touch::Time],
        changes: Changes::Timer(Timing::File),
    }
    SYS_timerfd_gettime timerfd_gettime(fd Int, curr_value Pointer) {
        touches: &[Touch::Looked, Touch::Time],
        changes: Changes::AsksTimer(Timing::File),
    }
    SYS_clock_gettime clock_gettime() { point: Point::Clock(Question::Named) }
    SYS_gettimeofday gettimeofday() { point: Point::Clock(Question::Day) }
    #[cfg(target_arch = "x86_64")]
    SYS_time time() { point: Point::Clock(Question::Seconds) }
}
