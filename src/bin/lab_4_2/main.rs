//! 4.2  IPC calls beside file calls
//!
//! Note:    notes/4.2-ipc-beside-files.md
//! Run:     make lab-4.2            (ARGS=--list for the experiments)
//! Compare: strace -e trace=/open,read,write,lseek,close,unlink,/shm,/msg,/sem target/debug/lab_4_2
//!
//! If you know the file calls, you know half of System V IPC: there are calls that open or create,
//! that read and write, and that remove. The story makes the calls of both in pairs. The
//! experiments show where the similarity ends: an id is not a file descriptor, nothing is closed
//! when a process ends, and IPC_RMID is like unlink, not like close.

use std::process::ExitCode;

use lablib::print::{claim, note, step};
use lablib::shm::NULL;
use lablib::{Result, compare, expect_errno, leftovers, msg, sem, shm};
use libc::{IPC_CREAT, IPC_EXCL, IPC_NOWAIT, O_CREAT, O_EXCL, O_RDWR};
use nix::errno::Errno;

mod descriptors;
mod files;
mod lives;
mod memfd;
mod posix;

/// What goes through each of them.
const HELLO: &[u8] = b"hello";
/// Of a segment the size must be said in advance.
const SIZE: usize = 4096;
/// Create it, fail if it exists, and allow only this user.
const NEW: i32 = IPC_CREAT | IPC_EXCL | 0o600;

fn main() -> ExitCode {
    let experiments = [descriptors::ALL, lives::ALL, posix::ALL, memfd::ALL].concat();
    lablib::lab("4.2  IPC calls beside file calls", story, &experiments)
}

fn story() -> Result<()> {
    step(1, "open ~ shmget, msgget, semget")?;
    let file = scrap()?;
    let fd = files::open(&file.0, O_RDWR | O_CREAT | O_EXCL, 0o600)?;
    let key = shm::ftok(&file.0, 'A' as i32)?;
    let segment = shm::get(key, SIZE, NEW)?;
    let queue = msg::get(key, NEW)?;
    let set = sem::get(key, 1, NEW)?;
    note("a path for a file, a key for the others; one key for all, as each kind has its table");
    compare::segment(segment)?;

    step(2, "write and read ~ msgsnd and msgrcv, shmat and shmdt, semop")?;
    files::write(&fd, HELLO)?;
    files::rewind(&fd)?;
    claim(files::read(&fd, 64)? == HELLO, "the file has what was written")?;
    msg::snd(queue, 1, HELLO, 0)?;
    claim(msg::rcv(queue, 64, 0, 0)?.1 == HELLO, "the queue had what was sent")?;
    expect_errno(msg::rcv(queue, 64, 0, IPC_NOWAIT), Errno::ENOMSG)?;
    note("a file keeps what was read; a queue does not");
    let addr = shm::at(segment, NULL, 0)?;
    shm::write(addr, HELLO)?;
    claim(shm::read(addr, HELLO.len())? == HELLO, "the segment has what was stored")?;
    note("between shmat and shmdt no call is needed");
    shm::dt(addr)?;
    sem::op(set, 0, 1, 0)?;
    sem::op(set, 0, -1, 0)?;
    note("a semaphore carries no bytes: up, and down, and whoever would go below 0 waits");

    step(3, "close ~ msgctl, shmctl, semctl")?;
    files::close(fd)?;
    let again = files::open(&file.0, O_RDWR, 0)?;
    claim(files::read(&again, 64)? == HELLO, "closed and opened again: the file still has it")?;
    files::close(again)?;
    msg::ctl_rmid(queue)?;
    shm::ctl_rmid(segment)?;
    sem::ctl_rmid(set)?;
    expect_errno(msg::get(key, 0), Errno::ENOENT)?;
    expect_errno(shm::get(key, 0, 0), Errno::ENOENT)?;
    expect_errno(sem::get(key, 0, 0), Errno::ENOENT)?;
    note("removed, and gone for everybody: that is not what close does, but what unlink does");
    files::unlink(&file.0)?;
    expect_errno(files::open(&file.0, O_RDWR, 0), Errno::ENOENT)?;
    note("so here the likeness ends; ARGS=--list names the other places");
    Ok(())
}

/// The name of a file of this run alone, which is not there yet.
fn scrap() -> Result<files::Scrap> {
    let name = format!("lab-4.2-{}", std::process::id());
    Ok(files::Scrap(leftovers::runtime_dir()?.join(name).display().to_string()))
}
