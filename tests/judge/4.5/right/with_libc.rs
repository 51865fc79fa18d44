//! Removed as soon as it is attached twice; the stops are blocked only until then.

use std::io::{Error, Write};
use std::process::ExitCode;

const SIZE: usize = 64;

fn attached(id: i32, flags: i32) -> Result<*mut u8, String> {
    let at = unsafe { libc::shmat(id, std::ptr::null(), flags) };
    if at as isize == -1 {
        Err(format!("shmat: {}", Error::last_os_error()))
    } else {
        Ok(at.cast())
    }
}

fn zero(call: &str, result: i32) -> Result<(), String> {
    if result == 0 { Ok(()) } else { Err(format!("{call}: {}", Error::last_os_error())) }
}

fn both(id: i32) -> Result<[*mut u8; 2], String> {
    let one = attached(id, 0)?;
    match attached(id, libc::SHM_RDONLY) {
        Ok(other) => Ok([one, other]),
        Err(why) => {
            unsafe { libc::shmdt(one.cast()) };
            Err(why)
        }
    }
}

fn told(messages: &[String]) -> Result<(), String> {
    if let Some(long) = messages.iter().find(|one| one.len() > SIZE) {
        return Err(format!("{} bytes do not fit", long.len()));
    }
    let mut stops: libc::sigset_t = unsafe { std::mem::zeroed() };
    unsafe {
        libc::sigaddset(&mut stops, libc::SIGINT);
        libc::sigaddset(&mut stops, libc::SIGTERM);
        libc::sigprocmask(libc::SIG_BLOCK, &stops, std::ptr::null_mut());
    }
    let id = unsafe { libc::shmget(libc::IPC_PRIVATE, SIZE, libc::IPC_CREAT | 0o600) };
    if id == -1 {
        return Err(format!("shmget: {}", Error::last_os_error()));
    }
    let both = both(id);
    let removed = zero("shmctl", unsafe { libc::shmctl(id, libc::IPC_RMID, std::ptr::null_mut()) });
    let [one, other] = both?;
    unsafe { libc::sigprocmask(libc::SIG_UNBLOCK, &stops, std::ptr::null_mut()) };
    let mut written = Ok(());
    for message in messages {
        // The length is known: no NUL is needed.
        let mut line = vec![0; message.len()];
        unsafe {
            std::ptr::copy_nonoverlapping(message.as_ptr(), one, message.len());
            std::ptr::copy_nonoverlapping(other, line.as_mut_ptr(), message.len());
        }
        line.push(b'\n');
        written = written.and(std::io::stdout().write_all(&line).map_err(|why| why.to_string()));
    }
    let detached = [one, other].map(|at| zero("shmdt", unsafe { libc::shmdt(at.cast()) }));
    detached.into_iter().fold(removed.and(written), Result::and)
}

fn main() -> ExitCode {
    let messages: Vec<String> = std::env::args().skip(1).collect();
    if messages.is_empty() {
        eprintln!("a message, please");
        return ExitCode::from(2);
    }
    match told(&messages) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}
