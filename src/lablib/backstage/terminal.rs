//! The terminal: STEP's Enter, and what is written to standard error.

use std::fs::OpenOptions;
use std::io::{IsTerminal, Read, Write};
use std::os::fd::{AsFd, AsRawFd};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use colored::Colorize;
use screen::out::complain;

use super::failure::Result;
use super::stop;

/// Waits for Enter at the terminal, which need not be standard input. The caller has the turn.
pub fn prompt(what: &str) -> Result<()> {
    static TOLD: AtomicBool = AtomicBool::new(false);
    stop::check()?;
    let Ok(mut tty) = OpenOptions::new().read(true).write(true).open("/dev/tty") else {
        // A terminal that was closed has sent SIGHUP.
        stop::check()?;
        if !TOLD.swap(true, Relaxed) {
            complain("STEP is set, but there is no terminal to press Enter at; going on");
        }
        return Ok(());
    };
    // A prompt that cannot be written, or an answer that cannot be read, changes nothing.
    let prompt = screen::prompt(what, tty.as_raw_fd());
    let _ = write!(tty, "{}", prompt.bold());
    stop::wait_readable(tty.as_fd(), None)?;
    let typed = tty.read(&mut [0; 256]).unwrap_or(0);
    if typed == 0 || !std::io::stdout().is_terminal() {
        let _ = writeln!(tty);
    }
    Ok(())
}
