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
use nix::unistd::{self, Pid};

use crate::{Failure, Result, trace};

const STOPPING: [Signal; 3] = [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP];

static STOP: AtomicI32 = AtomicI32::new(0);
static CLEANING: AtomicBool = AtomicBool::new(false);

extern "C" fn remember(signal: i32) {
    STOP.store(signal, SeqCst);
}

/// From now on SIGINT, SIGTERM and SIGHUP end the lab at its next call or wait. One that was
/// ignored when the lab was started (`nohup`, a background job) stays ignored. The mask that the
/// lab was started with is not trusted: what it waits for is let in.
pub fn watch() {
    for signal in STOPPING {
        let before = set(signal, SigHandler::Handler(remember));
        if before.is_ok_and(|before| matches!(before.handler(), SigHandler::SigIgn)) {
            let _ = set(signal, SigHandler::SigIgn);
        }
    }
    mask(SigmaskHow::SIG_UNBLOCK);
    let _ =
        signal::sigprocmask(SigmaskHow::SIG_UNBLOCK, Some(&LISTENED.into_iter().collect()), None);
}

/// In a child: these signals do again what they do by default. Its parent cleans up.
pub(crate) fn unwatch() {
    STOPPING.iter().for_each(|&signal| _ = set(signal, SigHandler::SigDfl));
    // One that came between fork and here was remembered by the handler; now it may do its work.
    if let Ok(signal) = Signal::try_from(STOP.load(SeqCst)) {
        let _ = signal::raise(signal);
    }
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
pub fn undisturbed<T>(body: impl FnOnce() -> T) -> T {
    let before = CLEANING.swap(true, SeqCst);
    let result = body();
    CLEANING.store(before, SeqCst);
    result
}

/// Waits until `fd` can be read, or for `limit` (`None`: for ever): false when the limit ended
/// it. `Err` when a signal asks the lab to stop.
pub fn wait_readable(fd: BorrowedFd, limit: Option<Duration>) -> Result<bool> {
    Ok(!wait(&[fd], limit, || false)?.is_empty())
}

/// Waits until one of `fds` can be read, and answers which; or until a signal that is listened to
/// has come and `heard` says so, or for `limit`: then none. `Err` when a signal asks the lab to stop.
pub fn wait(
    fds: &[BorrowedFd],
    limit: Option<Duration>,
    heard: impl Fn() -> bool,
) -> Result<Vec<usize>> {
    let until = limit.map(|limit| Instant::now() + limit);
    let mut open = SigSet::thread_get_mask().unwrap_or(SigSet::empty());
    LISTENED.iter().for_each(|&signal| open.remove(signal));
    mask(SigmaskHow::SIG_BLOCK);
    let answer = loop {
        if let Err(stop) = check() {
            break Err(stop);
        }
        if heard() {
            break Ok(vec![]);
        }
        let rest = until.map(|until| until.saturating_duration_since(Instant::now()).into());
        let mut polled: Vec<_> = fds.iter().map(|&fd| PollFd::new(fd, PollFlags::POLLIN)).collect();
        match ppoll(&mut polled, rest, Some(open)) {
            Ok(_) => {
                let ready = |(i, fd): (usize, &PollFd)| fd.any().unwrap_or(false).then_some(i);
                break Ok(polled.iter().enumerate().filter_map(ready).collect());
            }
            Err(Errno::EINTR) => {}
            Err(errno) => break Err(Failure::Call("ppoll".into(), errno)),
        }
    };
    mask(SigmaskHow::SIG_UNBLOCK);
    answer
}

/// The signals with which the labs wake each other.
const LISTENED: [Signal; 2] = [Signal::SIGUSR1, Signal::SIGUSR2];

/// How often each signal was heard, and from which process last.
static HEARD: [AtomicI32; 32] = [const { AtomicI32::new(0) }; 32];
static FROM: [AtomicI32; 32] = [const { AtomicI32::new(0) }; 32];

extern "C" fn hear(signal: i32, info: *mut libc::siginfo_t, _context: *mut libc::c_void) {
    // SAFETY: the kernel passes a valid siginfo; for a signal that was sent, si_pid is its sender.
    FROM[signal as usize].store(unsafe { (*info).si_pid() }, SeqCst);
    HEARD[signal as usize].fetch_add(1, SeqCst);
}

/// Installs a handler that counts the signal and keeps its sender: sigaction(2). It interrupts
/// `pause` and `sigsuspend`; other calls go on after it.
pub fn listen(signal: Signal) -> Result<()> {
    HEARD[signal as usize].store(0, SeqCst);
    let handler = SigHandler::SigAction(hear);
    let action = SigAction::new(handler, signal::SaFlags::SA_RESTART, SigSet::empty());
    trace::traced(format!("sigaction({signal}, {{hear, SA_SIGINFO|SA_RESTART}}, NULL)"), || {
        // SAFETY: the handler only stores to atomics, which is async-signal-safe.
        unsafe { signal::sigaction(signal, &action) }.map_or(-1, |_| 0)
    })?;
    Ok(())
}

/// How often the signal was heard since this was asked last, and its last sender.
pub fn heard(signal: Signal) -> (i32, i32) {
    let times = HEARD[signal as usize].swap(0, SeqCst);
    (times, FROM[signal as usize].load(SeqCst))
}

/// Has the signal been heard since [`heard`] was asked last?
pub fn was_heard(signal: Signal) -> bool {
    HEARD[signal as usize].load(SeqCst) > 0
}

/// Blocks a signal, or lets it in again: sigprocmask(2). A blocked one waits, once.
pub fn block(signal: Signal, blocked: bool) -> Result<()> {
    let how = if blocked { SigmaskHow::SIG_BLOCK } else { SigmaskHow::SIG_UNBLOCK };
    let (name, set) = (format!("{how:?}"), [signal].into_iter().collect::<SigSet>());
    trace::traced(format!("sigprocmask({name}, [{signal}], NULL)"), || {
        signal::sigprocmask(how, Some(&set), None).map_or(-1, |()| 0)
    })?;
    Ok(())
}

/// Sends a signal to a process that the caller knows to be its child or its parent: kill(2).
pub fn kill(pid: Pid, signal: Signal) -> Result<()> {
    let call = || signal::kill(pid, signal).map_or(-1, |()| 0);
    trace::traced(format!("kill({pid}, {signal})"), call)?;
    Ok(())
}

/// Sleeps until a handler has run: pause(2). One that ran before the call does not count.
pub fn pause() -> Result<()> {
    trace::before("pause()")?;
    unistd::pause();
    // It never answers anything else.
    let _ = trace::after::<i32>(Err(Errno::EINTR), |_| "pause()".into());
    Ok(())
}

/// Lets `signal` in and sleeps until a handler has run, in one step: sigsuspend(2). With the
/// signal blocked before, one that was sent earlier ends it at once.
pub fn suspend(signal: Signal) -> Result<()> {
    let mut open = SigSet::thread_get_mask().unwrap_or(SigSet::empty());
    open.remove(signal);
    trace::before("sigsuspend(~[…])")?;
    let _ = open.suspend();
    let _ =
        trace::after::<i32>(Err(Errno::EINTR), |_| format!("sigsuspend(mask without {signal})"));
    Ok(())
}
