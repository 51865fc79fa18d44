//! Signals that ask a lab to stop, and waits that they can end.
//!
//! The handler stores the number and nothing else. Straight-line code checks it before each call
//! ([`check`]); a wait unblocks the signals only while it sleeps (`ppoll`), so none is lost between
//! the check and the sleep.

use std::os::fd::BorrowedFd;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering::SeqCst};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::signal::{self, SigAction, SigHandler, SigSet, SigmaskHow, Signal};

use super::failure::{Failure, Result};

const STOPPING: [Signal; 3] = [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP];
/// The signals with which the labs wake each other.
const WAKING: [Signal; 2] = [Signal::SIGUSR1, Signal::SIGUSR2];
/// For how long to wait; `None`: for ever.
type Limit = Option<Duration>;
static STOP: AtomicI32 = AtomicI32::new(0);
static CLEANING: AtomicBool = AtomicBool::new(false);

extern "C" fn remember(signal: i32) {
    STOP.store(signal, SeqCst);
}

/// From now on SIGINT, SIGTERM and SIGHUP end the lab at its next call or wait. One that was ignored when
/// the lab was started (`nohup`) stays ignored. Nothing else of what its launcher set is trusted: no signal
/// is blocked, and those of the lessons do what they do by default.
pub fn watch() -> Result<()> {
    STOPPING.iter().for_each(|&signal| unless_ignored(signal, SigHandler::Handler(remember)));
    for signal in [WAKING[0], WAKING[1], Signal::SIGALRM, Signal::SIGCHLD] {
        let _ = set(signal, SigHandler::SigDfl);
    }
    SigSet::empty().thread_set_mask().map_err(Failure::of("sigprocmask"))
}

/// In a child: these signals do again what they do by default. Its parent cleans up.
pub fn unwatch() {
    STOPPING.iter().for_each(|&signal| unless_ignored(signal, SigHandler::SigDfl));
    // One that came between fork and here was remembered by the handler; now it may do its work.
    if let Ok(signal) = Signal::try_from(STOP.load(SeqCst)) {
        let _ = signal::raise(signal);
    }
}

fn unless_ignored(signal: Signal, handler: SigHandler) {
    if set(signal, handler).is_ok_and(|was| matches!(was.handler(), SigHandler::SigIgn)) {
        let _ = set(signal, SigHandler::SigIgn);
    }
}

/// Fails only for signals that do not exist or cannot be handled.
fn set(signal: Signal, handler: SigHandler) -> nix::Result<SigAction> {
    let action = SigAction::new(handler, signal::SaFlags::empty(), SigSet::empty());
    // SAFETY: the handler only stores to an atomic, which is async-signal-safe.
    unsafe { signal::sigaction(signal, &action) }
}

/// Asks this process to stop as if `signal` had arrived.
pub fn stop(signal: i32) {
    STOP.store(signal, SeqCst);
}

/// `Err` when a signal has asked the lab to stop, except while it cleans up.
pub fn check() -> Result<()> {
    match STOP.load(SeqCst) {
        0 => Ok(()),
        _ if CLEANING.load(SeqCst) => Ok(()),
        signal => Err(Failure::Signal(signal)),
    }
}

/// Does this process clean up? Then it waits for nobody.
pub fn is_cleaning() -> bool {
    CLEANING.load(SeqCst)
}

/// Runs the clean-up to its end, whatever signals arrive.
pub fn undisturbed<T>(body: impl FnOnce() -> T) -> T {
    let before = CLEANING.swap(true, SeqCst);
    let result = body();
    CLEANING.store(before, SeqCst);
    result
}

/// Waits until `fd` can be read, or for `limit` (`None`: for ever): false when the limit ended
/// it. `Err` when a signal asks the lab to stop.
pub fn wait_readable(fd: BorrowedFd, limit: Limit) -> Result<bool> {
    Ok(!wait_letting_in(&[], &[fd], limit, || false)?.is_empty())
}

/// Waits until one of `fds` can be read, and answers which; or until a signal that wakes has come
/// and `heard` says so, or for `limit`: then none. `Err` when a signal asks the lab to stop.
pub fn wait(fds: &[BorrowedFd], limit: Limit, heard: impl Fn() -> bool) -> Result<Vec<usize>> {
    wait_letting_in(&WAKING, fds, limit, heard)
}

/// A wait for something else must not take a signal that the lab blocks.
fn wait_letting_in(
    signals: &[Signal],
    fds: &[BorrowedFd],
    limit: Limit,
    heard: impl Fn() -> bool,
) -> Result<Vec<usize>> {
    let until = limit.map(|limit| Instant::now() + limit);
    let mut open = SigSet::thread_get_mask().unwrap_or(SigSet::empty());
    signals.iter().for_each(|&signal| open.remove(signal));
    let mask = |how| signal::sigprocmask(how, Some(&STOPPING.into_iter().collect()), None);
    mask(SigmaskHow::SIG_BLOCK).map_err(Failure::of("sigprocmask"))?;
    let answer = loop {
        match check() {
            Err(stop) => break Err(stop),
            Ok(()) if heard() => break Ok(vec![]),
            Ok(()) => {}
        }
        let rest = until.map(|until| until.saturating_duration_since(Instant::now()).into());
        let mut polled: Vec<_> = fds.iter().map(|&fd| PollFd::new(fd, PollFlags::POLLIN)).collect();
        let ready = |(i, fd): (usize, &PollFd)| fd.any().unwrap_or(false).then_some(i);
        match ppoll(&mut polled, rest, Some(open)) {
            Ok(_) => break Ok(polled.iter().enumerate().filter_map(ready).collect()),
            Err(Errno::EINTR) => {}
            Err(errno) => break Err(Failure::Call("ppoll".into(), errno)),
        }
    };
    mask(SigmaskHow::SIG_UNBLOCK).map_err(Failure::of("sigprocmask"))?;
    answer
}
