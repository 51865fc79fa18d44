//! shmget and shmctl are system calls in assembler, and what they return is an errno with a minus. ftok is the libc's; the
//! answers are a Result, and a segment is removed when its owner is dropped.
use std::ffi::CString;
use std::io::Write;
use std::os::unix::ffi::OsStringExt;
use std::process::ExitCode;

const SHMGET: isize = 29;
const SHMCTL: isize = 31;
const MAKE: isize = (libc::IPC_CREAT | libc::IPC_EXCL | 0o600) as isize;

/// The kernel's answer: a number, or an errno.
fn call(number: isize, one: isize, two: isize, three: isize) -> Result<isize, i32> {
    let answer: isize;
    // SAFETY: neither of the two calls gets a pointer here, and the kernel keeps all registers but these.
    unsafe {
        std::arch::asm!("syscall", inlateout("rax") number => answer, in("rdi") one, in("rsi") two,
            in("rdx") three, lateout("rcx") _, lateout("r11") _, options(nostack));
    }
    if (-4095..0).contains(&answer) { Err(-answer as i32) } else { Ok(answer) }
}

fn shmget(key: i32, size: isize, flags: isize) -> Result<isize, i32> {
    call(SHMGET, key as isize, size, flags)
}

fn said(what: &str, errno: i32) -> String {
    format!("{what}: {}", std::io::Error::from_raw_os_error(errno))
}

struct Segment(Option<isize>);

impl Segment {
    fn remove(&mut self) -> Result<(), String> {
        let Some(id) = self.0.take() else { return Ok(()) };
        let removed = call(SHMCTL, id, libc::IPC_RMID as isize, 0);
        removed.map(drop).map_err(|errno| said("shmctl", errno))
    }
}

impl Drop for Segment {
    fn drop(&mut self) {
        if let Err(why) = self.remove() {
            eprintln!("{why}");
        }
    }
}

fn print(line: &str) -> Result<(), String> {
    writeln!(std::io::stdout(), "{line}").map_err(|why| format!("standard output: {why}"))
}

fn refused(answer: Result<isize, i32>, wanted: i32, name: &str) -> Result<(), String> {
    match answer {
        Err(errno) if errno == wanted => print(name),
        Err(errno) => Err(said("shmget", errno)),
        Ok(id) => Err(format!("shmget gave the segment {id} instead of {name}")),
    }
}

fn experiment(key: i32) -> Result<(), String> {
    let id = shmget(key, 4096, MAKE).map_err(|errno| said("shmget", errno))?;
    let mut segment = Segment(Some(id));
    refused(shmget(key, 4096, MAKE), libc::EEXIST, "EEXIST")?;
    let found = shmget(key, 0, 0).map_err(|errno| said("shmget, by the key", errno))?;
    if found != id {
        return Err(format!("the key leads to {found}, not to {id}"));
    }
    print("same")?;
    segment.remove()?;
    refused(shmget(key, 0, 0), libc::ENOENT, "ENOENT")
}

fn block_stops() {
    // SAFETY: the set is ours, and lives as long as the calls.
    unsafe {
        let mut stops = std::mem::zeroed();
        libc::sigemptyset(&mut stops);
        libc::sigaddset(&mut stops, libc::SIGINT);
        libc::sigaddset(&mut stops, libc::SIGTERM);
        libc::sigprocmask(libc::SIG_BLOCK, &stops, std::ptr::null_mut());
    }
}

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    let (Some(file), None) = (arguments.next(), arguments.next()) else {
        eprintln!("usage: exercise FILE");
        return ExitCode::from(2);
    };
    let name = CString::new(file.into_vec()).expect("an argument has no NUL");
    // SAFETY: the name ends with a NUL.
    let key = unsafe { libc::ftok(name.as_ptr(), 7) };
    if key == -1 {
        eprintln!("{}: {}", name.to_string_lossy(), std::io::Error::last_os_error());
        return ExitCode::FAILURE;
    }
    block_stops();
    match experiment(key) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}
