//! Numbers to strace's spelling, of calls on files.

use libc::c_int;

use super::names::{Bits, Names, flags};

/// `flock`'s operations.
pub const LOCK: Bits = Bits(
    &[
        (libc::LOCK_SH as u64, "LOCK_SH"),
        (libc::LOCK_EX as u64, "LOCK_EX"),
        (libc::LOCK_UN as u64, "LOCK_UN"),
        (libc::LOCK_NB as u64, "LOCK_NB"),
    ],
    "LOCK_???",
);
/// `access`'s modes.
pub const ACCESS: Bits = Bits(
    &[(libc::R_OK as u64, "R_OK"), (libc::W_OK as u64, "W_OK"), (libc::X_OK as u64, "X_OK")],
    "?_OK",
);
/// `lseek`'s places.
pub const WHENCE: Names = &[(0, "SEEK_SET"), (1, "SEEK_CUR"), (2, "SEEK_END")];
/// `fcntl`'s commands that the labs and locks use. <fcntl.h>
pub const FILE_COMMANDS: Names = &[
    (libc::F_DUPFD as i64, "F_DUPFD"),
    (libc::F_GETFD as i64, "F_GETFD"),
    (libc::F_SETFD as i64, "F_SETFD"),
    (libc::F_GETFL as i64, "F_GETFL"),
    (libc::F_SETFL as i64, "F_SETFL"),
    (libc::F_GETLK as i64, "F_GETLK"),
    (libc::F_SETLK as i64, "F_SETLK"),
    (libc::F_SETLKW as i64, "F_SETLKW"),
    (libc::F_OFD_GETLK as i64, "F_OFD_GETLK"),
    (libc::F_OFD_SETLK as i64, "F_OFD_SETLK"),
    (libc::F_OFD_SETLKW as i64, "F_OFD_SETLKW"),
    (libc::F_DUPFD_CLOEXEC as i64, "F_DUPFD_CLOEXEC"),
];
/// `open`'s flags beside the access mode, in strace's order.
const OPEN: Bits = Bits(
    &[
        (libc::O_CREAT as u64, "O_CREAT"),
        (libc::O_EXCL as u64, "O_EXCL"),
        (libc::O_NOCTTY as u64, "O_NOCTTY"),
        (libc::O_TRUNC as u64, "O_TRUNC"),
        (libc::O_APPEND as u64, "O_APPEND"),
        (libc::O_NONBLOCK as u64, "O_NONBLOCK"),
        (libc::O_DIRECTORY as u64, "O_DIRECTORY"),
        (libc::O_NOFOLLOW as u64, "O_NOFOLLOW"),
        (libc::O_PATH as u64, "O_PATH"),
        (libc::O_CLOEXEC as u64, "O_CLOEXEC"),
    ],
    "O_???",
);

/// `O_RDWR|O_CREAT|O_EXCL`
pub fn open_flags(value: c_int) -> String {
    let mode = match value & libc::O_ACCMODE {
        libc::O_RDONLY => "O_RDONLY",
        libc::O_WRONLY => "O_WRONLY",
        _ => "O_RDWR",
    };
    let rest = value & !libc::O_ACCMODE;
    if rest == 0 { mode.into() } else { format!("{mode}|{}", flags(rest as u64, &OPEN)) }
}
