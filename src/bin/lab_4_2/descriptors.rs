//! What an id is not: a file descriptor.

use std::os::fd::AsFd;

use lablib::child::{self, child, pipe};
use lablib::print::{bulk, claim, note};
use lablib::{Experiment, Failure, Result, expect_errno, leftovers, msg, sem, shm, signals};
use libc::{IPC_NOWAIT, IPC_PRIVATE, O_CREAT, O_EXCL, O_RDWR, POLLNVAL};
use nix::errno::Errno;
use nix::unistd::{getppid, read, write};
use sysv::tables;
use sysv::tables::Kind;

use crate::{HELLO, NEW, SIZE, files, scrap};

pub const ALL: &[Experiment] = &[
    Experiment {
        name: "no-descriptor",
        rows: "I1 I2",
        question: "Is an id a file descriptor?",
        run: no_descriptor,
    },
    Experiment {
        name: "opened-twice",
        rows: "I3",
        question: "What do two opens give, and what two gets?",
        run: opened_twice,
    },
    Experiment {
        name: "guessed-id",
        rows: "I4 I5",
        question: "What may a process do with a number that nobody gave it?",
        run: guessed_id,
    },
    Experiment {
        name: "asked-each-time",
        rows: "I6",
        question: "When is permission asked: at the opening, or at each call?",
        run: asked_each_time,
    },
];

fn no_descriptor() -> Result<()> {
    let before = files::open_now()?;
    let set = sem::get(IPC_PRIVATE, 1, 0o600)?;
    let segment = shm::get(IPC_PRIVATE, SIZE, 0o600)?;
    let mut queues = vec![];
    bulk(|| {
        (0..8).try_for_each(|_| {
            queues.push(msg::get(IPC_PRIVATE, 0o600)?);
            Ok(())
        })
    })?;
    claim(files::open_now()? == before, "/proc/self/fd lists what it listed before")?;
    // In a fresh table the first ids are 0, 1 and 2: the same numbers, and other things.
    let id = queues.iter().find(|id| !before.contains(id));
    let id = *id.ok_or_else(|| Failure::because("each of these ids is a descriptor's number"))?;
    expect_errno(files::fd_flags(id), Errno::EBADF)?;
    claim(files::poll(id)? == POLLNVAL, "poll: no descriptor")?;
    note("so poll cannot wait for a queue and a terminal at once");
    bulk(|| queues.iter().try_for_each(|&id| msg::ctl_rmid(id)))?;
    shm::ctl_rmid(segment)?;
    sem::ctl_rmid(set)
}

fn opened_twice() -> Result<()> {
    let path = leftovers::key_file("lab-4.2.key")?;
    let (one, two) = (files::open(&path, O_RDWR, 0)?, files::open(&path, O_RDWR, 0)?);
    claim(files::number(&one) != files::number(&two), "two opens: two descriptors")?;
    files::close(one)?;
    files::close(two)?;
    let key = shm::ftok(&path, 'A' as i32)?;
    leftovers::inherit(key)?;
    let id = msg::get(key, NEW)?;
    claim(msg::get(key, 0)? == id, "two gets: one number")?;
    note("get looks up and counts nothing; each descriptor must be closed");
    msg::ctl_rmid(id)
}

/// Root is forbidden nothing, so both are an ordinary user here.
fn guessed_id() -> Result<()> {
    child("A", || {
        child::become_ordinary()?;
        let (gate, open_gate) = pipe()?;
        let stranger = child("B", || {
            signals::wait_readable(gate.as_fd(), None)?;
            read(&gate, &mut [0]).map_err(Failure::of("read"))?;
            use_what_is_listed(getppid().as_raw().into())
        })?;
        let (open, shut) = (msg::get(IPC_PRIVATE, 0o600)?, msg::get(IPC_PRIVATE, 0o200)?);
        msg::snd(open, 1, HELLO, 0)?;
        msg::snd(shut, 1, HELLO, 0)?;
        note("B was there before them, has no key and was told no number");
        write(&open_gate, b"!").map_err(Failure::of("write"))?;
        stranger.finish()?;
        expect_errno(msg::rcv(open, 64, 0, IPC_NOWAIT), Errno::ENOMSG)?;
        note("A's message is gone; what keeps others out is the mode, not the number");
        msg::ctl_rmid(open)?;
        msg::ctl_rmid(shut)
    })?
    .finish()
}

/// B: /proc/sysvipc/msg lists the ids of all queues, and every user may read it.
fn use_what_is_listed(sender: i64) -> Result<()> {
    let rows = tables::table(Kind::Msg);
    let row =
        |perms| rows.iter().find(|row| (row.get("lspid"), row.get("perms")) == (sender, perms));
    let (Some(open), Some(shut)) = (row(0o600), row(0o200)) else {
        return Err(Failure::because("/proc/sysvipc/msg does not list the two queues of A"));
    };
    let (_, taken) = msg::rcv(open.id() as i32, 64, 0, IPC_NOWAIT)?;
    claim(taken == HELLO, "the message of A, by a number that B was not told")?;
    expect_errno(msg::rcv(shut.id() as i32, 64, 0, IPC_NOWAIT), Errno::EACCES)
}

fn asked_each_time() -> Result<()> {
    child("user", || {
        child::become_ordinary()?;
        let file = scrap()?;
        let fd = files::open(&file.0, O_RDWR | O_CREAT | O_EXCL, 0o600)?;
        files::write(&fd, HELLO)?;
        let id = shm::get(IPC_PRIVATE, SIZE, 0o600)?;
        let mut nobody = shm::ctl_stat(id)?;
        nobody.shm_perm.mode = 0;
        files::chmod(&fd, 0)?;
        shm::ctl_set(id, &nobody)?;
        files::rewind(&fd)?;
        claim(files::read(&fd, 64)? == HELLO, "mode 0 by now, and the descriptor still reads")?;
        expect_errno(shm::at(id, shm::NULL, 0), Errno::EACCES)?;
        note("an id keeps none: the mode of this moment decides, at each call");
        shm::ctl_rmid(id)?;
        files::close(fd)?;
        files::unlink(&file.0)
    })?
    .finish()
}
