//! Parts B and C: the same two processes, in the same order, with three ways to wait. The child is
//! held in the very place where a busy machine holds it one time in some hundred thousand, until the
//! signal has been sent. Two ways lose it, and the third, in which one line differs, does not.

use lablib::print::{claim, note, step};
use lablib::shm::NULL;
use lablib::signals::{kill, pause, sigaction, sigprocmask, sigsuspend};
use lablib::{Result, shm};
use libc::IPC_PRIVATE;
use nix::sys::signal::SigmaskHow::SIG_BLOCK;
use nix::sys::signal::Signal::SIGUSR1;
use nix::unistd::Pid;

use crate::gate::Gate;
use crate::onlooker::{Ending, child, reap, watched};
use crate::{HELLO, SIZE, told};

/// A way to wait until told. `held` is what happens between the check and the sleep.
type Wait = fn(held: &dyn Fn() -> Result<()>) -> Result<()>;

/// In C: `pause();`
fn pause_once(held: &dyn Fn() -> Result<()>) -> Result<()> {
    held()?;
    pause()
}

/// In C: `while (!told) pause();`
fn pause_until_told(held: &dyn Fn() -> Result<()>) -> Result<()> {
    while !told() {
        held()?;
        pause()?;
    }
    Ok(())
}

/// In C: `while (!told) sigsuspend(&open);`
fn sigsuspend_until_told(held: &dyn Fn() -> Result<()>) -> Result<()> {
    while !told() {
        held()?;
        sigsuspend(SIGUSR1)?;
    }
    Ok(())
}

/// The child calls pause, and checks nothing before.
pub fn before_pause() -> Result<()> {
    step(7, "B: the signal comes before pause")?;
    let ending = forced(false, pause_once)?;
    claim(ending == Ending::Lost, "lost: pause waits for the next signal, and there is none")
}

/// The child checks a flag that the handler sets, and calls pause only if it is not set.
pub fn between_check_and_pause() -> Result<()> {
    step(8, "B: the signal comes between the check and pause")?;
    let ending = forced(false, pause_until_told)?;
    claim(ending == Ending::Lost, "lost again: the flag is set, and nobody checks it any more")
}

/// The signal is blocked, and sigsuspend lets it in and sleeps in one step: one that comes early waits.
pub fn blocked() -> Result<()> {
    step(9, "C: block the signal before fork, wait in sigsuspend")?;
    note("as in step 8, but for two lines: sigprocmask before fork, and sigsuspend for pause");
    let ending = forced(true, sigsuspend_until_told)?;
    claim(ending == Ending::Well, "held as in part B, and not lost: both have ended")
}

/// Parent and child of part A; the child is held when it has checked, until the parent has signalled.
fn forced(block: bool, wait: Wait) -> Result<Ending> {
    watched(|| {
        let gate = Gate::new()?;
        sigaction(SIGUSR1)?;
        if block {
            sigprocmask(SIG_BLOCK, SIGUSR1)?;
        }
        let id = shm::get(IPC_PRIVATE, SIZE, 0o600)?;
        let addr = shm::at(id, NULL, 0)?;
        let parent = Pid::this();
        let child = child("child", || {
            wait(&|| gate.hold())?;
            claim(shm::read(addr, HELLO.len())? == HELLO, "told, and there it is")?;
            kill(parent, SIGUSR1)?;
            shm::dt(addr)
        })?;
        shm::ctl_rmid(id)?;
        note("removed as soon as both have it: whatever happens now, nothing stays");
        shm::write(addr, HELLO)?;
        gate.when_held(|| kill(child.pid, SIGUSR1))?;
        wait(&|| Ok(()))?;
        note("the child has read");
        reap(child)?;
        shm::dt(addr)
    })
}
