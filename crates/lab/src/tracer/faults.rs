//! The signals that an instruction raises itself. The kernel makes one deadly whose signal is blocked.

use libc::c_int;

use super::memory::record;
use super::{Entry, Tid};

/// See the module.
const OWN: [c_int; 5] = [libc::SIGSEGV, libc::SIGBUS, libc::SIGFPE, libc::SIGILL, libc::SIGTRAP];

/// All signals but those, as a mask.
pub fn others() -> u64 {
    !OWN.into_iter().fold(0, |all, signal| all | bit(signal))
}

/// The bit of a signal in a mask.
pub fn bit(signal: c_int) -> u64 {
    1 << (signal - 1)
}

/// Does a thread block SIGSEGV after rt_sigprocmask(2), which has succeeded? `before`: did it until then?
pub fn blocked_after(tid: Tid, entry: &Entry, before: bool) -> bool {
    let set: Option<u64> = record(tid, entry.args[1]).filter(|_| entry.args[1] != 0);
    let names = set.map(|set| set & bit(libc::SIGSEGV) != 0);
    match (entry.args[0] as c_int, names) {
        (libc::SIG_BLOCK, Some(true)) => true,
        (libc::SIG_UNBLOCK, Some(true)) => false,
        (libc::SIG_SETMASK, Some(blocks)) => blocks,
        _ => before,
    }
}

/// A mask that blocks SIGSEGV, without it. `None`: it does not, or the mask is not known (all ones).
pub fn opened(mask: u64) -> Option<u64> {
    (mask != u64::MAX && mask & bit(libc::SIGSEGV) != 0).then_some(mask & !bit(libc::SIGSEGV))
}
