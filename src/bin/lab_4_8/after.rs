//! What else goes wrong between parent and child.

use lablib::child::child;
use lablib::print::{claim, step};
use lablib::shm::{Addr, NULL};
use lablib::signals::{heard, kill, sigaction, sigprocmask};
use lablib::{Failure, Patience, Result, shm};
use libc::IPC_PRIVATE;
use nix::sys::signal::SigmaskHow::{SIG_BLOCK, SIG_UNBLOCK};
use nix::sys::signal::Signal::SIGUSR1;
use nix::unistd::{pipe, read, write};

use crate::watch::{Ending, reap, watch};
use crate::{HELLO, SIZE};

/// The same calls, in the wrong order: each process makes a segment of its own.
pub fn segment_after_fork(patience: Patience) -> Result<()> {
    step(11, "A segment that is made after fork is not shared")?;
    let pair = child("parent", || {
        let (gate, open_gate) = pipe().map_err(Failure::of("pipe()"))?;
        let own = || -> Result<(i32, Addr)> {
            let id = shm::get(IPC_PRIVATE, SIZE, 0o600)?;
            Ok((id, shm::at(id, NULL, 0)?))
        };
        let child = child("child", || {
            read(&gate, &mut [0]).map_err(Failure::of("read"))?;
            let (id, addr) = own()?;
            let read = shm::read(addr, HELLO.len())?;
            claim(read != HELLO, "IPC_PRIVATE again is another segment, full of zeros")?;
            shm::dt(addr)?;
            shm::ctl_rmid(id)
        })?;
        let (id, addr) = own()?;
        shm::write(addr, HELLO)?;
        write(&open_gate, b"!").map_err(Failure::of("write"))?;
        reap(child)?;
        shm::dt(addr)?;
        shm::ctl_rmid(id)
    })?;
    claim(watch(pair, patience)? == Ending::Well, "no call has failed, and no message arrived")
}

/// A signal that is pending already is not pending twice.
pub fn two_kills(patience: Patience) -> Result<()> {
    step(12, "Two kills that arrive as one")?;
    let pair = child("parent", || {
        let (gate, open_gate) = pipe().map_err(Failure::of("pipe()"))?;
        sigaction(SIGUSR1)?;
        sigprocmask(SIG_BLOCK, SIGUSR1)?;
        let child = child("child", || {
            read(&gate, &mut [0]).map_err(Failure::of("read"))?;
            sigprocmask(SIG_UNBLOCK, SIGUSR1)?;
            claim(heard(SIGUSR1) == 1, "two were sent, one was heard: a signal is no counter")
        })?;
        kill(child.pid, SIGUSR1)?;
        kill(child.pid, SIGUSR1)?;
        write(&open_gate, b"!").map_err(Failure::of("write"))?;
        reap(child)
    })?;
    claim(watch(pair, patience)? == Ending::Well, "so what there is to read must stand in memory")
}
