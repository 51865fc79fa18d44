//! What stands in the segment, and what may be believed of it. Nothing here makes a call.
//!
//! The layout is that of the source notes, as C lays it out:
//! `struct st_shmbuf { pid_t pid; char buf[124]; }`.

use lablib::say;
use std::sync::atomic::{AtomicI32, AtomicU8, Ordering::SeqCst};

use duplex::speech::{pieces, printable};
use lablib::shm::Shared;

/// `sizeof(struct st_shmbuf)`.
pub const SIZE: usize = 128;
/// `sizeof buf`: a message of at most 123 bytes, and the NUL that ends it.
pub const TEXT: usize = 124;

/// The segment. Another process writes it whenever it likes, so all of it is atomics.
#[repr(C)]
pub struct StShmbuf {
    /// The server's pid, until a client puts its own here.
    pub pid: AtomicI32,
    buf: [AtomicU8; TEXT],
}

// SAFETY: all of it is atomics.
unsafe impl Shared for StShmbuf {}

const _: () = assert!(size_of::<StShmbuf>() == SIZE);

/// A copy of the segment: what is checked is what is used.
#[derive(Clone, Copy, Debug)]
pub struct Seen {
    pub pid: i32,
    pub buf: [u8; TEXT],
}

impl StShmbuf {
    /// Copies it out, once.
    pub fn copy(&self) -> Seen {
        let mut buf = [0; TEXT];
        buf.iter_mut().zip(&self.buf).for_each(|(to, from)| *to = from.load(SeqCst));
        Seen { pid: self.pid.load(SeqCst), buf }
    }

    /// Writes a message of at most 123 bytes, and its NUL.
    pub fn write(&self, message: &[u8]) {
        let bytes = message.iter().copied().take(TEXT - 1).chain([0]);
        self.buf.iter().zip(bytes).for_each(|(to, byte)| to.store(byte, SeqCst));
    }
}

/// What a client makes of what it sees.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Decision {
    /// A message; any bytes but NUL, fit to be printed.
    Message(String),
    /// The empty message: the conversation is over.
    End,
    /// Not what a server writes: why.
    Hostile(String),
}

/// Decides what a copy of the segment means to the client whose pid is `me`.
pub fn decide(seen: &Seen, me: i32) -> Decision {
    if seen.pid != me {
        return Decision::Hostile(say!("the pid in the segment became {}", seen.pid));
    }
    match seen.buf.iter().position(|&byte| byte == 0) {
        Some(0) => Decision::End,
        Some(end) => Decision::Message(printable(&seen.buf[..end])),
        None => Decision::Hostile(say!("{TEXT} bytes and no NUL: not a string")),
    }
}

/// A line as messages: NULs left out, and what does not fit into one in several, none of which ends
/// within a character. No message is empty, so an empty line is none.
pub fn messages(line: &[u8]) -> Vec<Vec<u8>> {
    let bytes: Vec<u8> = line.iter().copied().filter(|&byte| byte != 0).collect();
    pieces(&bytes, TEXT - 1).into_iter().map(<[u8]>::to_vec).collect()
}
