//! nix: a wake-up is a byte in a pipe, and each process closes the ends that are the other's. So the end of a process is
//! the end of its pipes, which a read sees as 0 bytes: no flag says that the conversation is over.
use std::io::Write;
use std::os::fd::OwnedFd;
use std::process::ExitCode;
use std::ptr::{null, null_mut};

use nix::errno::Errno;
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::{SigSet, Signal, kill};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid, fork, getpid, getppid, pipe, read, write};

const SLOTS: usize = 2;
const ROOM: usize = 255;

type Result<T> = std::result::Result<T, String>;

fn said(call: &'static str) -> impl Fn(Errno) -> String {
    move |errno| format!("{call}: {}", errno.desc())
}

/// Slots of a byte for the length and the text behind it.
#[derive(Clone, Copy)]
struct Slots(*mut [u8; 1 + ROOM]);

// SAFETY: the pipes say whose a slot is.
unsafe impl Send for Slots {}

impl Slots {
    /// In a segment that is marked for removal as soon as it is attached.
    fn new() -> Result<Slots> {
        // SAFETY: the calls get no memory of ours.
        unsafe {
            let size = SLOTS * (1 + ROOM);
            let id = libc::shmget(libc::IPC_PRIVATE, size, libc::IPC_CREAT | 0o600);
            let id = Errno::result(id).map_err(said("shmget"))?;
            let at = libc::shmat(id, null(), 0);
            let attached = if at as isize == -1 { Err(Errno::last()) } else { Ok(Slots(at.cast())) };
            let removed = Errno::result(libc::shmctl(id, libc::IPC_RMID, null_mut()));
            let slots = attached.map_err(said("shmat"))?;
            removed.map_err(said("shmctl"))?;
            Ok(slots)
        }
    }

    fn put(self, number: usize, text: &[u8]) {
        // SAFETY: the slot is there, and main has checked that the text fits.
        unsafe {
            let slot = self.0.add(number % SLOTS).cast::<u8>();
            slot.write(text.len() as u8);
            slot.add(1).copy_from_nonoverlapping(text.as_ptr(), text.len());
        }
    }

    fn take(self, number: usize) -> Vec<u8> {
        // SAFETY: the slot is there.
        let slot = unsafe { self.0.add(number % SLOTS).read_volatile() };
        slot[1..=usize::from(slot[0])].to_vec()
    }

    fn detach(self) -> Result<()> {
        // SAFETY: nobody uses it after this.
        let done = unsafe { libc::shmdt(self.0.cast()) };
        Errno::result(done).map(drop).map_err(said("shmdt"))
    }
}

/// The writer's half of a direction, and the reader's.
struct Sender {
    slots: Slots,
    news: OwnedFd,
    free: OwnedFd,
}

struct Receiver {
    slots: Slots,
    news: OwnedFd,
    free: OwnedFd,
}

fn direction() -> Result<(Sender, Receiver)> {
    let slots = Slots::new()?;
    let ((hear, tell), (take, give)) =
        pipe().and_then(|news| Ok((news, pipe()?))).map_err(said("pipe"))?;
    let sender = Sender { slots, news: tell, free: take };
    Ok((sender, Receiver { slots, news: hear, free: give }))
}

/// Whether a byte has come; it does not if nobody can write one any more.
fn heard(fd: &OwnedFd) -> Result<bool> {
    loop {
        match read(fd, &mut [0]) {
            Err(Errno::EINTR) => {}
            got => return got.map(|bytes| bytes == 1).map_err(said("read")),
        }
    }
}

fn tell(fd: &OwnedFd) -> Result<()> {
    write(fd, b".").map(drop).map_err(said("write"))
}

impl Sender {
    fn send(&self, messages: &[String]) -> Result<()> {
        for (number, message) in messages.iter().enumerate() {
            if number >= SLOTS && !heard(&self.free)? {
                return Err("nobody reads".into());
            }
            self.slots.put(number, message.as_bytes());
            tell(&self.news)?;
        }
        Ok(())
    }
}

impl Receiver {
    fn print(&self, name: &str, count: usize) -> Result<()> {
        let mut out = std::io::stdout();
        for number in 0..count {
            if !heard(&self.news)? {
                return Err("the other process has ended".into());
            }
            let line = [name.as_bytes(), b": ", &self.slots.take(number), b"\n"].concat();
            // The last slots are not needed again, and their writer may have ended.
            if number + SLOTS < count {
                tell(&self.free)?;
            }
            out.write_all(&line).map_err(|why| format!("standard output: {why}"))?;
        }
        Ok(())
    }
}

/// `give_up` ends the other process, or this one: then the pipes end, and so does the writer.
fn talk(
    name: &str, sender: Sender, receiver: Receiver, messages: &[String], give_up: impl Fn(),
) -> Result<()> {
    std::thread::scope(|scope| {
        let writer = std::thread::Builder::new().spawn_scoped(scope, move || sender.send(messages));
        let writer = writer.map_err(|why| {
            eprintln!("{name}: a thread: {why}");
            give_up();
            why.to_string()
        })?;
        let read = receiver.print(name, messages.len());
        if let Err(why) = &read {
            eprintln!("{name}: {why}");
            give_up();
        }
        read.and(writer.join().unwrap_or_else(|_| Err("the writer".into())))
    })
}

fn the_child(parent: Pid, sender: Sender, receiver: Receiver, messages: &[String]) -> Result<()> {
    set_pdeathsig(Signal::SIGKILL).map_err(said("prctl"))?;
    if getppid() != parent {
        return Err("the parent has ended".into());
    }
    // SAFETY: nothing is left to be done here.
    talk("child", sender, receiver, messages, || unsafe { libc::_exit(1) })
}

fn run(messages: &[String]) -> Result<()> {
    let stops = SigSet::from_iter([Signal::SIGINT, Signal::SIGTERM]);
    stops.thread_block().map_err(said("sigprocmask"))?;
    let (down, from_parent) = direction()?;
    let (up, from_child) = direction()?;
    stops.thread_unblock().map_err(said("sigprocmask"))?;
    let slots = [down.slots, up.slots];
    let parent = getpid();
    // SAFETY: there is one thread.
    match unsafe { fork() }.map_err(said("fork"))? {
        ForkResult::Child => {
            drop((down, from_child));
            let told = the_child(parent, up, from_parent, messages);
            if let Err(why) = &told {
                eprintln!("child: {why}");
            }
            // SAFETY: nothing is left to be done here.
            unsafe { libc::_exit(i32::from(told.is_err())) }
        }
        ForkResult::Parent { child } => {
            drop((up, from_parent));
            let told = talk("parent", down, from_child, messages, || {
                let _ = kill(child, Signal::SIGKILL);
            });
            let ended = waitpid(child, None).map_err(said("waitpid"))?;
            slots.into_iter().try_for_each(Slots::detach)?;
            if ended != WaitStatus::Exited(child, 0) {
                return Err(format!("the child: {ended:?}"));
            }
            told
        }
    }
}

fn main() -> ExitCode {
    let messages: Vec<String> = std::env::args().skip(1).collect();
    if messages.is_empty() || messages.iter().any(|message| message.len() > ROOM) {
        eprintln!("usage: exercise MESSAGE..., each of at most {ROOM} bytes");
        return ExitCode::from(2);
    }
    match run(&messages) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}
