//! What the table of 4.10 rests on, each by itself.

use std::time::Duration;

use lablib::child::{Child, child, pipe};
use lablib::print::{claim, note, text};
use lablib::signals::{heard, kill, sigaction, sigprocmask};
use lablib::{Experiment, Failure, Result, leftovers, sem};
use libc::{IPC_PRIVATE, SEM_UNDO};
use nix::sys::signal::SigmaskHow::{SIG_BLOCK, SIG_UNBLOCK};
use nix::sys::signal::Signal::SIGUSR1;
use nix::unistd::read;
use sysv::tables::{self, Kind, Row};

use crate::input::{Input, Script};
use crate::options::Options;
use crate::turns::{finish, tell, told};
use crate::{demo, server};

/// All of them.
pub const ALL: &[Experiment] = &[
    Experiment {
        name: "coalesce",
        rows: "U1",
        question: "Ten signals while the other side is busy: how many arrive?",
        run: coalesce,
    },
    Experiment {
        name: "sem-undo",
        rows: "U2",
        question: "What becomes of a semaphore when the one who changed it is killed?",
        run: sem_undo,
    },
    Experiment {
        name: "killed-server",
        rows: "U3",
        question: "What does kill -9 of a server leave, and what does the next one do?",
        run: killed_server,
    },
];

fn coalesce() -> Result<()> {
    const TIMES: u32 = 10;
    let ((from_child, to_us), (from_us, to_child)) = (pipe()?, pipe()?);
    let other = child("child", move || {
        sigaction(SIGUSR1)?;
        sigprocmask(SIG_BLOCK, SIGUSR1)?;
        tell(&to_us)?;
        // Not by `told`, whose wait would let the signals in.
        read(&from_us, &mut [0]).map_err(Failure::of("read"))?;
        sigprocmask(SIG_UNBLOCK, SIGUSR1)?;
        claim(heard(SIGUSR1) == 1, "one: a signal that waits already is not counted again")?;
        note("so a handler that posts a semaphore rings; it does not count messages");
        Ok(())
    })?;
    let ended = (|| {
        told(&from_child)?;
        for _ in 0..TIMES {
            kill(other.pid, SIGUSR1)?;
        }
        tell(&to_child)
    })();
    finish(other, ended)
}

fn sem_undo() -> Result<()> {
    let id = sem::get(IPC_PRIVATE, 1, 0o600)?;
    text("a post, to wake somebody");
    killed_after(id, 1)?;
    claim(sem::ctl_getval(id, 0)? == 0, "0: with its poster the post is gone")?;
    note("and so is the wake-up");
    sem::op(id, 0, 1, 0)?;
    text("a lock, taken");
    killed_after(id, -1)?;
    claim(sem::ctl_getval(id, 0)? == 1, "1: the lock of a dead holder is given back")?;
    note("SEM_UNDO is for locks, and not for wake-ups");
    sem::ctl_rmid(id)
}

/// A child that changes the semaphore, with SEM_UNDO, and is killed.
fn killed_after(id: i32, sem_op: i16) -> Result<()> {
    let ((from_child, to_us), (from_us, _to_child)) = (pipe()?, pipe()?);
    let other = child("child", move || {
        sem::op(id, 0, sem_op, SEM_UNDO)?;
        tell(&to_us)?;
        told(&from_us)
    })?;
    match told(&from_child) {
        Ok(()) => kill_and_wait(other),
        ended => finish(other, ended),
    }
}

fn kill_and_wait(child: Child) -> Result<()> {
    child.kill()?;
    child.wait().map(drop)
}

fn killed_server() -> Result<()> {
    let key_file = Some(leftovers::key_file("lab-4.10-killed.key")?);
    let options = Options {
        key_file,
        proj_id: 10,
        patience: Some(Duration::from_secs(2)),
        panic: None,
        messages: None,
        unwatched: false,
    };
    let (from, ready) = pipe()?;
    let ((from_other, _one), (_two, to_other)) = (pipe()?, pipe()?);
    let nobody = Input::Script(Script { lines: &[], first: true, to_other, from_other });
    let first = child("server", || server::serve(&options, &nobody, Some(ready)))?;
    match told(&from) {
        Ok(()) => {
            first.until_asleep_in(libc::SYS_futex)?;
            kill_and_wait(first)?;
        }
        ended => return finish(first, ended),
    }
    let left = tables::table(Kind::Shm);
    let ours = |row: &&Row| row.get("size") == server::SIZE as i64 && row.get("nattch") == 0;
    claim(left.iter().filter(ours).count() == 2, "two segments of its size, attached by nobody")?;
    note("nobody could clean up. What can be done is done by the next server");
    demo::converse(&options, &["hello"], &["hello"])
}
