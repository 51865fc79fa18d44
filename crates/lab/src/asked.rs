//! The signals that ask us to stop, and a tick that ends our waits, so that we can check whether
//! one has come.
//!
//! A wait of ours is a waitpid(2) that a signal interrupts. One that comes just before the wait
//! begins ends nothing; the next tick does. setitimer(2), timer_create(2), sigaction(2)

use std::cell::Cell;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicI64, Ordering::SeqCst};
use std::time::{Duration, Instant};
use std::{mem, ptr};

use libc::{c_int, pid_t, timeval};
use nix::errno::Errno;

/// So often, in microseconds, a wait with a limit ends to look at it.
const LOOK: i64 = 100_000;

/// The signal that asks us to stop, if one has come.
static ASKED: AtomicI32 = AtomicI32::new(0);

/// The thread that works beside our first one is to end.
static ENOUGH: AtomicBool = AtomicBool::new(false);

thread_local! {
    static IS_BESIDE: Cell<bool> = const { Cell::new(false) };
    static IS_DEAF: Cell<bool> = const { Cell::new(false) };
}

/// The signal that asks us to stop, if one has come.
pub fn to_stop() -> Option<c_int> {
    if IS_DEAF.get() {
        return None;
    }
    Some(ASKED.load(SeqCst)).filter(|signal| *signal != 0)
}

/// The tick of a thread that works beside our first one. Dropped, it ends.
pub struct Tick(libc::timer_t);

/// From now on this thread works beside our first one, and has a tick of its own, every so many microseconds:
/// that of the process is for the first thread alone. timer_create(2): EAGAIN, ENOMEM.
pub fn works_beside(micros: i64) -> nix::Result<Tick> {
    IS_BESIDE.set(true);
    let mut timer = ptr::null_mut();
    // SAFETY: a sigevent is plain numbers; the kernel reads it and the times, and writes the timer's number.
    unsafe {
        let mut event: libc::sigevent = mem::zeroed();
        event.sigev_notify = libc::SIGEV_THREAD_ID;
        event.sigev_signo = libc::SIGALRM;
        event.sigev_notify_thread_id = libc::gettid();
        Errno::result(libc::timer_create(libc::CLOCK_MONOTONIC, &mut event, &mut timer))?;
        let every =
            libc::timespec { tv_sec: micros / 1_000_000, tv_nsec: micros % 1_000_000 * 1000 };
        let times = libc::itimerspec { it_interval: every, it_value: every };
        libc::timer_settime(timer, 0, &times, ptr::null_mut());
    }
    Ok(Tick(timer))
}

impl Drop for Tick {
    fn drop(&mut self) {
        // SAFETY: it is ours, and not used any more.
        unsafe { libc::timer_delete(self.0) };
    }
}

/// Is this the thread that works beside our first one?
pub fn is_beside() -> bool {
    IS_BESIDE.get()
}

/// From now on signals do not ask this thread: the first one hears them, and says when it is enough. What this
/// thread starts, it starts and ends as a whole.
pub fn hears_the_first_thread_alone() {
    IS_DEAF.set(true);
}

/// Is this thread to end?
pub fn is_enough() -> bool {
    IS_DEAF.get() && ENOUGH.load(SeqCst)
}

/// Asks the thread that works beside us to end, or does so no more.
pub fn ends_beside(enough: bool) {
    ENOUGH.store(enough, SeqCst);
}

/// Forgets the signal that has come: only another one asks us again.
pub fn heard() {
    ASKED.store(0, SeqCst);
}

/// From now on these signals ask us to stop, unless we were started so that we ignore them: nohup's
/// SIGHUP, a background job's SIGINT. SIGALRM, the tick, only ends a wait. None of them is blocked, whoever
/// has started us; and an ignored SIGCHLD is not, with which the kernel would reap our children unseen.
pub fn listen(signals: &[c_int]) {
    let mut action = no_action();
    // SAFETY: the handlers store to an atomic, or do nothing; sigset_t is a plain set, and initialised.
    unsafe {
        libc::signal(libc::SIGCHLD, libc::SIG_DFL);
        let mut open: libc::sigset_t = mem::zeroed();
        libc::sigemptyset(&mut open);
        for &signal in signals.iter().chain(&[libc::SIGALRM]) {
            libc::sigaddset(&mut open, signal);
        }
        libc::sigprocmask(libc::SIG_UNBLOCK, &open, ptr::null_mut());
        action.sa_sigaction = tick as extern "C" fn(c_int) as usize;
        libc::sigaction(libc::SIGALRM, &action, ptr::null_mut());
        action.sa_sigaction = remember as extern "C" fn(c_int) as usize;
        for &signal in signals {
            let mut found = no_action();
            libc::sigaction(signal, &action, &mut found);
            if found.sa_sigaction == libc::SIG_IGN && signal != libc::SIGTERM {
                libc::sigaction(signal, &found, ptr::null_mut());
            }
        }
    }
}

/// The default, without flags or mask.
fn no_action() -> libc::sigaction {
    // SAFETY: numbers and a pointer that may be NULL.
    unsafe { mem::zeroed() }
}

extern "C" fn remember(signal: c_int) {
    ASKED.store(signal, SeqCst);
}

extern "C" fn tick(_: c_int) {}

/// The terminal's signals are from now on for the programs alone, which decide what becomes of them.
/// Three SIGINT within two seconds ask us, too: a program may sleep where no signal reaches it.
pub fn leave_the_terminals_to_the_programs() {
    let ignored = [libc::SIGQUIT, libc::SIGHUP, libc::SIGTSTP, libc::SIGTTIN, libc::SIGTTOU];
    let mut action = no_action();
    action.sa_sigaction = insist as extern "C" fn(c_int) as usize;
    // SAFETY: SIG_IGN for signals that exist; the handler reads a clock and stores to atomics.
    unsafe {
        for signal in ignored {
            libc::signal(signal, libc::SIG_IGN);
        }
        libc::sigaction(libc::SIGINT, &action, ptr::null_mut());
    }
}

/// When the last two SIGINT came, in milliseconds.
static LAST: [AtomicI64; 2] = [AtomicI64::new(i64::MIN), AtomicI64::new(i64::MIN)];

extern "C" fn insist(signal: c_int) {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: writes one timespec; clock_gettime is async-signal-safe.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &mut time) };
    let now = time.tv_sec * 1000 + time.tv_nsec / 1_000_000;
    let last_but_one = LAST[0].swap(LAST[1].swap(now, SeqCst), SeqCst);
    if now < last_but_one.saturating_add(2000) {
        ASKED.store(signal, SeqCst);
    }
}

/// Ends a wait every so many microseconds; 0: no more.
pub fn tick_every(micros: i64) {
    let every = timeval { tv_sec: micros / 1_000_000, tv_usec: micros % 1_000_000 };
    let timer = libc::itimerval { it_interval: every, it_value: every };
    // SAFETY: the kernel reads one itimerval.
    unsafe { libc::setitimer(libc::ITIMER_REAL, &timer, ptr::null_mut()) };
}

/// As [`tick_every`], until it is dropped: then as before.
pub struct Ticks(libc::itimerval);

/// Ends waits that often; zero: none.
pub fn ticks(every: Duration) -> Ticks {
    let every = timeval { tv_sec: 0, tv_usec: every.subsec_micros().into() };
    let timer = libc::itimerval { it_interval: every, it_value: every };
    let mut found = timer;
    // SAFETY: the kernel reads one itimerval, and writes one.
    unsafe { libc::setitimer(libc::ITIMER_REAL, &timer, &mut found) };
    Ticks(found)
}

impl Drop for Ticks {
    fn drop(&mut self) {
        // SAFETY: the kernel reads one itimerval.
        unsafe { libc::setitimer(libc::ITIMER_REAL, &self.0, ptr::null_mut()) };
    }
}

/// A wait for something that comes at once, unless the kernel or the machine is stuck.
pub struct Patience {
    until: Instant,
    /// There was no tick before: it ends with this.
    ticks: bool,
    /// A signal that asks us to stop does not end this wait: it is for clearing away.
    deaf: bool,
}

/// Why a wait ended without what it waited for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ended {
    /// A signal asks us to stop.
    Asked(c_int),
    /// It took too long.
    Late,
    /// There is no such child of ours.
    Gone,
}

impl Patience {
    /// For so long from now; a signal that asks us to stop ends it.
    pub fn of(length: Duration) -> Patience {
        let mut found = libc::itimerval {
            it_interval: timeval { tv_sec: 0, tv_usec: 0 },
            it_value: timeval { tv_sec: 0, tv_usec: 0 },
        };
        // SAFETY: the kernel writes one itimerval.
        unsafe { libc::getitimer(libc::ITIMER_REAL, &mut found) };
        let ticks = found.it_interval.tv_sec == 0 && found.it_interval.tv_usec == 0;
        if ticks {
            tick_every(LOOK);
        }
        Patience { until: Instant::now() + length, ticks, deaf: false }
    }

    /// The same for what must be cleared away, even if a signal asks us to stop meanwhile.
    pub fn to_clear_away(length: Duration) -> Patience {
        Patience { deaf: true, ..Patience::of(length) }
    }

    /// Waits for the next status of one child or tracee, as waitpid(2) has it.
    pub fn wait(&self, tid: pid_t) -> Result<c_int, Ended> {
        loop {
            let mut status = 0;
            // SAFETY: waitpid writes one int.
            let got = Errno::result(unsafe { libc::waitpid(tid, &mut status, libc::__WALL) });
            match (got, to_stop()) {
                (Ok(_), _) => return Ok(status),
                (Err(Errno::EINTR), Some(signal)) if !self.deaf => {
                    return Err(Ended::Asked(signal));
                }
                (Err(Errno::EINTR), _) if Instant::now() >= self.until => return Err(Ended::Late),
                (Err(Errno::EINTR), _) => {}
                (Err(_), _) => return Err(Ended::Gone),
            }
        }
    }
}

impl Drop for Patience {
    fn drop(&mut self) {
        if self.ticks {
            tick_every(0);
        }
    }
}
