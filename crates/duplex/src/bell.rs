//! Where one side sleeps, in shared memory, and the calls that are made there.

use std::cell::UnsafeCell;
use std::mem;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::Duration;

use libc::{pthread_cond_t, pthread_mutex_t, sem_t, timespec};

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
    let mut now = timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the call fills one timespec.
    unsafe { libc::clock_gettime(libc::CLOCK_REALTIME, &mut now) };
    let nanoseconds = now.tv_nsec + i64::from(limit.subsec_nanos());
    now.tv_sec += limit.as_secs() as i64 + nanoseconds / 1_000_000_000;
    timespec { tv_nsec: nanoseconds % 1_000_000_000, ..now }
}

/// Sleeps if `word` is `value`, until another thread wakes it, for at most `limit`: futex(2). It
/// works between processes: the kernel knows the word by its page, not by its address.
pub fn futex_wait(word: &AtomicU32, value: u32, limit: Duration) {
    let limit = timespec { tv_sec: limit.as_secs() as i64, tv_nsec: limit.subsec_nanos().into() };
    // SAFETY: the kernel reads an aligned word that outlives the call, and one timespec. EAGAIN,
    // EINTR and ETIMEDOUT all mean: look again.
    unsafe { libc::syscall(libc::SYS_futex, word, libc::FUTEX_WAIT, value, &limit) };
}

/// Wakes one thread that sleeps on `word`.
pub fn futex_wake(word: &AtomicU32) {
    // SAFETY: the kernel takes the address as a name, and reads nothing.
    unsafe { libc::syscall(libc::SYS_futex, word, libc::FUTEX_WAKE, 1) };
}
