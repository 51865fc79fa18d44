//! No wrapper of the libc: each call goes through libc::syscall, with the kernel's own shmid64_ds for IPC_STAT. A closure
//! gets the memory for as long as it is attached, so that no address is left when it is not.
use std::io::{Error, Write};
use std::process::ExitCode;

const SIZE: usize = 4096;

/// What the kernel writes for IPC_STAT on x86-64: only the one field is used.
#[repr(C)]
#[derive(Default)]
struct Record {
    perm: [u64; 6],
    size: u64,
    times: [u64; 3],
    pids: [i32; 2],
    attachments: u64,
    unused: [u64; 2],
}

macro_rules! call {
    ($name:ident $(, $argument:expr)*) => {
        // SAFETY: the pointers among the arguments are to memory of ours that lives as long as the call.
        match unsafe { libc::syscall(libc::$name $(, $argument)*) } {
            -1 => Err(format!("{}: {}", stringify!($name), Error::last_os_error())),
            result => Ok(result),
        }
    };
}

fn attached<T>(id: i64, work: impl FnOnce(*mut u8) -> T) -> Result<T, String> {
    let at = call!(SYS_shmat, id, 0usize, 0usize)?;
    let result = work(at as *mut u8);
    call!(SYS_shmdt, at)?;
    Ok(result)
}

fn one(id: i64, message: &[u8]) -> Result<(), String> {
    attached(id, |at| {
        // SAFETY: it is attached, and the message and its length fit.
        unsafe {
            at.cast::<u16>().write_volatile(message.len() as u16);
            at.add(2).copy_from_nonoverlapping(message.as_ptr(), message.len());
        }
    })?;
    let mut record = Record::default();
    call!(SYS_shmctl, id, libc::IPC_STAT as usize, &raw mut record)?;
    let text = attached(id, |at| {
        // SAFETY: it is attached, and the length is the one of a message that fits.
        unsafe {
            let mut text = vec![0; usize::from(at.cast::<u16>().read_volatile())];
            at.add(2).copy_to_nonoverlapping(text.as_mut_ptr(), text.len());
            text
        }
    })?;
    let mut out = std::io::stdout();
    writeln!(out, "nattch {}", record.attachments)
        .and_then(|()| out.write_all(&[&text[..], b"\n"].concat()))
        .map_err(|why| format!("standard output: {why}"))
}

fn all(messages: &[String]) -> Result<(), String> {
    let stops = 1u64 << (libc::SIGINT - 1) | 1 << (libc::SIGTERM - 1);
    call!(SYS_rt_sigprocmask, libc::SIG_BLOCK as usize, &raw const stops, 0usize, 8usize)?;
    let flags = (libc::IPC_CREAT | 0o600) as usize;
    let id = call!(SYS_shmget, libc::IPC_PRIVATE as usize, SIZE, flags)?;
    let done = messages.iter().try_for_each(|message| one(id, message.as_bytes()));
    let removed = call!(SYS_shmctl, id, libc::IPC_RMID as usize, 0usize);
    done.and(removed.map(drop))
}

fn main() -> ExitCode {
    let messages: Vec<String> = std::env::args().skip(1).collect();
    if messages.is_empty() {
        eprintln!("usage: exercise MESSAGE...");
        return ExitCode::from(2);
    }
    if let Some(long) = messages.iter().find(|message| message.len() > SIZE - 2) {
        eprintln!("a message of {} bytes is too long", long.len());
        return ExitCode::FAILURE;
    }
    match all(&messages) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}
