//! A place at which one process is held until another has done something. It is the lab's, and no part
//! of the protocol: its calls are printed dim.

use std::os::fd::{AsRawFd, OwnedFd};

use lablib::print::{after, begin, claim, dim, traced};
use lablib::{Failure, Result, child, signals};
use nix::sys::signal::Signal::SIGUSR1;
use nix::unistd::{self, Pid};
use sysv::process::status;

pub struct Gate {
    here: (OwnedFd, OwnedFd),
    open: (OwnedFd, OwnedFd),
}

impl Gate {
    pub fn new() -> Result<Gate> {
        Ok(Gate { here: child::pipe()?, open: child::pipe()? })
    }

    /// In the child: says that it is here, and waits. What was sent before the gate opens has
    /// come when it is open: a signal is delivered before the read returns.
    pub fn hold(&self) -> Result<()> {
        write(&self.here.1)?;
        read(&self.open.0)?;
        let here = status(Pid::this().as_raw()).map_or(0, |status| status.pending);
        match signals::count(SIGUSR1) {
            0 => claim(
                here & 1 << (SIGUSR1 as u64 - 1) != 0,
                "the signal was sent, and waits: blocked",
            ),
            count => claim(count == 1, "held until the signal was sent: its handler has run"),
        }
    }

    /// In the parent: waits until the child is held, does something, and lets it go on.
    pub fn when_held(&self, body: impl FnOnce() -> Result<()>) -> Result<()> {
        read(&self.here.0)?;
        body()?;
        write(&self.open.1)
    }
}

/// Writes one byte into a pipe.
pub fn write(to: &OwnedFd) -> Result<()> {
    let call = || unistd::write(to, b"!").map_or(-1, |sent| sent as i32);
    dim(|| traced(format!("write({}, \"!\", 1)", to.as_raw_fd()), call)).map(drop)
}

/// Waits for one byte from a pipe.
pub fn read(from: &OwnedFd) -> Result<()> {
    let line = format!("read({}, \"!\", 1)", from.as_raw_fd());
    dim(|| {
        begin(&line.replace("\"!\"", "&byte"))?;
        let got = unistd::read(from, &mut [0]);
        signals::print_handlers();
        match after(got, |_| line)? {
            0 => Err(Failure::because("the other side of the gate has ended")),
            _ => Ok(()),
        }
    })
}
