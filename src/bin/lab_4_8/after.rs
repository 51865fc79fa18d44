//! What else goes wrong between parent and child.

use lablib::child::pipe;
use lablib::print::{claim, note, step};
use lablib::shm::{Addr, NULL};
use lablib::signals::{count, kill, print_handlers, sigaction, sigprocmask};
use lablib::{Result, shm};
use libc::IPC_PRIVATE;
use nix::sys::signal::SigmaskHow::{SIG_BLOCK, SIG_UNBLOCK};
use nix::sys::signal::Signal::SIGUSR1;

use crate::gate::{read, write};
use crate::onlooker::{Ending, child, reap, watched};
use crate::{HELLO, SIZE};

/// The same calls, in the wrong order: each process makes a segment of its own.
pub fn segment_after_fork() -> Result<()> {
    step(11, "A segment that is made after fork is not shared")?;
    let ending = watched(|| {
        let (gate, open_gate) = pipe()?;
        let own = || -> Result<(i32, Addr)> {
            let id = shm::get(IPC_PRIVATE, SIZE, 0o600)?;
            Ok((id, shm::at(id, NULL, 0)?))
        };
        let child = child("child", || {
            read(&gate)?;
            let (id, addr) = own()?;
            let read = shm::read(addr, HELLO.len())?;
            claim(read == [0; HELLO.len()], "zeros: IPC_PRIVATE again was another segment")?;
            shm::dt(addr)?;
            shm::ctl_rmid(id)
        })?;
        let (id, addr) = own()?;
        shm::write(addr, HELLO)?;
        write(&open_gate)?;
        reap(child)?;
        shm::dt(addr)?;
        shm::ctl_rmid(id)
    })?;
    claim(ending == Ending::Well, "both have ended, and no call has failed")?;
    note("and no message has arrived");
    Ok(())
}

/// A signal that is pending already is not pending twice.
pub fn two_kills() -> Result<()> {
    step(12, "Two kills that arrive as one")?;
    let ending = watched(|| {
        let (gate, open_gate) = pipe()?;
        sigaction(SIGUSR1)?;
        sigprocmask(SIG_BLOCK, SIGUSR1)?;
        let child = child("child", || {
            read(&gate)?;
            sigprocmask(SIG_UNBLOCK, SIGUSR1)?;
            print_handlers();
            claim(count(SIGUSR1) == 1, "two were sent, one was heard: a signal is no counter")
        })?;
        kill(child.pid, SIGUSR1)?;
        kill(child.pid, SIGUSR1)?;
        write(&open_gate)?;
        reap(child)
    })?;
    claim(ending == Ending::Well, "both have ended")?;
    note("so what there is to read must stand in memory");
    Ok(())
}
