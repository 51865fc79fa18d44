//! A child that touches memory on purpose, to see what becomes of it: sections 4.4 to 4.6.

use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicI32, Ordering::Relaxed};
use std::{mem, ptr};

use lablib::child::{child, pipe};
use lablib::print::{note, text};
use lablib::shm::Addr;
use lablib::{Failure, Result, looked, say};
use libc::{c_int, c_void};
use nix::errno::Errno;
use nix::sys::wait::WaitStatus;
use nix::unistd;
use sysv::{process, spell};

/// What a child is to do with one byte: load it, store to it, or call it as a function.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs)]
pub enum Touch {
    Read,
    Write,
    Call,
}

/// A function that returns 42, in the machine's own words: the only one that [`Touch::Call`] calls.
#[cfg(target_arch = "x86_64")]
pub const CODE: &[u8] = b"\xb8\x2a\0\0\0\xc3"; // mov eax, 42; ret
/// See above.
#[cfg(target_arch = "aarch64")]
pub const CODE: &[u8] = b"\x40\x05\x80\x52\xc0\x03\x5f\xd6"; // mov w0, #42; ret

/// How a child fared that touched memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fate {
    /// It lived; what it loaded, stored, or was returned.
    Lived(u8),
    /// The kernel killed it: signal, `si_code`, `si_addr`.
    Killed(c_int, c_int, usize),
}

/// SIGSEGV's `si_code`s: nothing is mapped there; what is mapped forbids it. siginfo(2)
pub const SEGV_MAPERR: c_int = 1;
/// See [`SEGV_MAPERR`].
pub const SEGV_ACCERR: c_int = 2;

/// What a child exits with that could not report: this and errno.
const FAILED: c_int = 100;
static REPORT: AtomicI32 = AtomicI32::new(-1);

extern "C" fn report(signal: c_int, info: *mut libc::siginfo_t, _context: *mut c_void) {
    // SAFETY: the kernel passes a valid siginfo; write and signal are async-signal-safe.
    unsafe {
        let fault = [signal as usize, (*info).si_code as usize, (*info).si_addr() as usize];
        let (to, size) = (REPORT.load(Relaxed), mem::size_of_val(&fault));
        while libc::write(to, fault.as_ptr().cast(), size) < 0 {
            if *libc::__errno_location() != libc::EINTR {
                libc::_exit(FAILED + *libc::__errno_location());
            }
        }
        libc::signal(signal, libc::SIG_DFL);
    }
}

/// Lets a child touch the byte at `addr`, and says what became of it. Fails where something else
/// than a segment is mapped: what Rust has there must not change, not even in a child.
pub fn touch_in_child(addr: Addr, touch: Touch) -> Result<Fate> {
    let (from, to) = pipe()?;
    let addr = addr as usize;
    let there = |one: &process::Mapping| (one.start..one.end).contains(&addr);
    let mappings = process::mappings("self");
    looked()?;
    if mappings.iter().any(|one| there(one) && one.shmid().is_none()) {
        return Err(Failure::because(say!("at {addr:#x} is something else than a segment")));
    }
    let child = child("child", || {
        REPORT.store(to.as_raw_fd(), Relaxed);
        text(match touch {
            Touch::Read => say!("Read the byte at {addr:#x}"),
            Touch::Write => say!("Write the byte at {addr:#x}"),
            Touch::Call => say!("Call the byte at {addr:#x}"),
        });
        // SAFETY: the access is the experiment: nothing is there, or a segment, which may change at any
        // time; if it is not allowed, the process dies of it, and of nothing worse. What is called is
        // CODE. The handler is async-signal-safe.
        let value = unsafe {
            let mut action: libc::sigaction = mem::zeroed();
            (action.sa_sigaction, action.sa_flags) =
                (report as *const () as usize, libc::SA_SIGINFO);
            let set = libc::sigaction(libc::SIGSEGV, &action, ptr::null_mut());
            Errno::result(set).map_err(Failure::of("sigaction(SIGSEGV)"))?;
            match touch {
                Touch::Read => ptr::read_volatile(addr as *const u8),
                Touch::Write => {
                    ptr::write_volatile(addr as *mut u8, 1);
                    1
                }
                Touch::Call => {
                    let byte = |i| ptr::read_volatile((addr as *const u8).wrapping_add(i));
                    assert!((0..CODE.len()).all(|i| byte(i) == CODE[i]), "other code");
                    mem::transmute::<usize, extern "C" fn() -> c_int>(addr)() as u8
                }
            }
        };
        loop {
            match unistd::write(&to, &[value]) {
                Err(Errno::EINTR) => {}
                written => return written.map(drop).map_err(Failure::of("write")),
            }
        }
    })?;
    drop(to);
    let ended = child.wait()?;
    let mut bytes = [0; 24];
    let got = unistd::read(&from, &mut bytes).map_err(Failure::of("read"))?;
    let word = |i: usize| bytes[8 * i..][..8].try_into().map_or(0, usize::from_ne_bytes);
    match (got, ended) {
        (1, WaitStatus::Exited(_, 0)) => Ok(Fate::Lived(bytes[0])),
        (24, WaitStatus::Signaled(_, by, _)) if by as usize == word(0) => {
            let (signal, code, at) = (word(0) as c_int, word(1) as c_int, word(2));
            let why = if code == SEGV_MAPERR { "SEGV_MAPERR" } else { "SEGV_ACCERR" };
            note(say!("{} at {at:#x}, {why}", spell::signal(signal)));
            Ok(Fate::Killed(signal, code, at))
        }
        (_, WaitStatus::Exited(_, code)) if code > FAILED => {
            Err(Failure::Call("write, in the child,".into(), Errno::from_raw(code - FAILED)))
        }
        (_, WaitStatus::Exited(_, code)) if code > 0 => Err(Failure::Told(code as u8)),
        (_, WaitStatus::Signaled(_, by, _)) => Err(Failure::killed("child", by as c_int)),
        _ => Err(Failure::because("the child that touched memory ended without a word")),
    }
}
