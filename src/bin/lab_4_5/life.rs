//! How attachments begin and end with processes.

use std::io::Error;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::Duration;

use lablib::child::{Child, child, pipe};
use lablib::print::{claim, note};
use lablib::shm::NULL;
use lablib::{Experiment, Failure, Result, shm};
use libc::IPC_PRIVATE;
use nix::unistd::{read, write};
use sysv::process::{runs, status};

pub const ALL: &[Experiment] = &[
    Experiment {
        name: "fork",
        rows: "N1",
        question: "Is a child attached to what its parent had attached?",
        run: fork,
    },
    Experiment {
        name: "exit-exec-kill",
        rows: "N2",
        question: "Which ends of a process detach?",
        run: exit_exec_kill,
    },
];

/// Nothing here takes so long; a limit so that a defect is no hang.
const LIMIT: Duration = Duration::from_secs(10);

/// A child that waits until it can read a byte, and the end to write it to.
fn waiting() -> Result<(Child, OwnedFd)> {
    let (from, to) = pipe()?;
    let child = child("child", || read(&from, &mut [0]).map(drop).map_err(Failure::of("read")))?;
    Ok((child, to))
}

fn fork() -> Result<()> {
    let id = shm::get(IPC_PRIVATE, 1, 0o600)?;
    let (one, two) = (shm::at(id, NULL, 0)?, shm::at(id, NULL, 0)?);
    let us = std::process::id() as i32;
    let gone = child("child", || Ok(()))?;
    let pid = gone.pid.as_raw();
    gone.finish()?;
    claim(shm::ctl_stat(id)?.shm_lpid == pid, "a child that has come and gone: it detached last")?;
    let (child, go) = waiting()?;
    let forked = shm::ctl_stat(id)?;
    claim(forked.shm_nattch == 4, "two attachments, two processes: nattch 4")?;
    claim(forked.shm_lpid == us, "attached last: the parent, which called fork")?;
    write(&go, b"!").map_err(Failure::of("write"))?;
    child.finish()?;
    claim(shm::ctl_stat(id)?.shm_nattch == 2, "the child has ended: 2, as before")?;
    shm::dt(two)?;
    shm::dt(one)?;
    shm::ctl_rmid(id)
}

fn exit_exec_kill() -> Result<()> {
    let id = shm::get(IPC_PRIVATE, 1, 0o600)?;
    let addr = shm::at(id, NULL, 0)?;
    let count = |n| shm::ctl_stat(id).map(|ds| ds.shm_nattch == n);

    let (ending, go) = waiting()?;
    claim(count(2)?, "a child, and nattch 2")?;
    write(&go, b"!").map_err(Failure::of("write"))?;
    let zombie = ending.has_ended(LIMIT)?
        && status(ending.pid.as_raw()).is_some_and(|status| status.state == 'Z');
    claim(zombie, "it has ended, and was not waited for: a zombie")?;
    claim(count(1)?, "nattch 1: a zombie is not attached")?;
    ending.finish()?;

    let (killed, _go) = waiting()?;
    claim(count(2)?, "another child, and nattch 2")?;
    killed.kill()?;
    claim(killed.has_ended(LIMIT)?, "killed, and not waited for")?;
    claim(count(1)?, "nattch 1: the kernel has detached for it")?;
    killed.wait()?;

    let (other, input) = becomes_cat()?;
    let lives = runs(other.pid.as_raw());
    claim(lives && count(1)?, "it lives, as another program, and is not attached")?;
    drop(input);
    other.finish()?;
    note("so nattch can be trusted: it is the kernel's count, of the living");
    shm::dt(addr)?;
    shm::ctl_rmid(id)
}

/// A child that has become `cat`, and its standard input: `cat` ends when that is closed.
fn becomes_cat() -> Result<(Child, OwnedFd)> {
    let (from, to) = pipe()?;
    let (closed, open) = pipe()?;
    let child = child("child", || {
        note("execve(\"cat\"): the same process, a new program, a new address space");
        let failed: Error = Command::new("cat").stdin(Stdio::from(from)).exec();
        Err(Failure::because(format!("cat: {failed}")))
    })?;
    // The other end is closed by execve itself, after the old address space has gone.
    drop(open);
    read(&closed, &mut [0]).map_err(Failure::of("read"))?;
    Ok((child, to))
}
