//! nix for the signals and the errors, and a type for each attachment: Drop detaches it, also where a write has failed.
//! The segment has a page, its first word is the length, and the message has no NUL.
use std::io::Write;
use std::process::ExitCode;
use std::ptr::{NonNull, null, null_mut};
use std::sync::atomic::{AtomicUsize, Ordering};

use nix::errno::Errno;
use nix::sys::signal::{SigSet, SigmaskHow, Signal, sigprocmask};

const SIZE: usize = 4096;
const ROOM: usize = SIZE - size_of::<usize>();

struct Attached(NonNull<u8>);

impl Attached {
    fn new(id: i32, flags: i32) -> Result<Self, String> {
        // SAFETY: the kernel chooses an address that is free.
        let at = unsafe { libc::shmat(id, null(), flags) };
        match NonNull::new(at.cast()) {
            Some(at) if at.as_ptr() as isize != -1 => Ok(Attached(at)),
            _ => Err(format!("shmat: {}", Errno::last().desc())),
        }
    }

    fn length(&self) -> &AtomicUsize {
        // SAFETY: a segment begins at a page, and is as long as a page.
        unsafe { self.0.cast().as_ref() }
    }

    fn put(&self, message: &[u8]) {
        // SAFETY: main has checked that it fits behind the length.
        unsafe {
            let text = self.0.as_ptr().add(size_of::<usize>());
            text.copy_from_nonoverlapping(message.as_ptr(), message.len());
        }
        self.length().store(message.len(), Ordering::Release);
    }

    fn take(&self) -> Vec<u8> {
        let mut copy = vec![0; self.length().load(Ordering::Acquire).min(ROOM)];
        // SAFETY: so many bytes are behind the length.
        unsafe {
            let text = self.0.as_ptr().add(size_of::<usize>());
            text.copy_to_nonoverlapping(copy.as_mut_ptr(), copy.len());
        }
        copy
    }

    fn detach(self) -> Result<(), String> {
        let at = self.0.as_ptr();
        std::mem::forget(self);
        // SAFETY: nobody has this address any more.
        let done = unsafe { libc::shmdt(at.cast()) };
        Errno::result(done).map(drop).map_err(|errno| format!("shmdt: {}", errno.desc()))
    }
}

impl Drop for Attached {
    fn drop(&mut self) {
        // SAFETY: nobody has this address any more.
        unsafe { libc::shmdt(self.0.as_ptr().cast()) };
    }
}

struct Segment(i32);

impl Drop for Segment {
    fn drop(&mut self) {
        // SAFETY: IPC_RMID takes no buffer.
        if unsafe { libc::shmctl(self.0, libc::IPC_RMID, null_mut()) } == -1 {
            eprintln!("shmctl: {}", Errno::last().desc());
            // The exit code is lost otherwise.
            std::process::exit(1);
        }
    }
}

fn talk(messages: &[String]) -> Result<(), String> {
    // SAFETY: shmget takes no pointer.
    let id = unsafe { libc::shmget(libc::IPC_PRIVATE, SIZE, libc::IPC_CREAT | 0o600) };
    let id = Errno::result(id).map_err(|errno| format!("shmget: {}", errno.desc()))?;
    let _segment = Segment(id);
    let (here, there) = (Attached::new(id, 0)?, Attached::new(id, libc::SHM_RDONLY)?);
    let mut out = std::io::stdout().lock();
    for message in messages {
        here.put(message.as_bytes());
        let mut line = there.take();
        line.push(b'\n');
        out.write_all(&line).map_err(|why| format!("standard output: {why}"))?;
    }
    here.detach()?;
    there.detach()
}

fn main() -> ExitCode {
    let messages: Vec<String> = std::env::args().skip(1).collect();
    if messages.is_empty() {
        eprintln!("usage: exercise MESSAGE...");
        return ExitCode::from(2);
    }
    if messages.iter().any(|message| message.len() > ROOM) {
        eprintln!("a message has at most {ROOM} bytes");
        return ExitCode::FAILURE;
    }
    let stops = SigSet::from_iter([Signal::SIGINT, Signal::SIGTERM]);
    let talked = sigprocmask(SigmaskHow::SIG_BLOCK, Some(&stops), None)
        .map_err(|errno| format!("sigprocmask: {}", errno.desc()))
        .and_then(|()| talk(&messages));
    match talked {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}
