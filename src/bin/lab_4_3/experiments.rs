//! Is it a copy or the same? Which page is it? Where does a way end?

use lablib::child::pipe;
use lablib::print::{after, call_line, claim, dim, note, text, traced};
use lablib::shm::NULL;
use lablib::{Experiment, Failure, Result, expect_errno, msg, say, shm};
use libc::{IPC_NOWAIT, IPC_PRIVATE};
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::unistd::{pipe2, read, write};
use std::os::fd::{AsRawFd, OwnedFd};
use sysv::{spell, tables};

use crate::{SIZE, pages};

/// Far more than any pipe or queue holds.
const LARGE: usize = 16 << 20;

/// All of them.
pub const ALL: &[Experiment] = &[
    Experiment {
        name: "copy-or-same",
        rows: "T1",
        question: "What does the reader see when the writer changes its mind?",
        run: copy_or_same,
    },
    Experiment {
        name: "frames",
        rows: "T2",
        question: "Which physical pages are behind two attachments, and behind another segment?",
        run: frames,
    },
    Experiment {
        name: "limits",
        rows: "T3",
        question: "How much fits into a message, and how much waits in the kernel?",
        run: limits,
    },
];

fn copy_or_same() -> Result<()> {
    let (from, to) = pipe()?;
    let mut message = *b"first";
    written(&to, &message)?;
    message.copy_from_slice(b"later");
    text(say!("A changes its message to {}", spell::bytes(&message)));
    let mut got = [0; 5];
    let n = read(&from, &mut got).map(|n| n as isize);
    after(n, |_| format!("read({}, {}, 5)", from.as_raw_fd(), spell::bytes(&got)))?;
    claim(&got == b"first", "from the pipe: \"first\", what was written")?;
    let id = shm::get(IPC_PRIVATE, SIZE, 0o600)?;
    let (one, two) = (shm::at(id, NULL, 0)?, shm::at(id, NULL, 0)?);
    shm::write(one, b"first")?;
    shm::write(one, b"later")?;
    claim(shm::read(two, 5)? == b"later", "from the segment: \"later\", what is there now")?;
    note("of what went through the pipe, the kernel had a copy");
    note("so both need a rule for who may write when; a pipe brings one with it");
    shm::dt(two)?;
    shm::dt(one)?;
    shm::ctl_rmid(id)
}

/// write(2), printed.
fn written(to: &OwnedFd, bytes: &[u8]) -> Result<isize> {
    let line = format!("write({}, {}, {})", to.as_raw_fd(), spell::bytes(bytes), bytes.len());
    traced(line, || write(to, bytes).map_or(-1, |n| n as isize))
}

fn frames() -> Result<()> {
    let (id, other) = (shm::get(IPC_PRIVATE, SIZE, 0o600)?, shm::get(IPC_PRIVATE, SIZE, 0o600)?);
    let places = [shm::at(id, NULL, 0)?, shm::at(id, NULL, 0)?, shm::at(other, NULL, 0)?];
    let mut found = vec![];
    for addr in places {
        // Memory is given at the first touch; before that no frame is behind an address.
        shm::read(addr, 1)?;
        found.push(pages::frame(addr)?);
    }
    for addr in places {
        shm::dt(addr)?;
    }
    shm::ctl_rmid(other)?;
    shm::ctl_rmid(id)?;
    let [Some(one), Some(two), Some(three)] = found[..] else { return Err(pages::needs()) };
    text(say!("frames {one:#x}, {two:#x}; of another segment {three:#x}"));
    claim(one == two && one != three, "two addresses, one page; another segment, another page")
}

fn limits() -> Result<()> {
    let queue = msg::get(IPC_PRIVATE, 0o600)?;
    let (most, room) = (tables::limit("msgmax") as usize, msg::ctl_stat(queue)?.msg_qbytes);
    text(say!("a message of a queue: at most {most} bytes (msgmax), {room} in all (msgmnb)"));
    let message = vec![b'x'; most.min(msg::MAX)];
    let mut waiting = 0;
    let full = loop {
        match msg::snd(queue, 1, &message, IPC_NOWAIT) {
            Ok(()) => waiting += message.len() as u64,
            full => break full,
        }
    };
    expect_errno(full, Errno::EAGAIN)?;
    let full = waiting <= room && waiting + message.len() as u64 > room;
    claim(full, "EAGAIN: one more message is more than msg_qbytes")?;
    note("without IPC_NOWAIT the sender sleeps");
    msg::ctl_rmid(queue)?;
    let (from, to) = pipe2(OFlag::O_NONBLOCK).map_err(Failure::of("pipe2(O_NONBLOCK)"))?;
    let line = format!("pipe2([{}, {}], O_NONBLOCK)", from.as_raw_fd(), to.as_raw_fd());
    dim(|| call_line(&line, "0", true));
    let line = format!("fcntl({}, F_GETPIPE_SZ)", to.as_raw_fd());
    let room = traced(line, || fcntl(&to, FcntlArg::F_GETPIPE_SZ).unwrap_or(-1))?;
    let sent = written(&to, &vec![b'x'; 2 * room as usize])?;
    claim(sent == room as isize, "the pipe has taken as much as F_GETPIPE_SZ says")?;
    note("without O_NONBLOCK the writer sleeps until there is room for the rest");
    let id = shm::get(IPC_PRIVATE, LARGE, 0o600)?;
    let size = tables::segment(id).map_or(0, |row| row.get("size"));
    claim(size == LARGE as i64, "a segment has the size that you ask for: here 16 MiB")?;
    shm::ctl_rmid(id)
}
