//! What a queue does at its edges: empty, full, removed; and what a message is.

use std::fs;

use lablib::child::{self, child};
use lablib::print::{after, begin, bulk, claim, note};
use lablib::signals::{count, kill, sigaction};
use lablib::{Experiment, Failure, Result, expect_errno, msg, say};
use libc::{IPC_NOWAIT, IPC_PRIVATE, MSG_NOERROR, SYS_msgrcv, SYS_msgsnd, c_long};
use nix::errno::Errno;
use nix::sys::signal::Signal::SIGUSR1;

use crate::{HELLO, ROOM, TYPE};

pub const ALL: &[Experiment] = &[
    Experiment {
        name: "removed-while-waiting",
        rows: "Q1 Q2",
        question: "What does a receiver hear that was blocked when the queue went?",
        run: removed_while_waiting,
    },
    Experiment {
        name: "waits",
        rows: "Q3 Q4",
        question: "How does B know that there is something to read?",
        run: waits,
    },
    Experiment {
        name: "full",
        rows: "Q5",
        question: "How much may lie in the kernel that nobody reads?",
        run: full,
    },
    Experiment {
        name: "boundaries",
        rows: "Q6 Q7",
        question: "What if a message is longer than the room that the reader has?",
        run: boundaries,
    },
    Experiment {
        name: "types",
        rows: "Q8 Q9",
        question: "Must messages be read in the order in which they came?",
        run: types,
    },
    Experiment {
        name: "queue-modes",
        rows: "Q10",
        question: "Who may write to a queue, and who may read from it?",
        run: modes,
    },
    Experiment {
        name: "queue-limits",
        rows: "Q11 Q12",
        question: "How many queues may there be, and how long may a message be?",
        run: limits,
    },
    Experiment {
        name: "interrupted",
        rows: "Q13",
        question: "A handler runs while msgrcv, or msgsnd, sleeps: does the call go on?",
        run: interrupted,
    },
];

fn removed_while_waiting() -> Result<()> {
    let id = msg::get(IPC_PRIVATE, 0o600)?;
    let blocked = child("B", || {
        expect_errno(msg::rcv(id, ROOM, 0, 0), Errno::EIDRM)?;
        note("asleep in the call when the queue went: woken, with EIDRM, identifier removed");
        expect_errno(msg::rcv(id, ROOM, 0, 0), Errno::EINVAL)?;
        note("whoever comes later hears EINVAL, as for a number that never was one");
        Ok(())
    })?;
    blocked.until_asleep_in(SYS_msgrcv)?;
    msg::ctl_rmid(id)?;
    blocked.finish()
}

fn waits() -> Result<()> {
    let id = msg::get(IPC_PRIVATE, 0o600)?;
    expect_errno(msg::rcv(id, ROOM, 0, IPC_NOWAIT), Errno::ENOMSG)?;
    note("nothing there: ENOMSG for who will not wait");
    let reader = child("B", || {
        let (_, text) = msg::rcv(id, ROOM, 0, 0)?;
        claim(text == HELLO, "B has what A wrote")?;
        note("the kernel let it sleep in msgrcv until then: B did not poll");
        Ok(())
    })?;
    reader.until_asleep_in(SYS_msgrcv)?;
    msg::snd(id, TYPE, HELLO, 0)?;
    reader.finish()?;
    expect_errno(msg::rcv(id, ROOM, 0, IPC_NOWAIT), Errno::ENOMSG)?;
    note("and there is none left for A: a message goes to one reader");
    msg::ctl_rmid(id)
}

fn full() -> Result<()> {
    let id = msg::get(IPC_PRIVATE, 0o600)?;
    let room = msg::ctl_stat(id)?.msg_qbytes as usize;
    let size = room.min(4 * msg::MAX) / 4;
    let mut sent = 0;
    let refused = bulk(|| {
        loop {
            match msg::snd(id, TYPE, &vec![b'.'; size], IPC_NOWAIT) {
                Ok(()) => sent += 1,
                Err(refused) => return Ok(Err::<(), _>(refused)),
            }
        }
    })?;
    expect_errno(refused, Errno::EAGAIN)?;
    note("full: EAGAIN, with IPC_NOWAIT");
    note("without IPC_NOWAIT, msgsnd would sleep until there is room");
    let held = msg::ctl_stat(id)?;
    let full = held.msg_qnum == sent && held.__msg_cbytes as usize + size > room;
    claim(full, "every message that was sent lies there; one more is more than msg_qbytes")?;
    note(
        "so a slow reader stops a fast writer, and the kernel's memory is not the writer's to fill",
    );
    msg::rcv(id, size, 0, 0)?;
    msg::snd(id, TYPE, HELLO, IPC_NOWAIT)?;
    note("one read, and there is room again");
    msg::ctl_rmid(id)
}

fn boundaries() -> Result<()> {
    let id = msg::get(IPC_PRIVATE, 0o600)?;
    msg::snd(id, TYPE, b"one", 0)?;
    msg::snd(id, TYPE, b"two and more", 0)?;
    let (_, text) = msg::rcv(id, ROOM, 0, 0)?;
    claim(text == b"one", "one call, one message, however much room there is")?;
    expect_errno(msg::rcv(id, 3, 0, 0), Errno::E2BIG)?;
    claim(msg::ctl_stat(id)?.msg_qnum == 1, "too long for the reader: E2BIG, and it stays")?;
    let (_, text) = msg::rcv(id, 3, 0, MSG_NOERROR)?;
    claim(text == b"two", "MSG_NOERROR cuts it to the room that the reader has")?;
    claim(msg::ctl_stat(id)?.msg_qnum == 0, "and the rest is lost: no message is left")?;
    msg::ctl_rmid(id)
}

fn types() -> Result<()> {
    let id = msg::get(IPC_PRIVATE, 0o600)?;
    expect_errno(msg::snd(id, 0, HELLO, 0), Errno::EINVAL)?;
    note("a type is above 0, for 0 and below mean something to the reader");
    for (mtype, text) in [(3, "third"), (1, "first"), (2, "second"), (3, "third again")] {
        msg::snd(id, mtype, text.as_bytes(), 0)?;
    }
    let ask = |msgtyp| msg::rcv(id, ROOM, msgtyp, 0).map(|(_, text)| text);
    claim(ask(3)? == b"third", "above 0: the first one of this type")?;
    claim(ask(-2)? == b"first", "below 0: the lowest type that is at most 2")?;
    claim(ask(0)? == b"second", "0: the one that has waited longest")?;
    claim(ask(0)? == b"third again", "and then the one that came after it")?;
    msg::ctl_rmid(id)
}

fn modes() -> Result<()> {
    child("user", || {
        child::become_ordinary()?;
        let drop_box = msg::get(IPC_PRIVATE, 0o200)?;
        msg::snd(drop_box, TYPE, HELLO, 0)?;
        expect_errno(msg::rcv(drop_box, ROOM, 0, IPC_NOWAIT), Errno::EACCES)?;
        expect_errno(msg::ctl_stat(drop_box), Errno::EACCES)?;
        note("0200: writing only, also for who made it; msgsnd asks for w, msgrcv for r");
        let notice = msg::get(IPC_PRIVATE, 0o400)?;
        expect_errno(msg::snd(notice, TYPE, HELLO, IPC_NOWAIT), Errno::EACCES)?;
        expect_errno(msg::rcv(notice, ROOM, 0, IPC_NOWAIT), Errno::ENOMSG)?;
        note("0400: reading only; to remove them, being their owner is enough");
        msg::ctl_rmid(notice)?;
        msg::ctl_rmid(drop_box)
    })?
    .finish()
}

fn limits() -> Result<()> {
    child("limits", || {
        child::enter_own_ipc()?;
        let set = |name: &str, value: &str| {
            let file = format!("/proc/sys/kernel/{name}");
            let grant = "use Linux 5.19 or later, or root";
            fs::write(&file, value).map_err(|_| Failure::Needs(say!("to write {file}"), grant))
        };
        set("msgmni", "1")?;
        let id = msg::get(IPC_PRIVATE, 0o600)?;
        expect_errno(msg::get(IPC_PRIVATE, 0o600), Errno::ENOSPC)?;
        note("msgmni is 1 here: ENOSPC, which is about this number and not about a disk");
        set("msgmax", "5")?;
        msg::snd(id, TYPE, b"fits!", 0)?;
        expect_errno(msg::snd(id, TYPE, b"too long", 0), Errno::EINVAL)?;
        note("msgmax is 5: what is longer is refused, and must be sent in pieces");
        msg::ctl_rmid(id)
    })?
    .finish()
}

/// `struct msgbuf`, with as much text as it may have.
#[repr(C)]
struct Message {
    mtype: c_long,
    mtext: [u8; msg::MAX],
}

fn interrupted() -> Result<()> {
    let id = msg::get(IPC_PRIVATE, 0o600)?;
    let reader = child("B", || {
        sigaction(SIGUSR1)?;
        expect_errno(msg::rcv(id, ROOM, 0, 0), Errno::EINTR)?;
        claim(count(SIGUSR1) == 1, "its handler has run, and msgrcv did not go on")?;
        note("SA_RESTART is set, and makes no difference to msgrcv: call it again");
        Ok(())
    })?;
    reader.until_asleep_in(SYS_msgrcv)?;
    kill(reader.pid, SIGUSR1)?;
    reader.finish()?;
    let size = (msg::ctl_stat(id)?.msg_qbytes as usize).min(4 * msg::MAX) / 4;
    let full = bulk(|| {
        loop {
            if let Err(full) = msg::snd(id, TYPE, &vec![b'.'; size], IPC_NOWAIT) {
                return Ok(full);
            }
        }
    })?;
    expect_errno::<()>(Err(full), Errno::EAGAIN)?;
    let writer = child("A", || {
        sigaction(SIGUSR1)?;
        let message = Message { mtype: TYPE, mtext: [b'.'; msg::MAX] };
        let line = format!("msgsnd({id}, &message, {size}, 0)");
        begin(&line)?;
        // SAFETY: the kernel reads a type and `size` bytes, all inside the message.
        let sent = unsafe { libc::msgsnd(id, (&raw const message).cast(), size, 0) };
        expect_errno(after(Errno::result(sent), |_| line), Errno::EINTR)?;
        claim(count(SIGUSR1) == 1, "its handler has run, and msgsnd did not go on")
    })?;
    writer.until_asleep_in(SYS_msgsnd)?;
    kill(writer.pid, SIGUSR1)?;
    writer.finish()?;
    msg::ctl_rmid(id)
}
