//! Signals that ask a lab to stop, and waits that they can end.
//!
//! The handler stores the number and nothing else. Straight-line code looks at it before each
//! call ([`check`]); a wait lets the signals in only while it sleeps (`ppoll`), so none is lost
//! between the look and the sleep.

use std::os::fd::BorrowedFd;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering::SeqCst};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::signal::{self, SigAction, SigHandler, SigSet, SigmaskHow, Signal};

use crate::{Failure, Result};

const STOPPING: [Signal; 3] = [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP];

static STOP: AtomicI32 = AtomicI32::new(0);
static CLEANING: AtomicBool = AtomicBool::new(false);

extern "C" fn remember(signal: i32) {
    STOP.store(signal, SeqCst);
}

/// From now on SIGINT, SIGTERM and SIGHUP end the lab at its next call or wait. One that was
/// ignored when the lab was started (`nohup`, a background job) stays ignored.
pub fn watch() {
    for signal in STOPPING {
        let before = set(signal, SigHandler::Handler(remember));
        if before.is_ok_and(|before| matches!(before.handler(), SigHandler::SigIgn)) {
            let _ = set(signal, SigHandler::SigIgn);
        }
    }
    mask(SigmaskHow::SIG_UNBLOCK);
}

/// In a child: these signals do again what they do by default. Its parent cleans up.
pub(crate) fn unwatch() {
    STOPPING.iter().for_each(|&signal| _ = set(signal, SigHandler::SigDfl));
}

/// Fails only for signals that do not exist or cannot be handled.
fn set(signal: Signal, handler: SigHandler) -> nix::Result<SigAction> {
    let action = SigAction::new(handler, signal::SaFlags::empty(), SigSet::empty());
    // SAFETY: the handler only stores to an atomic, which is async-signal-safe.
    unsafe { signal::sigaction(signal, &action) }
}

fn mask(how: SigmaskHow) {
    // Fails only for a `how` that does not exist.
    let _ = signal::sigprocmask(how, Some(&STOPPING.into_iter().collect()), None);
}

/// Asks this process to stop as if `signal` had arrived.
pub(crate) fn stop(signal: i32) {
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

/// Runs the clean-up to its end, whatever signals arrive.
pub(crate) fn undisturbed<T>(body: impl FnOnce() -> T) -> T {
    let before = CLEANING.swap(true, SeqCst);
    let result = body();
    CLEANING.store(before, SeqCst);
    result
}

/// Waits until `fd` can be read, or for `limit` (`None`: for ever): false when the limit ended
/// it. `Err` when a signal asks the lab to stop.
pub fn wait_readable(fd: BorrowedFd, limit: Option<Duration>) -> Result<bool> {
    let until = limit.map(|limit| Instant::now() + limit);
    let open = SigSet::thread_get_mask().unwrap_or(SigSet::empty());
    mask(SigmaskHow::SIG_BLOCK);
    let answer = loop {
        if let Err(stop) = check() {
            break Err(stop);
        }
        let rest = until.map(|until| until.saturating_duration_since(Instant::now()).into());
        match ppoll(&mut [PollFd::new(fd, PollFlags::POLLIN)], rest, Some(open)) {
            Ok(ready) => break Ok(ready > 0),
            Err(Errno::EINTR) => {}
            Err(errno) => break Err(Failure::Call("ppoll".into(), errno)),
        }
    };
    mask(SigmaskHow::SIG_UNBLOCK);
    answer
}
