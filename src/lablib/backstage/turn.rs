//! The lock under which calls are made and lines are printed, and what is written to standard output.
//!
//! Every printed line of every process takes it, so that the line of a cause stands before the line of
//! its effect. It is a robust mutex in memory shared across `fork`: it dies with its holder.

use std::num::NonZero;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU8, Ordering::Relaxed};
use std::{mem, ptr};

use libc::pthread_mutex_t;
use nix::errno::Errno;
use nix::sys::mman::{MapFlags, ProtFlags, mmap_anonymous};
use nix::sys::time::TimeSpec;
use nix::time::{ClockId, clock_gettime};
use screen::out::{complain, write_all};
use screen::pages::{Pages, stepping};
use sysv::spell;

use super::stop;

static TURN: AtomicPtr<Shared> = AtomicPtr::new(ptr::null_mut());
static LOST: AtomicBool = AtomicBool::new(false);
/// No line of this process, or of its children, waits for another process's: `lab explore` reads each apart.
pub static ALONE: AtomicBool = AtomicBool::new(false);

/// What the processes of a lab share.
#[repr(C)]
struct Shared {
    mutex: pthread_mutex_t,
    pages: Pages,
    failed: AtomicU8,
}

/// The turn to call and print; given back when dropped.
#[must_use]
pub struct Turn(bool);

impl Drop for Turn {
    fn drop(&mut self) {
        if self.0 {
            // SAFETY: `turn` locked this mutex in this thread, and it is never unmapped.
            unsafe { libc::pthread_mutex_unlock(TURN.load(Relaxed).cast()) };
        }
    }
}

/// Makes the lock. Before the first fork, so that children share it.
pub fn share_turn() {
    let access = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
    // SAFETY: a fresh page has room for it, stays mapped, and is not used before the mutex is initialised.
    unsafe {
        let size = NonZero::<usize>::MIN.saturating_add(mem::size_of::<Shared>());
        let Ok(page) = mmap_anonymous(None, size, access, MapFlags::MAP_SHARED) else { return };
        let mut attributes: libc::pthread_mutexattr_t = mem::zeroed();
        libc::pthread_mutexattr_init(&mut attributes);
        libc::pthread_mutexattr_setpshared(&mut attributes, libc::PTHREAD_PROCESS_SHARED);
        libc::pthread_mutexattr_setrobust(&mut attributes, libc::PTHREAD_MUTEX_ROBUST);
        libc::pthread_mutexattr_settype(&mut attributes, libc::PTHREAD_MUTEX_ERRORCHECK);
        if libc::pthread_mutex_init(page.as_ptr().cast(), &attributes) == 0 {
            TURN.store(page.as_ptr().cast(), Relaxed);
        }
    }
}

/// What the processes share of their screen; `None` in a program that is no lab.
pub fn pages() -> Option<&'static Pages> {
    let shared = TURN.load(Relaxed);
    // SAFETY: `share_turn` mapped it, zeroed, for ever; it is atomics, of which any bytes are a value.
    (!shared.is_null()).then(|| unsafe { &(*shared).pages })
}

/// This process fails; the answer is the code of the first one of the lab to fail, if there was one.
pub fn failed(code: u8) -> Option<u8> {
    // SAFETY: as in `pages`.
    let shared: &Shared = unsafe { TURN.load(Relaxed).cast_const().as_ref() }?;
    shared.failed.compare_exchange(0, code, Relaxed, Relaxed).err()
}

/// Takes the lock. A thread that has it already goes on; so does, after a second, one that waits for a
/// stopped holder: a line out of order is better than a hang.
pub fn turn() -> Turn {
    let mutex: *mut pthread_mutex_t = TURN.load(Relaxed).cast();
    if mutex.is_null() || ALONE.load(Relaxed) {
        return Turn(false);
    }
    // SAFETY: the mutex was initialised by share_turn and is never unmapped; the clock is the one
    // by which pthread_mutex_timedlock measures. A dead holder's lock guards no data to repair.
    unsafe {
        let mut answer = libc::pthread_mutex_trylock(mutex);
        if answer == libc::EBUSY {
            let seconds = if stepping().is_some() { 86_400 } else { 1 };
            let now = clock_gettime(ClockId::CLOCK_REALTIME).unwrap_or(TimeSpec::new(0, 0));
            answer =
                libc::pthread_mutex_timedlock(mutex, (now + TimeSpec::new(seconds, 0)).as_ref());
        }
        let died = answer == libc::EOWNERDEAD && libc::pthread_mutex_consistent(mutex) == 0;
        Turn(answer == 0 || died)
    }
}

/// Writes to standard output under the lock, whole, with one `write(2)`. A closed pipe asks the
/// lab to stop, as SIGPIPE would; any other error is told once, and counts in the exit code.
pub fn out(text: &str) {
    let _turn = turn();
    if LOST.load(Relaxed) {
        return;
    }
    match write_all(&std::io::stdout(), text) {
        Ok(()) => {}
        Err(Errno::EPIPE) => stop::stop(libc::SIGPIPE),
        Err(errno) => {
            LOST.store(true, Relaxed);
            complain(&say!("standard output: {}", spell::errno(errno)));
        }
    }
}

/// Was anything printed that could not be written (a full disk, not a closed pipe)?
pub fn lost_output() -> bool {
    LOST.load(Relaxed)
}
