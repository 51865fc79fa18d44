//! The ways to move a message, each seen from one of the two processes. All do the same work: the
//! sender makes every byte of the message, the receiver reads every byte.

use std::ptr;
use std::rc::Rc;

use lablib::child::pipe;
use lablib::{Failure, Result, print};
use libc::{c_int, c_long};
use nix::errno::Errno;
use nix::mqueue::{MQ_OFlag, MqAttr, MqdT, mq_open, mq_receive, mq_send, mq_unlink};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};
use nix::sys::stat::Mode;
use nix::unistd::{read, write};
use std::os::fd::OwnedFd;

use crate::calls::{Call, Side};

/// The largest message that is measured.
pub const MOST: usize = 1 << 20;

/// One end of a way.
pub trait Way {
    /// Makes a message of `len` bytes of this value, below 0x80, and sends it.
    fn send(&mut self, len: usize, value: u8, side: &mut Side) -> Result<()>;
    /// Receives a message of `len` bytes, reads all of them, and returns their value.
    fn receive(&mut self, len: usize, side: &mut Side) -> Result<u8>;
}

/// The two ends: A's, and B's.
pub type Ends = (Box<dyn Way>, Box<dyn Way>);

/// Makes a piece of a message: `len` bytes of one value, the last of them with its top bit set.
///
/// # Safety
/// `len` bytes at `at`, at least one, must be writable.
pub unsafe fn fill(at: *mut u8, len: usize, value: u8) {
    // SAFETY: the caller's.
    unsafe {
        ptr::write_bytes(at, value, len - 1);
        at.add(len - 1).write(value | 0x80);
    }
}

/// Reads every byte of a piece of a message, with the fastest function there is: libc's.
///
/// # Safety
/// `len` bytes at `at`, at least one, must be readable.
pub unsafe fn look_at(at: *const u8, len: usize) -> Result<u8> {
    // SAFETY: the caller's. Another process may write there meanwhile; no reference is made.
    let (value, end) = unsafe {
        let value = at.read() & 0x7f;
        (value, libc::memchr(at.cast(), (value | 0x80).into(), len))
    };
    if end as usize != at as usize + len - 1 {
        return Err(Failure::because("a message did not arrive as it was sent"));
    }
    Ok(value)
}

/// Makes a call until no signal interrupts it, and counts the one that was made.
pub fn again<T>(
    call: Call,
    side: &mut Side,
    mut make: impl FnMut() -> nix::Result<T>,
) -> Result<T> {
    loop {
        let answer = make();
        if !matches!(answer, Err(Errno::EINTR)) {
            side.count(call);
        }
        match answer {
            Err(Errno::EINTR) => side.look()?,
            // The other side has ended: how is for `finish` to tell.
            Err(Errno::EPIPE | Errno::ECONNRESET) => return Err(Failure::Told(1)),
            answer => return answer.map_err(Failure::of(format!("{call:?}").to_lowercase())),
        }
    }
}

/// A pipe, or a socket: a stream of bytes through a buffer of the kernel's.
struct Stream {
    to: OwnedFd,
    from: OwnedFd,
    own: Vec<u8>,
}

impl Way for Stream {
    fn send(&mut self, len: usize, value: u8, side: &mut Side) -> Result<()> {
        assert!((1..=MOST).contains(&len), "a message of {len} bytes");
        // SAFETY: `own` has MOST bytes, and the message is not longer.
        unsafe { fill(self.own.as_mut_ptr(), len, value) };
        let mut sent = 0;
        while sent < len {
            sent += again(Call::Write, side, || write(&self.to, &self.own[sent..len]))?;
        }
        Ok(())
    }

    fn receive(&mut self, len: usize, side: &mut Side) -> Result<u8> {
        assert!((1..=MOST).contains(&len), "a message of {len} bytes");
        let mut got = 0;
        while got < len {
            match again(Call::Read, side, || read(&self.from, &mut self.own[got..len]))? {
                0 => return Err(Failure::Told(1)),
                n => got += n,
            }
        }
        // SAFETY: `own` has MOST bytes, and the message is not longer.
        unsafe { look_at(self.own.as_ptr(), len) }
    }
}

/// Two pipes, one for each direction. Each holds 64 KiB.
pub fn pipes() -> Result<Ends> {
    let (from_a, to_b) = pipe()?;
    let (from_b, to_a) = pipe()?;
    let end = |to, from| Box::new(Stream { to, from, own: vec![0; MOST] });
    Ok((end(to_b, from_b), end(to_a, from_a)))
}

/// Two sockets that are connected to each other.
pub fn sockets() -> Result<Ends> {
    let (unix, stream) = (AddressFamily::Unix, SockType::Stream);
    let ends = || -> std::io::Result<Ends> {
        let (a, b) = socketpair(unix, stream, None, SockFlag::empty())?;
        let (also_a, also_b) = (a.try_clone()?, b.try_clone()?);
        let end = |to, from| Box::new(Stream { to, from, own: vec![0; MOST] });
        Ok((end(a, also_a), end(b, also_b)))
    };
    ends().map_err(|error| Failure::because(format!("socketpair: {error}")))
}

/// A System V message queue: messages of type 1 go from A to B, those of type 2 back.
struct Queue {
    id: c_int,
    out: c_long,
    back: c_long,
    most: usize,
    /// `struct msgbuf`: the type, and the bytes.
    own: Vec<c_long>,
}

impl Queue {
    fn pieces(&self, len: usize) -> impl Iterator<Item = usize> + use<> {
        let most = self.most;
        (0..len).step_by(most).map(move |start| most.min(len - start))
    }
}

impl Way for Queue {
    fn send(&mut self, len: usize, value: u8, side: &mut Side) -> Result<()> {
        self.own[0] = self.out;
        for piece in self.pieces(len) {
            // SAFETY: behind its first word `own` has room for the longest piece.
            unsafe { fill(self.own.as_mut_ptr().add(1).cast(), piece, value) };
            again(Call::Msgsnd, side, || {
                // SAFETY: the kernel reads the type and `piece` bytes behind it.
                Errno::result(unsafe { libc::msgsnd(self.id, self.own.as_ptr().cast(), piece, 0) })
            })?;
        }
        Ok(())
    }

    fn receive(&mut self, len: usize, side: &mut Side) -> Result<u8> {
        let mut value = 0;
        for piece in self.pieces(len) {
            let to = self.own.as_mut_ptr();
            again(Call::Msgrcv, side, || {
                // SAFETY: the kernel writes the type and at most `piece` bytes behind it.
                Errno::result(unsafe { libc::msgrcv(self.id, to.cast(), piece, self.back, 0) })
            })?;
            // SAFETY: `piece` bytes were just received there, or zeros were there before.
            value = unsafe { look_at(to.add(1).cast(), piece) }?;
        }
        Ok(value)
    }
}

/// Both ends of the System V queue `id`, whose messages have at most `most` bytes.
pub fn queue(id: c_int, most: usize) -> Ends {
    let end = |out, back| {
        Box::new(Queue {
            id,
            out,
            back,
            most,
            own: vec![0; 1 + most.div_ceil(size_of::<c_long>())],
        })
    };
    (end(1, 2), end(2, 1))
}

/// Two POSIX message queues, one for each direction.
struct Posix {
    to: Rc<MqdT>,
    from: Rc<MqdT>,
    most: usize,
    own: Vec<u8>,
}

impl Way for Posix {
    fn send(&mut self, len: usize, value: u8, side: &mut Side) -> Result<()> {
        for start in (0..len).step_by(self.most) {
            let piece = self.most.min(len - start);
            // SAFETY: `own` has room for the longest piece.
            unsafe { fill(self.own.as_mut_ptr(), piece, value) };
            again(Call::MqSend, side, || mq_send(&self.to, &self.own[..piece], 0))?;
        }
        Ok(())
    }

    fn receive(&mut self, len: usize, side: &mut Side) -> Result<u8> {
        let (mut got, mut value) = (0, 0);
        while got < len {
            let piece =
                again(Call::MqReceive, side, || mq_receive(&self.from, &mut self.own, &mut 0))?;
            // SAFETY: at most `own` was received; an empty message is never sent.
            value = unsafe { look_at(self.own.as_ptr(), piece.max(1)) }?;
            got += piece;
        }
        Ok(value)
    }
}

/// Two POSIX queues whose messages have at most `most` bytes. Their names are removed at once; they
/// are descriptors, and the kernel destroys them when both processes have ended.
pub fn posix_queues(most: usize) -> Result<Ends> {
    let make = |name: &str| -> Result<Rc<MqdT>> {
        let name = format!("/shm-workbook-{}-{name}", std::process::id());
        let how = MQ_OFlag::O_CREAT | MQ_OFlag::O_EXCL | MQ_OFlag::O_RDWR;
        let mode = Mode::S_IRUSR | Mode::S_IWUSR;
        let line = format!("mq_open(\"{name}\", O_RDWR|O_CREAT|O_EXCL, 0600, …)");
        // At most 10 messages wait in a queue, unless the administrator allows more.
        let made = mq_open(name.as_str(), how, mode, Some(&MqAttr::new(0, 10, most as c_long, 0)));
        let queue = made.map_err(Failure::of(line))?;
        mq_unlink(name.as_str()).map_err(Failure::of(format!("mq_unlink(\"{name}\")")))?;
        Ok(Rc::new(queue))
    };
    let (to_b, to_a) = (make("to-b")?, make("to-a")?);
    let end = |to: &Rc<MqdT>, from: &Rc<MqdT>| {
        Box::new(Posix { to: to.clone(), from: from.clone(), most, own: vec![0; most] })
    };
    Ok((end(&to_b, &to_a), end(&to_a, &to_b)))
}

/// The calls that a side has made, as lines: `write x 100: 100 ok`. Every call succeeded, or the lab
/// would have ended.
pub fn print_calls(side: &mut Side) {
    let calls = side.take();
    for (name, n) in &calls {
        print::text(format!("{name} x {n}: {n} ok"));
    }
    if calls.is_empty() {
        print::text("no system call at all");
    }
}
