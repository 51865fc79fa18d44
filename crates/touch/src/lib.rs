//! A child that touches memory on purpose, to see what becomes of it: sections 4.4 to 4.6.

use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicI32, Ordering::Relaxed};
use std::{mem, ptr};

use lablib::child::{child, pipe};
use lablib::print::{note, text};
use lablib::shm::Addr;
use lablib::{Failure, Result};
use libc::{c_int, c_void};
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

static REPORT: AtomicI32 = AtomicI32::new(-1);

extern "C" fn report(signal: c_int, info: *mut libc::siginfo_t, _context: *mut c_void) {
    // SAFETY: the kernel passes a valid siginfo; write and signal are async-signal-safe.
    unsafe {
        let fault = [signal as usize, (*info).si_code as usize, (*info).si_addr() as usize];
        libc::write(REPORT.load(Relaxed), fault.as_ptr().cast(), mem::size_of_val(&fault));
        libc::signal(signal, libc::SIG_DFL);
    }
}

/// Lets a child touch the byte at `addr`, and says what became of it. Fails where something else
/// than a segment is mapped: what Rust has there must not change, not even in a child.
pub fn touch_in_child(addr: Addr, touch: Touch) -> Result<Fate> {
    let (from, to) = pipe()?;
    let addr = addr as usize;
    let there = |one: &process::Mapping| (one.start..one.end).contains(&addr);
    if process::mappings("self").iter().any(|one| there(one) && one.shmid().is_none()) {
        return Err(Failure::because(format!("at {addr:#x} is something else than a segment")));
    }
    let child = child("child", || {
        REPORT.store(to.as_raw_fd(), Relaxed);
        text(&format!("{touch:?} the byte at {addr:#x}"));
        // SAFETY: the access is the experiment: nothing is there, or a segment, which may change at any
        // time; if it is not allowed, the process dies of it, and of nothing worse. What is called is
        // CODE. The handler is async-signal-safe.
        let value = unsafe {
            let mut action: libc::sigaction = mem::zeroed();
            (action.sa_sigaction, action.sa_flags) =
                (report as *const () as usize, libc::SA_SIGINFO);
            libc::sigaction(libc::SIGSEGV, &action, ptr::null_mut());
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
        unistd::write(&to, &[value]).map(drop).map_err(Failure::of("write"))
    })?;
    drop(to);
    child.wait()?;
    let mut bytes = [0; 24];
    match unistd::read(&from, &mut bytes).map_err(Failure::of("read"))? {
        1 => Ok(Fate::Lived(bytes[0])),
        24 => {
            let word = |i: usize| bytes[8 * i..][..8].try_into().map_or(0, usize::from_ne_bytes);
            let (signal, code, at) = (word(0) as c_int, word(1) as c_int, word(2));
            let why = if code == SEGV_MAPERR { "SEGV_MAPERR" } else { "SEGV_ACCERR" };
            note(&format!("{} at {at:#x}, {why}", spell::signal(signal)));
            Ok(Fate::Killed(signal, code, at))
        }
        _ => Err(Failure::because("the child that touched memory ended without a word")),
    }
}
