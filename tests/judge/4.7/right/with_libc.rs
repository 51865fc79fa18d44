//! With libc alone.

use std::io::Write;
use std::process::ExitCode;

fn say(call: &str) -> ExitCode {
    eprintln!("{call}: {}", std::io::Error::last_os_error());
    ExitCode::FAILURE
}

/// println! would panic where nobody reads, and the segment would stay.
fn print(line: String) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

fn look(id: i32) -> Option<libc::shmid_ds> {
    let mut record: libc::shmid_ds = unsafe { std::mem::zeroed() };
    let done = unsafe { libc::shmctl(id, libc::IPC_STAT, &mut record) };
    (done == 0).then_some(record)
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, size] = &arguments[..] else {
        eprintln!("usage: exercise SIZE");
        return ExitCode::from(2);
    };
    let Ok(size) = size.parse::<usize>() else {
        eprintln!("not a size: {size}");
        return ExitCode::from(2);
    };
    unsafe {
        let mut stops: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&mut stops);
        libc::sigaddset(&mut stops, libc::SIGINT);
        libc::sigaddset(&mut stops, libc::SIGTERM);
        libc::sigprocmask(libc::SIG_BLOCK, &stops, std::ptr::null_mut());
    }
    let id = unsafe { libc::shmget(libc::IPC_PRIVATE, size, libc::IPC_CREAT | 0o600) };
    if id == -1 {
        return say("shmget");
    }
    let at = unsafe { libc::shmat(id, std::ptr::null(), 0) };
    let mut code = ExitCode::SUCCESS;
    if at as isize == -1 {
        code = say("shmat");
    } else {
        match look(id) {
            None => code = say("IPC_STAT"),
            Some(mut record) => {
                print(format!("size {}", record.shm_segsz));
                record.shm_perm.mode = 0o640;
                match unsafe { libc::shmctl(id, libc::IPC_SET, &mut record) } {
                    -1 => code = say("IPC_SET"),
                    _ => match look(id) {
                        Some(record) => print(format!("mode {:o}", record.shm_perm.mode & 0o777)),
                        None => code = say("IPC_STAT"),
                    },
                }
            }
        }
    }
    if unsafe { libc::shmctl(id, libc::IPC_RMID, std::ptr::null_mut()) } == -1 {
        code = say("IPC_RMID");
    }
    if at as isize != -1 {
        match look(id) {
            Some(record) if record.shm_perm.mode & 0o1000 != 0 => print("dest".into()),
            Some(_) => {}
            None => code = say("IPC_STAT"),
        }
        if unsafe { libc::shmdt(at) } == -1 {
            code = say("shmdt");
        }
    }
    code
}
