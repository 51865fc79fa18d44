//! The calls for signals, and handlers that only set a flag. Source: signal(7).

use std::sync::atomic::{AtomicI32, Ordering::SeqCst};

use nix::errno::Errno;
use nix::sys::signal::{self, SaFlags, SigAction, SigHandler, SigSet, SigmaskHow, Signal};
use nix::unistd::{self, Pid};

use crate::backstage::failure::{Failure, Result};
pub use crate::backstage::stop::{check, undisturbed, wait, wait_readable, watch};
use crate::print::{after, begin, counting, dim, note, traced};

/// A number for each signal: how often its handler has run, how many of these were asked for by [`heard`]
/// and printed, and from which process the last one came.
type Numbers = [AtomicI32; 32];
static COUNT: Numbers = [const { AtomicI32::new(0) }; 32];
static HEARD: Numbers = [const { AtomicI32::new(0) }; 32];
static PRINTED: Numbers = [const { AtomicI32::new(0) }; 32];
static FROM: Numbers = [const { AtomicI32::new(0) }; 32];

extern "C" fn hear(signal: i32, info: *mut libc::siginfo_t, _context: *mut libc::c_void) {
    // SAFETY: the kernel passes a valid siginfo. Who sends by `kill` cannot choose si_pid; by `sigqueue`, yes.
    let from = unsafe { if (*info).si_code == libc::SI_USER { (*info).si_pid() } else { 0 } };
    FROM[signal as usize].store(from, SeqCst);
    COUNT[signal as usize].fetch_add(1, SeqCst);
}

/// Installs a handler that counts the signal and keeps its sender: sigaction(2). It interrupts
/// `pause` and `sigsuspend`; other calls go on after it.
pub fn sigaction(signal: Signal) -> Result<()> {
    [&COUNT, &HEARD, &PRINTED].iter().for_each(|all| all[signal as usize].store(0, SeqCst));
    let action = SigAction::new(SigHandler::SigAction(hear), SaFlags::SA_RESTART, SigSet::empty());
    traced(format!("sigaction({signal}, {{hear, SA_SIGINFO|SA_RESTART}}, NULL)"), || {
        // SAFETY: the handler only stores to atomics, which is async-signal-safe.
        unsafe { signal::sigaction(signal, &action) }.map_or(-1, |_| 0)
    })?;
    Ok(())
}

/// How often the handler of this signal has run.
pub fn count(signal: Signal) -> i32 {
    COUNT[signal as usize].load(SeqCst)
}

/// How often the signal was heard since this was asked last.
pub fn heard(signal: Signal) -> i32 {
    let count = count(signal);
    count - HEARD[signal as usize].swap(count, SeqCst)
}

/// Which process sent the signal that was heard last; 0 if it did not do so by `kill`.
pub fn sender(signal: Signal) -> i32 {
    FROM[signal as usize].load(SeqCst)
}

/// Has the signal been heard since [`heard`] was asked last?
pub fn was_heard(signal: Signal) -> bool {
    count(signal) > HEARD[signal as usize].load(SeqCst)
}

/// Prints, dim, which handlers have run since this was called last: they cannot print themselves.
pub fn print_handlers() {
    for signal in [Signal::SIGUSR1, Signal::SIGUSR2] {
        let (count, from) = (count(signal), sender(signal));
        if PRINTED[signal as usize].swap(count, SeqCst) < count && !counting() {
            dim(|| note(say!("hear({signal}) has run: sent by {from}")));
        }
    }
}

/// Blocks a signal, or lets it in again: sigprocmask(2). A blocked one waits, once.
pub fn sigprocmask(how: SigmaskHow, signal: Signal) -> Result<()> {
    traced(format!("sigprocmask({how:?}, [{signal}], NULL)"), || {
        signal::sigprocmask(how, Some(&signal.into()), None).map_or(-1, |()| 0)
    })
    .map(drop)
}

/// Sends a signal to a process that the caller knows to be its child or its parent: kill(2).
pub fn kill(pid: Pid, signal: Signal) -> Result<()> {
    let call = || signal::kill(pid, signal).map_or(-1, |()| 0);
    traced(format!("kill({pid}, {signal})"), call).map(drop)
}

/// Sleeps until a handler has run: pause(2). One that ran before the call does not count.
pub fn pause() -> Result<()> {
    begin("pause()")?;
    unistd::pause();
    slept("pause()".into(), Errno::last())
}

/// What [`pause`] and [`sigsuspend`] answer when they have slept is EINTR, and no failure.
fn slept(line: String, errno: Errno) -> Result<()> {
    print_handlers();
    let answer = after::<i32>(Err(errno), |_| line);
    if errno == Errno::EINTR { Ok(()) } else { answer.map(drop) }
}

/// Lets `signal` in and sleeps until a handler has run, in one step: sigsuspend(2). With the
/// signal blocked before, one that was sent earlier ends it at once.
pub fn sigsuspend(signal: Signal) -> Result<()> {
    let mut open = SigSet::thread_get_mask().map_err(Failure::of("sigprocmask"))?;
    open.remove(signal);
    let line = format!("sigsuspend(mask without {signal})");
    begin(&line)?;
    slept(line, open.suspend().err().unwrap_or(Errno::EINTR))
}
