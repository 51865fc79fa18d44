//! How long an object lives: what ends a descriptor does not end it.

use std::os::fd::AsFd;

use lablib::child::{child, pipe};
use lablib::print::{claim, note};
use lablib::shm::NULL;
use lablib::{Experiment, Failure, Result, expect_errno, leftovers, msg, sem, shm, signals};
use libc::{IPC_PRIVATE, O_CREAT, O_EXCL, O_RDWR};
use nix::errno::Errno;
use nix::unistd::{read, write};
use sysv::process::SYS_PAUSE;

use crate::{HELLO, NEW, SIZE, files, scrap};

pub const ALL: &[Experiment] = &[
    Experiment {
        name: "outlives",
        rows: "I7 I8",
        question: "What does the kernel close, when a process ends, and what not?",
        run: outlives,
    },
    Experiment {
        name: "rmid-is-unlink",
        rows: "I9",
        question: "Is IPC_RMID the close of a segment, or its unlink?",
        run: rmid_is_unlink,
    },
    Experiment {
        name: "no-last-close",
        rows: "I10",
        question: "Do queues and semaphores wait for their last user, too?",
        run: no_last_close,
    },
];

fn outlives() -> Result<()> {
    let key = shm::ftok(&leftovers::key_file("lab-4.2.key")?, 'A' as i32)?;
    leftovers::inherit(key)?;
    let (from, to) = pipe()?;
    let maker = child("B", || {
        let id = msg::get(key, NEW)?;
        msg::snd(id, 1, HELLO, 0)?;
        write(&to, b"!").map_err(Failure::of("write"))?;
        loop {
            signals::pause()?;
        }
    })?;
    drop(to);
    signals::wait_readable(from.as_fd(), None)?;
    if read(&from, &mut [0]).map_err(Failure::of("read"))? == 0 {
        maker.finish()?;
        return Err(Failure::because("the maker has ended early"));
    }
    let pid = maker.pid.as_raw();
    maker.until_asleep_in(SYS_PAUSE)?;
    maker.kill()?;
    maker.wait()?;
    claim(
        files::read(&from, 1)?.is_empty(),
        "the kernel has closed its end of the pipe: end of file",
    )?;
    let id = msg::get(key, 0)?;
    claim(msg::ctl_stat(id)?.msg_lspid == pid, "the queue is there, last written to by the dead")?;
    claim(msg::rcv(id, 64, 0, 0)?.1 == HELLO, "and what it wrote can be read")?;
    msg::ctl_rmid(id)
}

fn rmid_is_unlink() -> Result<()> {
    let file = scrap()?;
    let fd = files::open(&file.0, O_RDWR | O_CREAT | O_EXCL, 0o600)?;
    let key = shm::ftok(&file.0, 'A' as i32)?;
    let id = shm::get(key, SIZE, NEW)?;
    let addr = shm::at(id, NULL, 0)?;
    files::write(&fd, HELLO)?;
    shm::write(addr, HELLO)?;
    files::unlink(&file.0)?;
    shm::ctl_rmid(id)?;
    expect_errno(files::open(&file.0, O_RDWR, 0), Errno::ENOENT)?;
    expect_errno(shm::get(key, 0, 0), Errno::ENOENT)?;
    note("the name is gone, and who comes now finds neither");
    files::rewind(&fd)?;
    let both = files::read(&fd, 64)? == HELLO && shm::read(addr, HELLO.len())? == HELLO;
    claim(both, "the open file and the attached segment can be read as before")?;
    files::close(fd)?;
    shm::dt(addr)?;
    expect_errno(shm::ctl_stat(id), Errno::EINVAL)?;
    note(
        "close and shmdt are the pair: the last shmdt took the segment, as the last close the file",
    );
    Ok(())
}

fn no_last_close() -> Result<()> {
    let queue = msg::get(IPC_PRIVATE, 0o600)?;
    msg::snd(queue, 1, HELLO, 0)?;
    msg::ctl_rmid(queue)?;
    expect_errno(msg::rcv(queue, 64, 0, 0), Errno::EINVAL)?;
    note("a queue goes at once, with what nobody has read");
    let set = sem::get(IPC_PRIVATE, 1, 0o600)?;
    let waiting = child("B", || {
        expect_errno(sem::op(set, 0, -1, 0), Errno::EIDRM)?;
        note("and who slept on it is woken by EIDRM");
        Ok(())
    })?;
    waiting.until_asleep_in(libc::SYS_semtimedop)?;
    sem::ctl_rmid(set)?;
    waiting.finish()
}
