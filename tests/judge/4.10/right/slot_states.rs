//! Each slot has a word that says what is in it: nothing, a message, or the end; the word is the futex that both sides
//! sleep on, through libc::syscall. No counter is shared: writer and reader each know the number of their next slot.
use std::io::{Error, Write};
use std::process::ExitCode;
use std::ptr::null_mut;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::thread;

const SLOTS: usize = 2;
const ROOM: usize = 180;

const EMPTY: u32 = 0;
const FULL: u32 = 1;
const OVER: u32 = 2;

#[repr(C)]
struct Slot {
    state: AtomicU32,
    length: AtomicU32,
    text: [u8; ROOM],
}

/// A direction: the address of its segment. It stays attached until `detach`.
#[derive(Clone, Copy)]
struct Ring(*mut Slot);

// SAFETY: who may use the text of a slot is what its state says.
unsafe impl Send for Ring {}
unsafe impl Sync for Ring {}

type Result<T> = std::result::Result<T, String>;

fn checked(call: &str, result: i32) -> Result<i32> {
    if result == -1 { Err(format!("{call}: {}", Error::last_os_error())) } else { Ok(result) }
}

impl Ring {
    fn new() -> Result<Ring> {
        // SAFETY: the calls get no memory of ours.
        unsafe {
            let size = SLOTS * size_of::<Slot>();
            let id = libc::shmget(libc::IPC_PRIVATE, size, libc::IPC_CREAT | 0o600);
            let id = checked("shmget", id)?;
            let at = libc::shmat(id, null_mut(), 0);
            let attached = checked("shmat", if at as isize == -1 { -1 } else { 0 });
            let removed = checked("shmctl", libc::shmctl(id, libc::IPC_RMID, null_mut()));
            attached.and(removed).map(|_| Ring(at.cast()))
        }
    }

    fn slot(&self, number: usize) -> *mut Slot {
        // SAFETY: the ring has SLOTS slots.
        unsafe { self.0.add(number % SLOTS) }
    }

    fn state(&self, number: usize) -> &AtomicU32 {
        // SAFETY: the segment is attached.
        unsafe { &(*self.slot(number)).state }
    }

    /// Sleeps until the slot is in this state, and tells whether it is.
    fn until(&self, number: usize, wanted: u32) -> bool {
        let state = self.state(number);
        loop {
            let now = state.load(SeqCst);
            if now == wanted || now == OVER {
                return now == wanted;
            }
            let none: *const libc::timespec = std::ptr::null();
            // SAFETY: the word is in the segment. A wake-up for nothing is seen by the loop.
            unsafe { libc::syscall(libc::SYS_futex, state.as_ptr(), libc::FUTEX_WAIT, now, none) };
        }
    }

    /// The slot is the other side's. The end stays the end.
    fn pass(&self, number: usize, from: u32, to: u32) {
        let state = self.state(number);
        let _ = state.compare_exchange(from, to, SeqCst, SeqCst);
        // SAFETY: the word is in the segment.
        unsafe { libc::syscall(libc::SYS_futex, state.as_ptr(), libc::FUTEX_WAKE, i32::MAX) };
    }

    fn end(&self) {
        for number in 0..SLOTS {
            self.state(number).store(OVER, SeqCst);
            self.pass(number, OVER, OVER);
        }
    }

    fn write(&self, messages: &[String]) {
        for (number, message) in messages.iter().enumerate() {
            if !self.until(number, EMPTY) {
                return;
            }
            // SAFETY: an empty slot is the writer's; main has checked that the message fits.
            unsafe {
                let slot = self.slot(number);
                let text = (&raw mut (*slot).text).cast::<u8>();
                text.copy_from_nonoverlapping(message.as_ptr(), message.len());
                (*slot).length.store(message.len() as u32, SeqCst);
            }
            self.pass(number, EMPTY, FULL);
        }
    }

    fn read(&self, name: &str, count: usize) -> Result<()> {
        let mut out = std::io::stdout();
        for number in 0..count {
            if !self.until(number, FULL) {
                return Err("the other side has failed".into());
            }
            let mut line = format!("{name}: ").into_bytes();
            // SAFETY: a full slot is the reader's.
            unsafe {
                let slot = self.slot(number);
                let length = (*slot).length.load(SeqCst) as usize;
                let text = (&raw const (*slot).text).read();
                line.extend_from_slice(&text[..length.min(ROOM)]);
            }
            self.pass(number, FULL, EMPTY);
            line.push(b'\n');
            out.write_all(&line).map_err(|why| format!("standard output: {why}"))?;
        }
        Ok(())
    }

    fn detach(self) -> Result<i32> {
        // SAFETY: nobody uses it after this.
        checked("shmdt", unsafe { libc::shmdt(self.0.cast()) })
    }
}

fn talk(name: &str, out: Ring, back: Ring, messages: &[String]) -> Result<()> {
    let told = thread::scope(|scope| {
        let told = thread::Builder::new()
            .spawn_scoped(scope, move || out.write(messages))
            .map_err(|why| format!("a thread: {why}"))
            .and_then(|_| back.read(name, messages.len()));
        if told.is_err() {
            out.end();
            back.end();
        }
        told
    });
    told.map_err(|why| format!("{name}: {why}"))
}

fn child(parent: i32, out: Ring, back: Ring, messages: &[String]) -> Result<()> {
    // SAFETY: neither call gets memory of ours.
    unsafe {
        checked("prctl", libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL))?;
        if libc::getppid() != parent {
            return Err("child: the parent has ended".into());
        }
    }
    talk("child", out, back, messages)
}

fn both(messages: &[String]) -> Result<()> {
    // SAFETY: the set and the status are ours; fork is called while there is one thread.
    unsafe {
        let mut stops = std::mem::zeroed();
        libc::sigemptyset(&mut stops);
        libc::sigaddset(&mut stops, libc::SIGINT);
        libc::sigaddset(&mut stops, libc::SIGTERM);
        libc::sigprocmask(libc::SIG_BLOCK, &stops, null_mut());
        let (down, up) = (Ring::new()?, Ring::new()?);
        libc::sigprocmask(libc::SIG_UNBLOCK, &stops, null_mut());
        let parent = libc::getpid();
        let pid = checked("fork", libc::fork())?;
        if pid == 0 {
            let told = child(parent, up, down, messages);
            if let Err(why) = &told {
                eprintln!("{why}");
            }
            libc::_exit(i32::from(told.is_err()));
        }
        let told = talk("parent", down, up, messages);
        let mut status = 0;
        checked("waitpid", libc::waitpid(pid, &mut status, 0))?;
        down.detach().and(up.detach())?;
        if status != 0 {
            return told.and(Err("the child has failed".into()));
        }
        told
    }
}

fn main() -> ExitCode {
    let messages: Vec<String> = std::env::args().skip(1).collect();
    if messages.is_empty() {
        eprintln!("usage: exercise MESSAGE...");
        return ExitCode::from(2);
    }
    if let Some(at) = messages.iter().position(|message| message.len() > ROOM) {
        eprintln!("message {} has more than {ROOM} bytes", at + 1);
        return ExitCode::FAILURE;
    }
    match both(&messages) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}
