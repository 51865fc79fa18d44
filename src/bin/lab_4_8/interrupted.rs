//! A handler has run while the program was in a call, or between two of its lines.

use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::atomic::{AtomicI32, Ordering::SeqCst};

use lablib::child::{Child, child, pipe};
use lablib::print::{after, begin, claim, note, traced};
use lablib::signals::kill;
use lablib::{Experiment, Failure, Result, expect_errno, sem};
use libc::{IPC_PRIVATE, c_int, c_long};
use nix::errno::Errno;
use nix::sys::signal::Signal::SIGUSR1;
use nix::sys::signal::{self, SaFlags, SigAction, SigHandler, SigSet};
use nix::unistd::{read, write};
use sysv::process::status;

pub const ALL: &[Experiment] = &[
    Experiment {
        name: "restart",
        rows: "W4 W5",
        question: "After a handler: which calls go on by themselves, and which say EINTR?",
        run: restart,
    },
    Experiment {
        name: "errno-in-handler",
        rows: "W6",
        question: "A call fails, a handler runs, the program looks at errno: what does it find?",
        run: errno_in_handler,
    },
];

/// How often a handler has run.
static HEARD: AtomicI32 = AtomicI32::new(0);
/// The error of the call that a handler has made.
static FAILED: AtomicI32 = AtomicI32::new(0);

extern "C" fn count(_: c_int) {
    HEARD.fetch_add(1, SeqCst);
}

/// WRONG, on purpose: it leaves in errno what its own call has put there.
extern "C" fn careless(_: c_int) {
    // SAFETY: write(2) is async-signal-safe, and so is a look at errno.
    unsafe {
        libc::write(-1, c"!".as_ptr().cast(), 1);
        FAILED.store(*libc::__errno_location(), SeqCst);
    }
}

/// The same call, and errno is afterwards as it was.
extern "C" fn careful(_: c_int) {
    // SAFETY: see above.
    unsafe {
        let before = *libc::__errno_location();
        libc::write(-1, c"!".as_ptr().cast(), 1);
        FAILED.store(*libc::__errno_location(), SeqCst);
        *libc::__errno_location() = before;
    }
}

fn handle(name: &str, handler: extern "C" fn(c_int), flags: SaFlags) -> Result<()> {
    let action = SigAction::new(SigHandler::Handler(handler), flags, SigSet::empty());
    let how = if flags.contains(SaFlags::SA_RESTART) { "SA_RESTART" } else { "0" };
    traced(format!("sigaction(SIGUSR1, {{{name}, {how}}}, NULL)"), || {
        // SAFETY: the handlers make no call but write(2), and store to atomics.
        unsafe { signal::sigaction(SIGUSR1, &action) }.map_or(-1, |_| 0)
    })
    .map(drop)
}

fn restart() -> Result<()> {
    let (from, to) = pipe()?;
    let sleeper = child("sleeper", || {
        handle("count", count, SaFlags::SA_RESTART)?;
        let n = read_one(&from)?;
        let again = HEARD.load(SeqCst) == 1 && n == 1;
        claim(again, "SA_RESTART: the handler has run, and read has gone on")
    })?;
    signal_in(libc::SYS_read, &sleeper)?;
    sleeper.until_asleep_at(|(call, _)| {
        // Asleep with nothing pending: the handler has run, and the call was begun again.
        let pending = status(sleeper.pid.as_raw()).is_some_and(|status| status.pending != 0);
        call == libc::SYS_read && !pending
    })?;
    let line = format!("write({}, \"!\", 1)", to.as_raw_fd());
    traced(line, || write(&to, b"!").map_or(-1, |n| n as isize))?;
    sleeper.finish()?;

    let sleeper = child("sleeper", || {
        handle("count", count, SaFlags::empty())?;
        expect_errno(read_one(&from), Errno::EINTR)?;
        note("without SA_RESTART: EINTR, and nothing was read; ask again");
        Ok(())
    })?;
    signal_in(libc::SYS_read, &sleeper)?;
    sleeper.finish()?;

    let set = sem::get(IPC_PRIVATE, 1, 0o600)?;
    let sleeper = child("sleeper", || {
        handle("count", count, SaFlags::SA_RESTART)?;
        expect_errno(sem::op(set, 0, -1, 0), Errno::EINTR)?;
        note("semop never goes on by itself, with SA_RESTART or without");
        claim(sem::ctl_getval(set, 0)? == 0, "and it has changed nothing")
    })?;
    signal_in(libc::SYS_semtimedop, &sleeper)?;
    sleeper.finish()?;
    note("so are msgsnd and msgrcv (4.1, `interrupted`), poll, pause and sigsuspend");
    sem::ctl_rmid(set)
}

/// A byte from a pipe.
fn read_one(from: &OwnedFd) -> Result<i32> {
    let line = format!("read({}, &byte, 1)", from.as_raw_fd());
    begin(&line)?;
    after(read(from, &mut [0]).map(|n| n as i32), |_| line)
}

/// Sends SIGUSR1 to a child that sleeps in this call.
fn signal_in(call: c_long, sleeper: &Child) -> Result<()> {
    sleeper.until_asleep_in(call)?;
    kill(sleeper.pid, SIGUSR1)
}

fn errno_in_handler() -> Result<()> {
    handle("careless", careless, SaFlags::SA_RESTART)?;
    let found = fails_and_is_interrupted()?;
    claim(found == Errno::EBADF, "the program finds EBADF: the error of a call of its handler")?;
    handle("careful", careful, SaFlags::SA_RESTART)?;
    let found = fails_and_is_interrupted()?;
    claim(found == Errno::ENOENT, "saved and put back by the handler: ENOENT, as open said")
}

/// A call fails, then comes a signal, then a look at errno.
fn fails_and_is_interrupted() -> Result<Errno> {
    // SAFETY: open reads a path that ends with NUL. raise returns when the handler has.
    let (answer, raised, found) = unsafe {
        let answer = libc::open(c"/no/such/file".as_ptr(), libc::O_RDONLY);
        let raised = libc::raise(libc::SIGUSR1);
        (answer, raised, Errno::last())
    };
    if raised != 0 {
        // -1 and errno, or the error itself: C libraries differ.
        let error = if raised == -1 { found } else { Errno::from_raw(raised) };
        return Err(Failure::Call("raise(SIGUSR1)".into(), error));
    }
    if answer != -1 {
        return Err(Failure::because("/no/such/file is there"));
    }
    let line = |text: &str| text.to_string();
    let _ = after::<i32>(Err(Errno::ENOENT), |_| line("open(\"/no/such/file\", O_RDONLY)"));
    after(Ok(0), |_| line("raise(SIGUSR1)"))?;
    let failed = Errno::from_raw(FAILED.load(SeqCst));
    let _ = after::<i32>(Err(failed), |_| line("write(-1, \"!\", 1)"));
    note("that was the handler's write; now the program looks at errno");
    Ok(found)
}
