//! STEP: a lab that waits for Enter, at each step or at each call.

use std::fs::OpenOptions;
use std::io::{IsTerminal, Read, Write};
use std::os::fd::AsFd;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use colored::Colorize;

use super::failure::Result;
use super::stop;
use super::terminal::complain;

/// `STEP=1` stops at each step, `STEP=call` before each call, too.
pub fn stepping() -> Option<&'static str> {
    static STEP: OnceLock<Option<&'static str>> = OnceLock::new();
    *STEP.get_or_init(|| match std::env::var("STEP").as_deref() {
        Err(_) | Ok("" | "0") => None,
        Ok("call") => Some("call"),
        Ok(_) => Some("step"),
    })
}

/// Waits for Enter at the terminal, which need not be standard input. The caller has the turn.
pub fn prompt(what: &str) -> Result<()> {
    static TOLD: AtomicBool = AtomicBool::new(false);
    let Ok(mut tty) = OpenOptions::new().read(true).write(true).open("/dev/tty") else {
        if !TOLD.swap(true, Relaxed) {
            complain("STEP is set, but there is no terminal to press Enter at; going on");
        }
        return Ok(());
    };
    // A prompt that cannot be written, or an answer that cannot be read, changes nothing.
    let _ = write!(tty, "{}", format!("  [{what}] ").dimmed());
    stop::wait_readable(tty.as_fd(), None)?;
    let typed = tty.read(&mut [0; 256]).unwrap_or(0);
    if typed == 0 || !std::io::stdout().is_terminal() {
        let _ = writeln!(tty);
    }
    Ok(())
}
