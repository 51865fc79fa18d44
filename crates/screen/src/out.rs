//! What is written, whole, without a buffer.

use std::os::fd::AsFd;

use nix::errno::Errno;

use crate::words::translated;
use crate::{columns_of, wrap};

/// Writes the whole text, with one `write(2)` where that is possible.
pub fn write_all(to: &impl AsFd, text: &str) -> nix::Result<()> {
    let mut rest = text.as_bytes();
    while !rest.is_empty() {
        match nix::unistd::write(to, rest) {
            Ok(n) => rest = &rest[n..],
            Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(())
}

/// What a program says of itself on standard error, in as many rows as it takes there.
pub fn complain(text: &str) {
    let program = std::env::args().next().unwrap_or_default();
    let program = program.rsplit('/').next().unwrap_or_default();
    let rows =
        wrap(&format!("{program}: {}", translated(text)), columns_of(libc::STDERR_FILENO), 8);
    // Nobody is left to be told when this fails too.
    let _ = write_all(&std::io::stderr(), &(rows.join("\n") + "\n"));
}
