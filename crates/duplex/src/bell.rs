//! Where one side sleeps, in shared memory, and the calls that are made there.

use std::cell::{Cell, UnsafeCell};
use std::mem;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::Duration;

use libc::{c_long, pthread_cond_t, pthread_mutex_t, sem_t, timespec};
use nix::errno::Errno;
use nix::sys::time::TimeSpec;
use nix::time::{ClockId, clock_gettime};

/// Time between two looks at what rings no bell: signals, a death, the end of the patience.
pub const LOOK: Duration = Duration::from_millis(100);

/// Where one side sleeps, in shared memory: two cache lines.
#[repr(C, align(64))]
pub struct Bell {
    /// 1 while the waiter sleeps, or is about to: the futex word, and a hint for every other way.
    pub(crate) asleep: AtomicU32,
    pub(crate) semaphore: UnsafeCell<sem_t>,
    pub(crate) mutex: UnsafeCell<pthread_mutex_t>,
    pub(crate) condition: UnsafeCell<pthread_cond_t>,
}

const _: () = assert!(size_of::<Bell>() == 128);

// SAFETY: the word is an atomic, and the rest is only touched by the calls made for sharing it.
unsafe impl Sync for Bell {}

impl Bell {
    /// Makes a bell usable by two processes. Call it before another process uses the bell.
    pub(crate) fn init(&self) {
        // SAFETY: the memory is zeroed or stale and no process uses it yet; each object is
        // initialised once, in place, for sharing between processes, and never moved.
        unsafe {
            self.asleep.store(0, Relaxed);
            libc::sem_init(self.semaphore.get(), 1, 0);
            let mut attributes: libc::pthread_mutexattr_t = mem::zeroed();
            libc::pthread_mutexattr_init(&mut attributes);
            libc::pthread_mutexattr_setpshared(&mut attributes, libc::PTHREAD_PROCESS_SHARED);
            libc::pthread_mutexattr_setrobust(&mut attributes, libc::PTHREAD_MUTEX_ROBUST);
            libc::pthread_mutex_init(self.mutex.get(), &attributes);
            let mut attributes: libc::pthread_condattr_t = mem::zeroed();
            libc::pthread_condattr_init(&mut attributes);
            libc::pthread_condattr_setpshared(&mut attributes, libc::PTHREAD_PROCESS_SHARED);
            libc::pthread_cond_init(self.condition.get(), &attributes);
        }
    }

    /// Takes the mutex, for at most [`LOOK`], also from a dead holder; false if another keeps it.
    pub(crate) fn lock(&self) -> bool {
        // SAFETY: the mutex was initialised by `init`; it guards a word that is valid at any time.
        unsafe {
            let answer = libc::pthread_mutex_timedlock(self.mutex.get(), &deadline(LOOK));
            answer == 0
                || answer == libc::EOWNERDEAD
                    && libc::pthread_mutex_consistent(self.mutex.get()) == 0
        }
    }

    pub(crate) fn unlock(&self) {
        // SAFETY: `lock` has just answered true in this thread.
        unsafe { libc::pthread_mutex_unlock(self.mutex.get()) };
    }
}

/// `limit` from now, as the timed calls of POSIX want it.
pub(crate) fn deadline(limit: Duration) -> timespec {
    // This clock is there on every machine.
    let now = clock_gettime(ClockId::CLOCK_REALTIME).unwrap_or(TimeSpec::new(0, 0));
    *(now + TimeSpec::from_duration(limit)).as_ref()
}

/// A futex call, to be made.
pub type Call<'a> = &'a dyn Fn() -> nix::Result<c_long>;
/// A function that prints or counts the futex calls of a thread. Its arguments are the spelling of
/// the call, whether it may sleep, and the call, which it makes.
pub type Observer = fn(&dyn Fn() -> String, bool, Call) -> nix::Result<c_long>;

thread_local! {
    /// The observer of this thread, if it has one.
    pub static OBSERVER: Cell<Option<Observer>> = const { Cell::new(None) };
}

/// Sleeps if `word` is `value`, until another thread wakes it, for at most `limit`: futex(2). It
/// works between processes: the kernel knows the word by its page, not by its address. EAGAIN (the
/// word is another), EINTR and ETIMEDOUT all mean: look again.
pub fn futex_wait(word: &AtomicU32, value: u32, limit: Duration) -> nix::Result<c_long> {
    let limit = TimeSpec::from_duration(limit);
    let line = || {
        let limit = format!("{{tv_sec={}, tv_nsec={}}}", limit.tv_sec(), limit.tv_nsec());
        format!("futex({word:p}, FUTEX_WAIT, {value}, {limit})")
    };
    let call = || {
        // SAFETY: the kernel reads an aligned word that outlives the call, and one timespec.
        Errno::result(unsafe {
            libc::syscall(libc::SYS_futex, word, libc::FUTEX_WAIT, value, limit.as_ref())
        })
    };
    OBSERVER.get().map_or_else(call, |observer| observer(&line, true, &call))
}

/// Wakes one thread that sleeps on `word`, and returns how many it has woken.
pub fn futex_wake(word: &AtomicU32) -> nix::Result<c_long> {
    let line = || format!("futex({word:p}, FUTEX_WAKE, 1)");
    // SAFETY: the kernel takes the address as a name, and reads nothing.
    let wake = || unsafe { libc::syscall(libc::SYS_futex, word, libc::FUTEX_WAKE, 1) };
    let call = || Errno::result(wake());
    OBSERVER.get().map_or_else(call, |observer| observer(&line, false, &call))
}
