//! nix: the mask, a SignalFd that poll waits for with a limit, kill and Pid. The pid of the other process is the one that
//! the kernel says has signalled, and a value of a type that no 0 and no -1 can have.
use std::io::Write;
use std::os::fd::AsFd;
use std::process::ExitCode;
use std::sync::atomic::{AtomicI32, Ordering::SeqCst};
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal, kill};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::unistd::{Pid, getpid};

const BUF: usize = 124;
const TRIES: usize = 100;
const DOZE: Duration = Duration::from_millis(20);

#[repr(C)]
struct Shared {
    pid: AtomicI32,
    buf: [u8; BUF],
}

type Result<T> = std::result::Result<T, String>;

fn said(call: &'static str) -> impl Fn(Errno) -> String {
    move |errno| format!("{call}: {}", errno.desc())
}

/// A process that may be signalled.
#[derive(Clone, Copy, PartialEq)]
struct Peer(Pid);

impl Peer {
    fn new(pid: i32) -> Result<Peer> {
        let good = pid > 1 && pid != getpid().as_raw();
        good.then(|| Peer(Pid::from_raw(pid))).ok_or(format!("{pid} is no pid of a peer"))
    }

    fn tell(self, signal: Signal) -> Result<()> {
        kill(self.0, signal).map_err(said("kill"))
    }
}

struct Ears {
    fd: SignalFd,
    from_peer: Signal,
}

impl Ears {
    fn new(from_peer: Signal) -> Result<Ears> {
        let set = SigSet::from_iter([from_peer, Signal::SIGINT, Signal::SIGTERM]);
        set.thread_block().map_err(said("sigprocmask"))?;
        let fd = SignalFd::with_flags(&set, SfdFlags::SFD_CLOEXEC).map_err(said("signalfd"))?;
        Ok(Ears { fd, from_peer })
    }

    fn hear(&mut self, limit: PollTimeout) -> Result<Peer> {
        let mut fds = [PollFd::new(self.fd.as_fd(), PollFlags::POLLIN)];
        if poll(&mut fds, limit).map_err(said("poll"))? == 0 {
            return Err("the other process does not answer".into());
        }
        let info = self.fd.read_signal().map_err(said("read"))?.ok_or("no signal")?;
        if info.ssi_signo as i32 != self.from_peer as i32 {
            return Err(format!("stopped by signal {}", info.ssi_signo));
        }
        Peer::new(info.ssi_pid as i32)
    }

    fn answer_of(&mut self, peer: Peer) -> Result<()> {
        while self.hear(PollTimeout::from(3000u16))? != peer {}
        Ok(())
    }
}

/// The memory is detached by `detach`; all of its bytes are copied in and out through raw pointers.
struct Attached(*mut Shared);

impl Attached {
    fn new(id: i32) -> Result<Attached> {
        // SAFETY: the kernel chooses an address that is free.
        let at = unsafe { libc::shmat(id, std::ptr::null(), 0) };
        if at as isize == -1 { Err(said("shmat")(Errno::last())) } else { Ok(Attached(at.cast())) }
    }

    fn pid(&self) -> &AtomicI32 {
        // SAFETY: it is attached, and nobody uses the word in another way.
        unsafe { &(*self.0).pid }
    }

    fn put(&self, text: &[u8]) {
        // SAFETY: main has checked that the text fits with its NUL; it is our turn to write.
        unsafe {
            let buf = (&raw mut (*self.0).buf).cast::<u8>();
            buf.copy_from_nonoverlapping(text.as_ptr(), text.len());
            buf.add(text.len()).write(0);
        }
    }

    fn take(&self) -> Vec<u8> {
        // SAFETY: it is our turn to read.
        let copy = unsafe { (&raw const (*self.0).buf).read_volatile() };
        copy.split(|byte| *byte == 0).next().unwrap_or_default().to_vec()
    }

    fn detach(self) -> Result<()> {
        // SAFETY: the pointer is not used after this.
        let done = unsafe { libc::shmdt(self.0.cast()) };
        Errno::result(done).map(drop).map_err(said("shmdt"))
    }
}

fn serve(shm: &Attached, ears: &mut Ears, messages: &[String]) -> Result<()> {
    shm.pid().store(getpid().as_raw(), SeqCst);
    let client = ears.hear(PollTimeout::NONE)?;
    if Peer::new(shm.pid().load(SeqCst))? != client {
        return Err("the pid in the segment is another one".into());
    }
    for text in messages.iter().map(String::as_str).chain([""]) {
        shm.put(text.as_bytes());
        client.tell(Signal::SIGUSR1)?;
        ears.answer_of(client)?;
    }
    Ok(())
}

fn follow(shm: &Attached, ears: &mut Ears) -> Result<()> {
    let tries = (0..TRIES).map(|n| {
        if n > 0 {
            std::thread::sleep(DOZE);
        }
        shm.pid().load(SeqCst)
    });
    let server = Peer::new({ tries }.find(|pid| *pid != 0).unwrap_or(0))?;
    shm.pid().store(getpid().as_raw(), SeqCst);
    loop {
        server.tell(Signal::SIGUSR2)?;
        ears.answer_of(server)?;
        let text = shm.take();
        if text.is_empty() {
            return server.tell(Signal::SIGUSR2);
        }
        let line = [b"client: ", &text[..], b"\n"].concat();
        std::io::stdout().write_all(&line).map_err(|why| format!("standard output: {why}"))?;
    }
}

fn get(key: i32, flags: i32) -> nix::Result<i32> {
    // SAFETY: shmget takes no pointer.
    Errno::result(unsafe { libc::shmget(key, size_of::<Shared>(), flags) })
}

fn server(key: i32, messages: &[String]) -> Result<()> {
    let mut ears = Ears::new(Signal::SIGUSR2)?;
    let id = get(key, libc::IPC_CREAT | libc::IPC_EXCL | 0o600).map_err(said("shmget"))?;
    let served = Attached::new(id).and_then(|shm| {
        let served = serve(&shm, &mut ears, messages);
        served.and(shm.detach())
    });
    // SAFETY: IPC_RMID takes no buffer.
    let removed = Errno::result(unsafe { libc::shmctl(id, libc::IPC_RMID, std::ptr::null_mut()) });
    served.and(removed.map(drop).map_err(said("shmctl")))
}

fn client(key: i32) -> Result<()> {
    let mut ears = Ears::new(Signal::SIGUSR1)?;
    let mut found = get(key, 0);
    for _ in 0..TRIES {
        if found != Err(Errno::ENOENT) {
            break;
        }
        std::thread::sleep(DOZE);
        found = get(key, 0);
    }
    let shm = Attached::new(found.map_err(said("shmget"))?)?;
    let followed = follow(&shm, &mut ears);
    followed.and(shm.detach())
}

fn key_of(file: &str) -> Result<i32> {
    let name = std::ffi::CString::new(file).map_err(|why| why.to_string())?;
    // SAFETY: the name ends with a NUL.
    let key = unsafe { libc::ftok(name.as_ptr(), b'n'.into()) };
    Errno::result(key).map_err(|errno| format!("{file}: {}", errno.desc()))
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let done = match words[..] {
        ["server", file, ref messages @ ..] if !messages.is_empty() => {
            let messages: Vec<String> = messages.iter().map(|one| one.to_string()).collect();
            if messages.iter().any(|one| one.is_empty() || one.len() >= BUF) {
                Err("a message has 1 to 123 bytes".into())
            } else {
                key_of(file).and_then(|key| server(key, &messages))
            }
        }
        ["client", file] => key_of(file).and_then(client),
        _ => Err("usage: exercise server FILE MESSAGE... | exercise client FILE".into()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}
