//! What a new program on Linux would take: shared memory without a name, and a bell for poll.

use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use lablib::child::child;
use lablib::print::{claim, note};
use lablib::{Experiment, Result, expect_errno};
use libc::{F_ADD_SEALS, F_GET_SEALS, F_SEAL_GROW, F_SEAL_SEAL, F_SEAL_SHRINK, POLLIN, c_int};
use nix::errno::Errno;
use nix::sys::signal::Signal::SIGBUS;
use nix::sys::wait::WaitStatus;
use nix::unistd;

use crate::files::{self, number, printed, zero};
use crate::posix::Mapping;
use crate::{HELLO, SIZE};

pub const ALL: &[Experiment] = &[
    Experiment {
        name: "memfd-seals",
        rows: "I14 I15",
        question: "Can the size of shared memory change under its reader, and who forbids it?",
        run: seals,
    },
    Experiment {
        name: "eventfd",
        rows: "I16",
        question: "Can poll wait for news in shared memory?",
        run: bell,
    },
];

const SEALS: c_int = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW;
const SPELLED: &str = "F_SEAL_SEAL|F_SEAL_SHRINK|F_SEAL_GROW";

fn seals() -> Result<()> {
    let fd = memfd()?;
    let without_name = files::what_is(&fd)? == "/memfd:letters (deleted)";
    claim(without_name, "a file without a name: it goes with its last user")?;
    resize(&fd, SIZE)?;
    let here = Mapping::of(&fd)?;
    here.write(HELLO);
    resize(&fd, 0)?;
    let reader = child("B", || {
        here.read(HELLO.len());
        Ok(())
    })?;
    let killed = matches!(reader.wait()?, WaitStatus::Signaled(_, SIGBUS, _));
    claim(killed, "made shorter under a mapping: who reads there is killed, SIGBUS")?;
    resize(&fd, SIZE)?;
    fcntl(&fd, "F_ADD_SEALS", F_ADD_SEALS, Some((SPELLED, SEALS)))?;
    expect_errno(resize(&fd, 0), Errno::EPERM)?;
    let seals = fcntl(&fd, "F_GET_SEALS", F_GET_SEALS, None)?;
    claim(seals == SEALS, "sealed, for every user of it: a reader can check that")?;
    note("a System V segment has its size for ever");
    here.unmap()?;
    files::close(fd)
}

fn bell() -> Result<()> {
    let (bell, fd) = (eventfd()?, memfd()?);
    resize(&fd, SIZE)?;
    let here = Mapping::of(&fd)?;
    claim(files::poll(bell.as_raw_fd())? == 0, "nothing has happened yet: poll says so")?;
    child("B", || {
        for _ in 0..2 {
            here.write(HELLO);
            files::write(&bell, &1u64.to_ne_bytes())?;
        }
        Ok(())
    })?
    .finish()?;
    claim(files::poll(bell.as_raw_fd())? == POLLIN, "rung: poll sees it, as it sees a socket")?;
    let rings = files::read(&bell, 8)?;
    claim(rings == 2u64.to_ne_bytes(), "it counts: two rings, taken by one read")?;
    claim(here.read(HELLO.len()) == HELLO, "and the bytes are in the memory")?;
    claim(files::poll(bell.as_raw_fd())? == 0, "taken: poll waits again")?;
    here.unmap()?;
    files::close(fd)?;
    files::close(bell)
}

/// memfd_create(2).
fn memfd() -> Result<OwnedFd> {
    let flags = libc::MFD_CLOEXEC | libc::MFD_ALLOW_SEALING;
    // SAFETY: the name ends with NUL.
    let call = || made(unsafe { libc::memfd_create(c"letters".as_ptr(), flags) });
    printed("memfd_create(\"letters\", MFD_CLOEXEC|MFD_ALLOW_SEALING)".into(), call, number)
}

/// eventfd(2).
fn eventfd() -> Result<OwnedFd> {
    // SAFETY: it takes two numbers.
    let call = || made(unsafe { libc::eventfd(0, libc::EFD_CLOEXEC) });
    printed("eventfd(0, EFD_CLOEXEC)".into(), call, number)
}

/// A descriptor that a call has just made.
fn made(answer: c_int) -> nix::Result<OwnedFd> {
    // SAFETY: it is new, and nobody else owns it.
    Errno::result(answer).map(|fd| unsafe { OwnedFd::from_raw_fd(fd) })
}

/// ftruncate(2).
fn resize(fd: &OwnedFd, size: usize) -> Result<()> {
    let call = || unistd::ftruncate(fd, size as i64);
    printed(format!("ftruncate({}, {size})", number(fd)), call, zero)
}

/// `fcntl` with a command for seals: EPERM (sealed against it), EBUSY, EINVAL (no memfd).
fn fcntl(fd: &OwnedFd, name: &str, cmd: c_int, seals: Option<(&str, c_int)>) -> Result<c_int> {
    let spelled = seals.map_or(String::new(), |(spelled, _)| format!(", {spelled}"));
    let argument = seals.map_or(0, |(_, seals)| seals);
    // SAFETY: these commands take a number, or none.
    let call = || Errno::result(unsafe { libc::fcntl(fd.as_raw_fd(), cmd, argument) });
    printed(format!("fcntl({}, {name}{spelled})", number(fd)), call, |answer| match *answer {
        SEALS => format!("{SEALS:#x} (seals {SPELLED})"),
        other => other.to_string(),
    })
}
