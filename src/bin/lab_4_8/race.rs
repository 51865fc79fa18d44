//! Part B: the lost wake-up, forced. The child is held by a pipe in the very place where a busy
//! machine holds it one time in some hundred thousand, until the signal has been sent.

use std::os::fd::OwnedFd;

use lablib::child::child;
use lablib::print::{claim, note, step};
use lablib::shm::{Addr, NULL};
use lablib::signals::{heard, kill, pause, sigaction};
use lablib::{Failure, Patience, Result, shm};
use libc::IPC_PRIVATE;
use nix::sys::signal::Signal::SIGUSR1;
use nix::unistd::{Pid, pipe, read, write};

use crate::watch::{Ending, reap, watch};
use crate::{HELLO, SIZE};

/// The child calls pause, and looks at nothing before.
pub fn before_pause(patience: Patience) -> Result<()> {
    step(7, "B: the signal comes before pause")?;
    let ending = forced(patience, |parent, gate, addr| {
        gate.hold()?;
        pause()?;
        answer(parent, addr)
    })?;
    claim(ending == Ending::Asleep, "lost: pause waits for the next signal, and there is none")
}

/// The child looks at a flag that the handler sets, and calls pause only if it is not set.
pub fn between_check_and_pause(patience: Patience) -> Result<()> {
    step(8, "B: the signal comes between the check and pause")?;
    let ending = forced(patience, |parent, gate, addr| {
        while heard(SIGUSR1) == 0 {
            note("not told yet: it is going to pause");
            gate.hold()?;
            pause()?;
        }
        answer(parent, addr)
    })?;
    claim(ending == Ending::Asleep, "lost again: the flag is set, and nobody looks at it any more")
}

/// A place where one process waits until the other has done something.
struct Gate {
    here: (OwnedFd, OwnedFd),
    open: (OwnedFd, OwnedFd),
}

impl Gate {
    fn new() -> Result<Gate> {
        let pipe = || pipe().map_err(Failure::of("pipe()"));
        Ok(Gate { here: pipe()?, open: pipe()? })
    }

    /// In the child: says that it is here, and waits. What was sent before the gate opens has
    /// come when it is open: a signal is delivered before the read returns.
    fn hold(&self) -> Result<()> {
        write(&self.here.1, b"!").map_err(Failure::of("write"))?;
        read(&self.open.0, &mut [0]).map_err(Failure::of("read"))?;
        note("held here until the signal was sent: its handler has run, and now comes pause");
        Ok(())
    }

    /// In the parent: waits until the child is held, does something, and lets it go on.
    fn meanwhile(&self, body: impl FnOnce() -> Result<()>) -> Result<()> {
        read(&self.here.0, &mut [0]).map_err(Failure::of("read"))?;
        body()?;
        write(&self.open.1, b"!").map(drop).map_err(Failure::of("write"))
    }
}

/// Runs the parent of part A against a child that is held until the parent has sent its signal.
fn forced(patience: Patience, the_child: fn(Pid, &Gate, Addr) -> Result<()>) -> Result<Ending> {
    let pair = child("parent", || {
        let gate = Gate::new()?;
        sigaction(SIGUSR1)?;
        let id = shm::get(IPC_PRIVATE, SIZE, 0o600)?;
        let addr = shm::at(id, NULL, 0)?;
        let parent = Pid::this();
        let child = child("child", || the_child(parent, &gate, addr))?;
        shm::ctl_rmid(id)?;
        note("removed as soon as both have it: whatever happens now, nothing stays");
        shm::write(addr, HELLO)?;
        gate.meanwhile(|| kill(child.pid, SIGUSR1))?;
        while heard(SIGUSR1) == 0 {
            pause()?;
        }
        reap(child)
    })?;
    watch(pair, patience)
}

fn answer(parent: Pid, addr: Addr) -> Result<()> {
    shm::read(addr, HELLO.len())?;
    kill(parent, SIGUSR1)
}
