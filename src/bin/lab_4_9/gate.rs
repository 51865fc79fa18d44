//! A pipe at which one process waits until another lets it pass: how the lab puts two processes in
//! an order that they would have by chance. No part of the protocol, so it is printed dim.

use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use lablib::child::pipe;
use lablib::print::{after, begin, dim, traced};
use lablib::{Result, signals};
use nix::unistd::{read, write};

/// Where one waits.
pub struct Gate(OwnedFd);

/// What opens it.
pub struct Opener(OwnedFd);

/// A closed gate. Each end belongs to one process: when the one that could open it has ended, the
/// other knows.
pub fn gate() -> Result<(Gate, Opener)> {
    let (gate, opener) = pipe()?;
    Ok((Gate(gate), Opener(opener)))
}

impl Opener {
    /// Lets the other pass.
    pub fn open(&self) -> Result<()> {
        let call = || write(&self.0, b"!").map_or(-1, |sent| sent as i32);
        dim(|| traced(format!("write({}, \"!\", 1)", self.0.as_raw_fd()), call)).map(drop)
    }
}

impl Gate {
    /// Waits until it is open. False: nobody is left who could open it.
    pub fn pass(&self) -> Result<bool> {
        let line = format!("read({}, &byte, 1)", self.0.as_raw_fd());
        dim(|| {
            begin(&line)?;
            signals::wait_readable(self.0.as_fd(), None)?;
            let got = read(&self.0, &mut [0]).map(|got| got as i32);
            signals::print_handlers();
            after(got, |_| line)
        })
        .map(|got| got == 1)
    }
}
