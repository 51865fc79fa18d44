//! 4.1  How IPC works: a kernel object between two processes
//!
//! Note:    notes/4.1-how-ipc-works.md
//! Run:     make lab-4.1            (ARGS=--list for the experiments)
//! Compare: strace -f -v -e trace=/msg,clone,wait4 target/debug/lab_4_1
//!
//! Two processes share no memory: one cannot see what the other writes. So they use an object in
//! the kernel that both can reach. A copies a message into it, and B copies it out. Neither has to
//! know the other, and they need not run at the same time. The object here is a message queue; the
//! four steps are the same for every kind of object.

use std::process::ExitCode;

use lablib::child::child;
use lablib::print::{claim, name, note, step};
use lablib::{Result, expect_errno, leftovers, msg, shm};
use libc::{IPC_CREAT, IPC_EXCL};
use nix::errno::Errno;

mod experiments;
mod queue;

/// What A has to say.
const HELLO: &[u8] = b"hello, B";
/// More than any message here has.
const ROOM: usize = 64;
/// A message has a type above 0, by which a reader may choose; this story has one.
const TYPE: i64 = 1;

fn main() -> ExitCode {
    lablib::lab("4.1  How IPC works", story, experiments::ALL)
}

fn story() -> Result<()> {
    name("A");
    step(1, "Create or open a kernel object")?;
    let key = shm::ftok(&leftovers::key_file("lab-4.1.key")?, 'A' as i32)?;
    leftovers::inherit(key)?;
    queue::absent(key)?;
    let id = msg::get(key, IPC_CREAT | IPC_EXCL | 0o600)?;
    queue::compare(id)?;

    step(2, "Process A writes to it")?;
    msg::snd(id, TYPE, HELLO, 0)?;
    queue::compare(id)?;
    note("the message lies in the kernel: A may go on, or end, and there is no B yet");

    step(3, "Process B reads from it")?;
    let reader = child("B", || {
        let found = msg::get(key, 0)?;
        claim(found == id, "B opens what A created, by its key")?;
        let (mtype, text) = msg::rcv(found, ROOM, 0, 0)?;
        claim((mtype, text.as_slice()) == (TYPE, HELLO), "what A wrote, and its type")?;
        note("a copy of a copy: msgsnd copied it into the kernel, msgrcv out of it");
        Ok(())
    })?;
    let pid = reader.pid.as_raw();
    reader.finish()?;
    let now = queue::compare(id)?;
    claim(now.msg_qnum == 0 && now.msg_lrpid == pid, "the queue is empty, and B has read last")?;

    step(4, "Remove it")?;
    msg::ctl_rmid(id)?;
    expect_errno(msg::ctl_stat(id), Errno::EINVAL)?;
    queue::absent(key)?;
    note("both processes could have ended long ago: without this call it would still be there");
    Ok(())
}
