//! Memory that is shared, and words in it on which one can sleep.

use super::args::As::*;
use super::cells::*;
use super::notes::{self, say};

rows! {
    SYS_mmap mmap() {
        point: Point::Mapping,
        changes: Changes::Mapping,
    }
    SYS_munmap munmap() {
        point: Point::Passes,
        changes: Changes::Unmaps,
    }
    #[cfg(target_arch = "x86_64")]
    SYS_mremap mremap() {
        point: Point::Passes,
        changes: Changes::Moves,
    }
    SYS_mprotect mprotect() {
        point: Point::Passes,
        changes: Changes::Protects,
    }
    // Without a key, -1, it is the same.
    SYS_pkey_mprotect pkey_mprotect() {
        point: Point::Passes,
        changes: Changes::Protects,
    }
    SYS_futex futex(uaddr Pointer, futex_op FutexOp, val FutexValue, timeout FutexValue2, uaddr2 FutexPointer2, val3 FutexValue3) {
        shown: Shown::Futex,
        sleep: Sleep::Futex,
        limit: Some(TimeLimit { from: Since::Futex, error: libc::ETIMEDOUT, ..TimeLimit::new(3, Unit::Timespec) }),
        wakes: Wakes::Futex,
        touches: &[Touch::Futexes, Touch::Time],
        explain: notes::futex,
        asleep: Some(say("sleeps if the word has this value, until another thread wakes it", "4.10")),
    }
}
