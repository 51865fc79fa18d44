//! Is it a copy or the same? Which page is it? Where does a way end?

use lablib::print::{claim, note, text};
use lablib::shm::NULL;
use lablib::{Experiment, Failure, Result, expect_errno, msg, shm};
use libc::{F_GETPIPE_SZ, IPC_NOWAIT, IPC_PRIVATE};
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::unistd::{pipe, pipe2, read, write};
use std::os::fd::AsRawFd;
use sysv::tables;

use crate::{SIZE, pages};

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
    let (from, to) = pipe().map_err(Failure::of("pipe()"))?;
    let mut message = *b"first";
    write(&to, &message).map_err(Failure::of("write"))?;
    message.copy_from_slice(b"later");
    let mut got = [0; 5];
    read(&from, &mut got).map_err(Failure::of("read"))?;
    text(&format!(
        "written \"first\", changed to {:?}, then read",
        String::from_utf8_lossy(&message)
    ));
    claim(&got == b"first", "a pipe: \"first\"; the kernel had copied it")?;
    let id = shm::get(IPC_PRIVATE, SIZE, 0o600)?;
    let (one, two) = (shm::at(id, NULL, 0)?, shm::at(id, NULL, 0)?);
    shm::write(one, b"first")?;
    shm::write(one, b"later")?;
    claim(shm::read(two, 5)? == b"later", "a segment: nothing is kept, and nothing is protected")?;
    note("so both need a rule for who may write when; a pipe brings one with it");
    shm::dt(two)?;
    shm::dt(one)?;
    shm::ctl_rmid(id)
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
    text(&format!("frames {one:#x}, {two:#x}; of another segment {three:#x}"));
    claim(one == two && one != three, "two addresses, one page; another segment, another page")
}

fn limits() -> Result<()> {
    let queue = msg::get(IPC_PRIVATE, 0o600)?;
    let (most, room) = (tables::limit("msgmax") as usize, msg::ctl_stat(queue)?.msg_qbytes);
    text(&format!("a message of a queue: at most {most} bytes (msgmax), {room} in all (msgmnb)"));
    let message = vec![b'x'; most.min(msg::MAX)];
    let mut waiting = 0;
    let full = loop {
        match msg::snd(queue, 1, &message, IPC_NOWAIT) {
            Ok(()) => waiting += message.len() as u64,
            full => break full,
        }
    };
    expect_errno(full, Errno::EAGAIN)?;
    claim(waiting <= room, "then EAGAIN, or the sender sleeps")?;
    msg::ctl_rmid(queue)?;
    let (_from, to) = pipe2(OFlag::O_NONBLOCK).map_err(Failure::of("pipe2(O_NONBLOCK)"))?;
    // SAFETY: F_GETPIPE_SZ takes a descriptor and answers a number.
    let room = unsafe { libc::fcntl(to.as_raw_fd(), F_GETPIPE_SZ) } as usize;
    let sent = write(&to, &vec![b'x'; 2 * room]).map_err(Failure::of("write"))?;
    text(&format!("a pipe: {room} bytes; of {} a write took {sent}", 2 * room));
    claim(sent == room, "it takes what there is room for; a blocking one sleeps for the rest")?;
    let id = shm::get(IPC_PRIVATE, 1 << 24, 0o600)?;
    claim(tables::segment(id).is_some(), "a segment has the size you asked for: 16 MiB, say")?;
    shm::ctl_rmid(id)
}
