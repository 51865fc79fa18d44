//! Turns between two processes of a demonstration, by pipes. What they say goes through memory.

use std::os::fd::{AsFd, OwnedFd};

use lablib::child::Child;
use lablib::{Failure, Result, signals};
use nix::errno::Errno;
use nix::unistd::{read, write};

/// Gives the turn to the other. When the other has ended instead, it has said why.
pub fn tell(to: &OwnedFd) -> Result<()> {
    match write(to, b"!") {
        Err(Errno::EPIPE) => Err(Failure::Told(1)),
        sent => sent.map(drop).map_err(Failure::of("write")),
    }
}

/// Waits for the turn. When the other has ended instead, it has said why.
pub fn told(from: &OwnedFd) -> Result<()> {
    signals::wait_readable(from.as_fd(), None)?;
    match read(from, &mut [0]).map_err(Failure::of("read"))? {
        0 => Err(Failure::Told(1)),
        _ => Ok(()),
    }
}

/// Waits for a child. When it is why its parent could not go on, its failure is the parent's; one that ended
/// well has said what this machine lacks, and there is no more to show.
pub fn finish(child: Child, ended: Result<()>) -> Result<()> {
    match ended {
        Err(Failure::Told(_)) => child.finish(),
        ended => ended.and_then(|()| child.finish()),
    }
}
