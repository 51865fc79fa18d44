//! The lock under which calls are made and lines are printed, and what is written to standard output.
//!
//! Every printed line of every process takes it, so that the line of a cause stands before the line of
//! its effect. It is a robust mutex in memory shared across `fork`: it dies with its holder.

use std::sync::atomic::{AtomicBool, AtomicPtr, Ordering::Relaxed};
use std::{mem, ptr};

use libc::pthread_mutex_t;
use nix::errno::Errno;
use screen::pages::{Pages, stepping};
use sysv::spell;

use super::stop;
use super::terminal::{complain, write_all};

static TURN: AtomicPtr<Shared> = AtomicPtr::new(ptr::null_mut());
static LOST: AtomicBool = AtomicBool::new(false);

/// What the processes of a lab share.
#[repr(C)]
struct Shared {
    mutex: pthread_mutex_t,
    pages: Pages,
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
    let access = libc::PROT_READ | libc::PROT_WRITE;
    let kind = libc::MAP_SHARED | libc::MAP_ANONYMOUS;
    // SAFETY: a fresh page has room for it, stays mapped, and is not used before the mutex is initialised.
    unsafe {
        let size = mem::size_of::<Shared>();
        let page = libc::mmap(ptr::null_mut(), size, access, kind, -1, 0);
        let mut attributes: libc::pthread_mutexattr_t = mem::zeroed();
        libc::pthread_mutexattr_init(&mut attributes);
        libc::pthread_mutexattr_setpshared(&mut attributes, libc::PTHREAD_PROCESS_SHARED);
        libc::pthread_mutexattr_setrobust(&mut attributes, libc::PTHREAD_MUTEX_ROBUST);
        libc::pthread_mutexattr_settype(&mut attributes, libc::PTHREAD_MUTEX_ERRORCHECK);
        if page != libc::MAP_FAILED && libc::pthread_mutex_init(page.cast(), &attributes) == 0 {
            TURN.store(page.cast(), Relaxed);
        }
    }
}

/// What the processes share of their screen; `None` in a program that is no lab.
pub fn pages() -> Option<&'static Pages> {
    let shared = TURN.load(Relaxed);
    // SAFETY: `share_turn` mapped it, zeroed, for ever; it is atomics, of which any bytes are a value.
    (!shared.is_null()).then(|| unsafe { &(*shared).pages })
}

/// Takes the lock. A thread that has it already goes on; so does, after a second, one that waits for a
/// stopped holder: a line out of order is better than a hang.
pub fn turn() -> Turn {
    let mutex: *mut pthread_mutex_t = TURN.load(Relaxed).cast();
    if mutex.is_null() {
        return Turn(false);
    }
    let mut limit = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the mutex was initialised by share_turn and is never unmapped; the clock is the one
    // by which pthread_mutex_timedlock measures. A dead holder's lock guards no data to repair.
    unsafe {
        let mut answer = libc::pthread_mutex_trylock(mutex);
        if answer == libc::EBUSY {
            libc::clock_gettime(libc::CLOCK_REALTIME, &mut limit);
            limit.tv_sec += if stepping().is_some() { 86_400 } else { 1 };
            answer = libc::pthread_mutex_timedlock(mutex, &limit);
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
            complain(&format!("standard output: {}", spell::errno(errno)));
        }
    }
}

/// Was anything printed that could not be written (a full disk, not a closed pipe)?
pub fn lost_output() -> bool {
    LOST.load(Relaxed)
}
