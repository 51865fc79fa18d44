//! Rust with nix: sigaction, sigprocmask, fork, kill and waitpid from there; shmget and its like from libc.

use std::ffi::c_int;
use std::io::Write;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

use nix::errno::Errno;
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, SigmaskHow, Signal, kill, sigaction, sigprocmask};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid, fork, getpid, getppid};

const SIZE: usize = 128;

static TOLD: AtomicBool = AtomicBool::new(false);
static ENDED: AtomicBool = AtomicBool::new(false);

extern "C" fn hear(signal: c_int) {
    let flag = if signal == libc::SIGUSR1 { &TOLD } else { &ENDED };
    flag.store(true, SeqCst);
}

/// False: the other one has ended, and will not tell us.
fn wait_until_told() -> bool {
    while !TOLD.load(SeqCst) && !ENDED.load(SeqCst) {
        let _ = SigSet::empty().suspend();
    }
    TOLD.swap(false, SeqCst)
}

fn say(call: &str, errno: Errno) -> ExitCode {
    eprintln!("{call}: {errno}");
    ExitCode::FAILURE
}

fn the_child(text: *const u8, count: usize, parent: Pid) -> Result<(), Errno> {
    nix::sys::prctl::set_pdeathsig(Signal::SIGKILL)?;
    if getppid() != parent {
        return Err(Errno::ESRCH);
    }
    for _ in 0..count {
        if !wait_until_told() {
            return Err(Errno::ESRCH);
        }
        let mut line = b"child: ".to_vec();
        for at in 0..SIZE {
            match unsafe { text.add(at).read_volatile() } {
                0 => break,
                byte => line.push(byte),
            }
        }
        line.push(b'\n');
        std::io::stdout().write_all(&line).map_err(|_| Errno::EIO)?;
        kill(parent, Signal::SIGUSR1)?;
    }
    Ok(())
}

fn the_parent(text: *mut u8, messages: &[String], child: Pid) -> Result<(), Errno> {
    for message in messages {
        for (at, byte) in message.bytes().chain([0]).enumerate() {
            unsafe { text.add(at).write_volatile(byte) };
        }
        kill(child, Signal::SIGUSR1)?;
        if !wait_until_told() {
            return Err(Errno::ECHILD);
        }
    }
    Ok(())
}

fn main() -> ExitCode {
    let messages: Vec<String> = std::env::args().skip(1).collect();
    if messages.is_empty() || messages.iter().any(|message| message.len() >= SIZE) {
        eprintln!("usage: exercise MESSAGE..., each shorter than {SIZE} bytes");
        return ExitCode::from(2);
    }
    let action = SigAction::new(SigHandler::Handler(hear), SaFlags::empty(), SigSet::empty());
    for signal in [Signal::SIGUSR1, Signal::SIGCHLD] {
        if let Err(errno) = unsafe { sigaction(signal, &action) } {
            return say("sigaction", errno);
        }
    }
    let blocked = [Signal::SIGUSR1, Signal::SIGCHLD, Signal::SIGINT, Signal::SIGTERM];
    let blocked = SigSet::from_iter(blocked);
    if let Err(errno) = sigprocmask(SigmaskHow::SIG_BLOCK, Some(&blocked), None) {
        return say("sigprocmask", errno);
    }
    let id = match Errno::result(unsafe { libc::shmget(libc::IPC_PRIVATE, SIZE, libc::IPC_CREAT | 0o600) }) {
        Ok(id) => id,
        Err(errno) => return say("shmget", errno),
    };
    let at = unsafe { libc::shmat(id, std::ptr::null(), 0) };
    let attached = if at as isize == -1 { Err(Errno::last()) } else { Ok(at.cast::<u8>()) };
    let mut code = ExitCode::SUCCESS;
    let parent = getpid();
    let made = match attached {
        Ok(text) => match unsafe { fork() } {
            Ok(ForkResult::Child) => {
                let failed = the_child(text, messages.len(), parent).is_err();
                unsafe { libc::_exit(i32::from(failed)) }
            }
            Ok(ForkResult::Parent { child }) => Some((text, child)),
            Err(errno) => {
                code = say("fork", errno);
                None
            }
        },
        Err(errno) => {
            code = say("shmat", errno);
            None
        }
    };
    let mut removed = true;
    if let Err(errno) = Errno::result(unsafe { libc::shmctl(id, libc::IPC_RMID, std::ptr::null_mut()) }) {
        code = say("shmctl", errno);
        removed = false;
    }
    let stops = SigSet::from_iter([Signal::SIGINT, Signal::SIGTERM]);
    let _ = sigprocmask(SigmaskHow::SIG_UNBLOCK, Some(&stops), None);
    if let Some((text, child)) = made {
        let talked = if removed { the_parent(text, &messages, child) } else { Err(Errno::EIDRM) };
        if let Err(errno) = talked {
            code = say("the child has not read it", errno);
            let _ = kill(child, Signal::SIGKILL);
        }
        if waitpid(child, None) != Ok(WaitStatus::Exited(child, 0)) {
            code = ExitCode::FAILURE;
        }
    }
    if let Ok(text) = attached
        && let Err(errno) = Errno::result(unsafe { libc::shmdt(text.cast()) })
    {
        code = say("shmdt", errno);
    }
    code
}
