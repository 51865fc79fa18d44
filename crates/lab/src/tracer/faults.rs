//! The signals that an instruction raises itself. The kernel makes one deadly whose signal is blocked.

use libc::c_int;

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
