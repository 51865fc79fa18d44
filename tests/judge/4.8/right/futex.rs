//! libc alone, and no signal: a futex in the segment is the turn, and each process sleeps until the word is its own. A
//! parent whose child has died is woken by a limit of a tenth of a second, after which it looks with waitpid.
use std::io::{Error, Write};
use std::process::ExitCode;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};

const ROOM: usize = 252;
const CHILD: u32 = 1;
const PARENT: u32 = 0;

#[repr(C)]
struct Shared {
    turn: AtomicU32,
    text: [u8; ROOM],
}

type Failure = String;

fn failed(call: &str) -> Failure {
    format!("{call}: {}", Error::last_os_error())
}

fn checked(call: &str, result: i32) -> Result<i32, Failure> {
    if result == -1 { Err(failed(call)) } else { Ok(result) }
}

/// Gives the turn to the other process, and wakes it.
fn give(shared: *const Shared, to: u32) {
    // SAFETY: the segment is attached as long as the process runs.
    let turn = unsafe { &(*shared).turn };
    turn.store(to, SeqCst);
    // SAFETY: the word lives in the segment.
    unsafe { libc::syscall(libc::SYS_futex, turn.as_ptr(), libc::FUTEX_WAKE, 1) };
}

/// Sleeps until it is our turn; `alive` is asked each time that nobody has woken us.
fn wait(
    shared: *const Shared, mine: u32, mut alive: impl FnMut() -> Result<(), Failure>,
) -> Result<(), Failure> {
    let tenth = libc::timespec { tv_sec: 0, tv_nsec: 100_000_000 };
    // SAFETY: the segment is attached as long as the process runs.
    let turn = unsafe { &(*shared).turn };
    let mut ended: Result<(), Failure> = Ok(());
    loop {
        let now = turn.load(SeqCst);
        if now == mine {
            return Ok(());
        }
        // Asked before the turn was looked at again: what it gave before its end counts.
        ended.clone()?;
        // SAFETY: the word lives in the segment, and the limit as long as the call.
        let slept = unsafe {
            libc::syscall(libc::SYS_futex, turn.as_ptr(), libc::FUTEX_WAIT, now, &raw const tenth)
        };
        if slept == -1 && Error::last_os_error().raw_os_error() == Some(libc::ETIMEDOUT) {
            ended = alive();
        }
    }
}

fn the_child(shared: *mut Shared, count: usize, parent: i32) -> Result<(), Failure> {
    // SAFETY: no pointer is given.
    unsafe {
        checked("prctl", libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL))?;
        if libc::getppid() != parent {
            return Err("the parent has ended".into());
        }
    }
    for _ in 0..count {
        wait(shared, CHILD, || Ok(()))?;
        // SAFETY: the text is the child's until it gives the turn back.
        let text = unsafe { (&raw const (*shared).text).read() };
        let length = text.iter().position(|byte| *byte == 0).unwrap_or(ROOM);
        let line = [b"child: ", &text[..length], b"\n"].concat();
        std::io::stdout().write_all(&line).map_err(|why| format!("standard output: {why}"))?;
        give(shared, PARENT);
    }
    Ok(())
}

fn the_parent(shared: *mut Shared, messages: &[String], child: i32) -> Result<bool, Failure> {
    for message in messages {
        // SAFETY: the text is the parent's now, and main has checked that it fits with its NUL.
        unsafe {
            let text = (&raw mut (*shared).text).cast::<u8>();
            text.copy_from_nonoverlapping(message.as_ptr(), message.len());
            text.add(message.len()).write(0);
        }
        give(shared, CHILD);
        wait(shared, PARENT, || {
            // SAFETY: the record is ours. It stays a zombie, and its number is not given to another process.
            unsafe {
                let mut info: libc::siginfo_t = std::mem::zeroed();
                let how = libc::WEXITED | libc::WNOHANG | libc::WNOWAIT;
                checked("waitid", libc::waitid(libc::P_PID, child as u32, &mut info, how))?;
                if info.si_pid() == 0 { Ok(()) } else { Err("the child has ended".into()) }
            }
        })?;
    }
    let mut status = 0;
    // SAFETY: the status is ours.
    checked("waitpid", unsafe { libc::waitpid(child, &mut status, 0) })?;
    Ok(status == 0)
}

fn talk(id: i32, messages: &[String]) -> Result<bool, Failure> {
    // SAFETY: a segment is as large as what is in it, and zeros are a Shared; fork is called in the only thread.
    unsafe {
        let at = libc::shmat(id, std::ptr::null(), 0);
        if at as isize == -1 {
            let why = failed("shmat");
            libc::shmctl(id, libc::IPC_RMID, std::ptr::null_mut());
            return Err(why);
        }
        let shared: *mut Shared = at.cast();
        let parent = libc::getpid();
        let child = libc::fork();
        if child == 0 {
            let told = the_child(shared, messages.len(), parent);
            let code = told.map_or_else(|why| { eprintln!("child: {why}"); 1 }, |()| 0);
            libc::_exit(code);
        }
        let forked = checked("fork", child);
        let removed = checked("shmctl", libc::shmctl(id, libc::IPC_RMID, std::ptr::null_mut()));
        let mut talked = forked.and(removed).and_then(|_| the_parent(shared, messages, child));
        if talked.is_err() && child > 0 {
            libc::kill(child, libc::SIGKILL);
            libc::waitpid(child, std::ptr::null_mut(), 0);
        }
        if let Err(why) = checked("shmdt", libc::shmdt(at)) {
            talked = talked.and(Err(why));
        }
        talked
    }
}

fn main() -> ExitCode {
    let messages: Vec<String> = std::env::args().skip(1).collect();
    if messages.is_empty() || messages.iter().any(|one| one.len() >= ROOM) {
        eprintln!("usage: exercise MESSAGE..., each shorter than {ROOM} bytes");
        return ExitCode::from(2);
    }
    // SAFETY: the set is ours; shmget takes no pointer.
    let id = unsafe {
        let mut stops = std::mem::zeroed();
        libc::sigaddset(&mut stops, libc::SIGINT);
        libc::sigaddset(&mut stops, libc::SIGTERM);
        libc::sigprocmask(libc::SIG_BLOCK, &stops, std::ptr::null_mut());
        libc::shmget(libc::IPC_PRIVATE, size_of::<Shared>(), libc::IPC_CREAT | 0o600)
    };
    match checked("shmget", id).and_then(|id| talk(id, &messages)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}
