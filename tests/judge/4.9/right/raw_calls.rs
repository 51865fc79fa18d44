//! Each call is a system call in assembler, also rt_sigtimedwait, so a wait is one instruction and an errno is a number.
//! Everything that the two share is read and written through atomics, the text in words of four bytes.
use std::arch::asm;
use std::ffi::CString;
use std::io::{Error, Write};
use std::process::ExitCode;
use std::sync::atomic::{AtomicI32, AtomicU32, Ordering::SeqCst};
use std::time::Duration;

const SHMGET: usize = 29;
const SHMAT: usize = 30;
const SHMCTL: usize = 31;
const SHMDT: usize = 67;
const KILL: usize = 62;
const SIGPROCMASK: usize = 14;
const SIGTIMEDWAIT: usize = 128;

const USR1: u64 = 10;
const USR2: u64 = 12;
const STOPS: u64 = bit(libc::SIGINT as u64) | bit(libc::SIGTERM as u64);

const fn bit(signal: u64) -> u64 {
    1 << (signal - 1)
}

#[repr(C)]
struct Shared {
    pid: AtomicI32,
    /// 124 bytes.
    buf: [AtomicU32; 31],
}

type Result<T> = std::result::Result<T, String>;

fn call(number: usize, one: usize, two: usize, three: usize, four: usize) -> std::result::Result<usize, i32> {
    let answer: isize;
    // SAFETY: who calls it gives pointers only to what lives as long as the call.
    unsafe {
        asm!("syscall", inlateout("rax") number as isize => answer, in("rdi") one, in("rsi") two, in("rdx") three,
            in("r10") four, lateout("rcx") _, lateout("r11") _, options(nostack));
    }
    if (-4095..0).contains(&answer) { Err(-answer as i32) } else { Ok(answer as usize) }
}

fn said(name: &str) -> impl Fn(i32) -> String {
    move |errno| format!("{name}: {}", Error::from_raw_os_error(errno))
}

fn block(set: u64) -> Result<()> {
    let how = libc::SIG_BLOCK as usize;
    call(SIGPROCMASK, how, &raw const set as usize, 0, 8).map(drop).map_err(said("sigprocmask"))
}

/// Waits for this signal; without a limit, for ever.
fn wait(signal: u64, seconds: Option<i64>) -> Result<()> {
    let set = bit(signal) | STOPS;
    let limit = libc::timespec { tv_sec: seconds.unwrap_or(0), tv_nsec: 0 };
    let limit = if seconds.is_some() { &raw const limit as usize } else { 0 };
    loop {
        match call(SIGTIMEDWAIT, &raw const set as usize, 0, limit, 8) {
            Ok(got) if got as u64 == signal => return Ok(()),
            Ok(got) => return Err(format!("stopped by signal {got}")),
            Err(libc::EINTR) => {}
            Err(libc::EAGAIN) => return Err("the other side does not answer".into()),
            Err(errno) => return Err(said("sigtimedwait")(errno)),
        }
    }
}

fn tell(peer: i32, signal: u64) -> Result<()> {
    if peer <= 1 {
        return Err(format!("{peer} is no pid of a peer"));
    }
    call(KILL, peer as usize, signal as usize, 0, 0).map(drop).map_err(said("kill"))
}

impl Shared {
    fn put(&self, text: &[u8]) {
        for (at, word) in self.buf.iter().enumerate() {
            let byte = |n: usize| text.get(4 * at + n).copied().unwrap_or(0);
            word.store(u32::from_ne_bytes([byte(0), byte(1), byte(2), byte(3)]), SeqCst);
        }
    }

    fn take(&self) -> Vec<u8> {
        let mut text: Vec<u8> =
            self.buf.iter().flat_map(|word| word.load(SeqCst).to_ne_bytes()).collect();
        let end = text.iter().position(|byte| *byte == 0).unwrap_or(123);
        text.truncate(end);
        text
    }
}

fn attached(id: usize, work: impl FnOnce(&Shared) -> Result<()>) -> Result<()> {
    let at = call(SHMAT, id, 0, 0, 0).map_err(said("shmat"))?;
    // SAFETY: the segment has the size of a Shared, and all in it is atomic.
    let done = work(unsafe { &*(at as *const Shared) });
    done.and(call(SHMDT, at, 0, 0, 0).map(drop).map_err(said("shmdt")))
}

fn server(key: usize, messages: &[String]) -> Result<()> {
    block(bit(USR2) | STOPS)?;
    let flags = (libc::IPC_CREAT | libc::IPC_EXCL | 0o600) as usize;
    let id = call(SHMGET, key, size_of::<Shared>(), flags, 0).map_err(said("shmget"))?;
    let served = attached(id, |shm| {
        shm.pid.store(std::process::id() as i32, SeqCst);
        wait(USR2, None)?;
        let client = shm.pid.load(SeqCst);
        for text in messages.iter().map(String::as_bytes).chain([&b""[..]]) {
            shm.put(text);
            tell(client, USR1)?;
            wait(USR2, Some(3))?;
        }
        Ok(())
    });
    let removed = call(SHMCTL, id, libc::IPC_RMID as usize, 0, 0);
    served.and(removed.map(drop).map_err(said("shmctl")))
}

fn client(key: usize) -> Result<()> {
    const TRIES: usize = 100;
    let doze = || std::thread::sleep(Duration::from_millis(20));
    block(bit(USR1) | STOPS)?;
    let mut found = call(SHMGET, key, size_of::<Shared>(), 0, 0);
    for _ in 0..TRIES {
        if found != Err(libc::ENOENT) {
            break;
        }
        doze();
        found = call(SHMGET, key, size_of::<Shared>(), 0, 0);
    }
    attached(found.map_err(said("shmget"))?, |shm| {
        for _ in 0..TRIES {
            if shm.pid.load(SeqCst) != 0 {
                break;
            }
            doze();
        }
        let server = shm.pid.load(SeqCst);
        shm.pid.store(std::process::id() as i32, SeqCst);
        loop {
            tell(server, USR2)?;
            wait(USR1, Some(3))?;
            let text = shm.take();
            if text.is_empty() {
                return tell(server, USR2);
            }
            let line = [b"client: ", &text[..], b"\n"].concat();
            std::io::stdout().write_all(&line).map_err(|why| format!("standard output: {why}"))?;
        }
    })
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let (file, messages) = match &words[..] {
        [role, file, messages @ ..] if role == "server" && !messages.is_empty() => (file, messages),
        [role, file] if role == "client" => (file, &[][..]),
        _ => {
            eprintln!("usage: exercise server FILE MESSAGE... | exercise client FILE");
            return ExitCode::from(2);
        }
    };
    if messages.iter().any(|text| text.is_empty() || text.len() > 123) {
        eprintln!("a message has 1 to 123 bytes");
        return ExitCode::from(2);
    }
    let name = CString::new(file.as_bytes()).expect("an argument has no NUL");
    // SAFETY: the name ends with a NUL.
    let key = unsafe { libc::ftok(name.as_ptr(), 9) };
    if key == -1 {
        eprintln!("{file}: {}", Error::last_os_error());
        return ExitCode::FAILURE;
    }
    let key = key as u32 as usize;
    match if messages.is_empty() { client(key) } else { server(key, messages) } {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}
