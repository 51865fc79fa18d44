//! The terminal: its width, lines that fit it, STEP and its Enter, and what is written to standard error.

use std::borrow::Cow;
use std::fs::OpenOptions;
use std::io::{IsTerminal, Read, Write};
use std::mem;
use std::os::fd::AsFd;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use colored::Colorize;
use nix::errno::Errno;

use super::failure::Result;
use super::stop;

/// The terminal's width, or `COLUMNS`, or no limit: in a pipe a call is one line.
pub fn columns() -> usize {
    static COLUMNS: OnceLock<usize> = OnceLock::new();
    *COLUMNS.get_or_init(|| {
        let mut size = libc::winsize { ws_row: 0, ws_col: 0, ws_xpixel: 0, ws_ypixel: 0 };
        // SAFETY: TIOCGWINSZ writes one winsize through the pointer, or nothing.
        unsafe { libc::ioctl(libc::STDOUT_FILENO, libc::TIOCGWINSZ, &mut size) };
        let set = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse::<usize>().ok());
        let terminal = (size.ws_col > 0).then_some(size.ws_col.into());
        terminal.or(set).map_or(usize::MAX, |columns| columns.max(40))
    })
}

/// Breaks `text` at spaces so that no row is wider than `width`; later rows are indented. The last row
/// by itself: mostly there is no other, and nothing to copy.
pub fn wrap(text: &str, width: usize, indent: usize) -> (Vec<String>, Cow<'_, str>) {
    if text.len() <= width {
        return (vec![], text.trim_start_matches(' ').into());
    }
    let mut rows = vec![];
    let mut row = String::new();
    for word in text.split(' ') {
        let used = row.chars().count();
        if used > indent && used + 1 + word.chars().count() > width {
            rows.push(mem::replace(&mut row, " ".repeat(indent) + word));
        } else {
            row = if row.is_empty() { word.into() } else { format!("{row} {word}") };
        }
    }
    (rows, row.into())
}

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

/// One line on standard error: the program, and what is wrong.
pub fn complain(text: &str) {
    let program = std::env::args().next().unwrap_or_default();
    let program = program.rsplit('/').next().unwrap_or_default();
    // Nobody is left to be told when this fails too.
    let _ = write_all(&std::io::stderr(), &format!("{program}: {text}\n"));
}

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
