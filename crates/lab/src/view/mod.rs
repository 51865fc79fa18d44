//! Views: what is made of the events.

use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::os::fd::{AsRawFd, FromRawFd};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use say::tell;
use screen::words::comma;

use crate::event::Event;

pub mod bytes;
pub mod json;
pub mod rows;
pub mod text;

/// Makes something of events.
pub trait View {
    /// Adds what one event looks like.
    fn show(&mut self, event: &Event, out: &mut Vec<u8>);
}

/// Where a view is written: lines are gathered, and written whole.
pub struct Out {
    file: File,
    lines: Vec<u8>,
    /// Device and inode, if it is no ordinary file: then a program may write to it, too.
    shared: Option<(u64, u64)>,
    /// Why nothing can be written any more.
    lost: Option<io::Error>,
}

/// So many bytes are written at once, whatever happens.
const ENOUGH: usize = 1 << 16;

impl Out {
    /// To a file, to standard output (`-`), or to standard error.
    pub fn to(path: Option<&Path>) -> io::Result<Out> {
        let file = match path {
            None => duplicate(2)?,
            Some(path) if path == Path::new("-") => duplicate(1)?,
            Some(path) => File::create(path)?,
        };
        let found = file.metadata()?;
        let shared = (!found.is_file()).then(|| (found.dev(), found.ino()));
        Ok(Out { file, lines: vec![], shared, lost: None })
    }

    /// Does a process write to the same place with its descriptor `fd`?
    pub fn is_shared_with(&self, pid: i32, fd: i32) -> bool {
        self.shared.is_some_and(|here| {
            let there = std::fs::metadata(format!("/proc/{pid}/fd/{fd}"));
            there.is_ok_and(|there| (there.dev(), there.ino()) == here)
        })
    }

    /// Is it a terminal, with a width and colours?
    pub fn is_terminal(&self) -> bool {
        self.file.is_terminal()
    }

    /// The terminal's width, or `COLUMNS`, or none: in a file an event is one line.
    pub fn columns(&self) -> Option<usize> {
        columns_of(self.file.as_raw_fd())
    }

    /// The lines that are not written yet, for a view to add to.
    pub fn lines(&mut self) -> &mut Vec<u8> {
        if self.lines.len() > ENOUGH {
            self.flush();
        }
        &mut self.lines
    }

    /// Writes what there is. True if there was something.
    pub fn flush(&mut self) -> bool {
        if self.lines.is_empty() {
            return false;
        }
        if self.lost.is_none() {
            self.lost = self.file.write_all(&self.lines).err();
        }
        self.lines.clear();
        true
    }

    /// Why nothing can be written any more, if so.
    pub fn lost(&self) -> Option<&io::Error> {
        self.lost.as_ref()
    }
}

/// One line on standard error, in as many rows as it takes at a terminal.
pub fn complain(text: &str) {
    complain_as("lab", text);
}

/// The same of a part of `lab`.
pub fn complain_as(who: &str, text: &str) {
    let columns = columns_of(libc::STDERR_FILENO).unwrap_or(usize::MAX);
    let rows = text::wrap(&format!("{who}: {text}"), columns, 8).join("\n");
    // If this fails, there is no place left for a message.
    let _ = io::stderr().write_all(format!("{rows}\n").as_bytes());
}

/// A sentence is at most so wide.
pub const PAGE: usize = 80;

/// What stands before the accesses that race.
pub const NOTHING_ORDERS: &str = "Nothing orders these accesses; that alone is no finding:";

/// The bytes that are taken for synchronisation.
pub fn orders_others(places: &[String]) -> String {
    let places = places.join(comma());
    tell!("Taken to order others, for locked instructions, or waits for them to change: {places}")
}

/// A sentence for standard output in rows of at most 80 columns; later rows are indented.
pub fn paragraph(text: &str, indent: usize) -> String {
    let width = columns_of(libc::STDOUT_FILENO).unwrap_or(PAGE).min(PAGE);
    text::wrap(text, width, indent).join("\n") + "\n"
}

/// A terminal's width, or `COLUMNS`, or none.
pub fn columns_of(fd: i32) -> Option<usize> {
    let mut size = libc::winsize { ws_row: 0, ws_col: 0, ws_xpixel: 0, ws_ypixel: 0 };
    // SAFETY: TIOCGWINSZ writes one winsize through the pointer, or nothing.
    unsafe { libc::ioctl(fd, libc::TIOCGWINSZ, &mut size) };
    let set = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
    let terminal = (size.ws_col > 0).then_some(size.ws_col.into());
    terminal.or(set).map(|columns: usize| columns.max(40))
}

fn duplicate(fd: i32) -> io::Result<File> {
    // SAFETY: it takes numbers, and returns a new descriptor that has no other owner.
    unsafe {
        match libc::fcntl(fd, libc::F_DUPFD_CLOEXEC, 3) {
            -1 => Err(io::Error::last_os_error()),
            new => Ok(File::from_raw_fd(new)),
        }
    }
}
