//! What is typed, and what is shown. No wait here outlives a signal that asks us to stop, or the other end: a terminal
//! that was stopped takes nothing, and one that is gone has nothing more to say. poll(2), read(2), write(2)

use std::io::{self, Write};
use std::time::{Duration, Instant};

use libc::{STDIN_FILENO, STDOUT_FILENO, c_int};
use nix::errno::Errno;

use crate::asked;

/// So often a wait ends to look whether a signal has come just before it began.
pub const LOOK: Duration = Duration::from_millis(100);

/// What came of a wait for input.
#[derive(Debug, PartialEq, Eq)]
pub enum Input {
    Bytes(Vec<u8>),
    /// Nothing was typed in that time.
    Nothing,
    /// Nothing will be: the other end is gone, or a signal asks us to stop.
    Over,
}

/// What is typed next, within so much time.
pub fn typed(most: Duration) -> Input {
    let until = Instant::now() + most;
    loop {
        if asked::to_stop().is_some() {
            return Input::Over;
        }
        let left = until.saturating_duration_since(Instant::now());
        match is_ready(STDIN_FILENO, libc::POLLIN, left.min(LOOK)) {
            true => return read(),
            false if left.is_zero() => return Input::Nothing,
            false => {}
        }
    }
}

/// What is there. A terminal whose other end is gone reads as nothing, or as EIO: both are the end, however ready
/// poll(2) has called it.
fn read() -> Input {
    let mut bytes = vec![0; 4096];
    let _looks = asked::ticks(LOOK);
    // SAFETY: read writes at most so many bytes.
    let got = unsafe { libc::read(STDIN_FILENO, bytes.as_mut_ptr().cast(), bytes.len()) };
    match Errno::result(got) {
        Ok(n @ 1..) => {
            bytes.truncate(n as usize);
            Input::Bytes(bytes)
        }
        Err(Errno::EINTR | Errno::EAGAIN) => Input::Nothing,
        Ok(_) | Err(_) => Input::Over,
    }
}

/// Can it be read or written, or is it gone? Waits so long, or until a signal comes.
fn is_ready(fd: c_int, events: i16, most: Duration) -> bool {
    let mut one = libc::pollfd { fd, events, revents: 0 };
    let most = most.as_millis().try_into().unwrap_or(c_int::MAX);
    // SAFETY: poll writes one pollfd.
    unsafe { libc::poll(&mut one, 1, most) == 1 }
}

/// Standard output, as it is: nothing is kept back.
pub struct Out;

impl Write for Out {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let _looks = asked::ticks(LOOK);
        loop {
            match written(bytes) {
                // The caller would only try again.
                Err(Errno::EINTR) if asked::to_stop().is_some() => {
                    return Err(io::ErrorKind::TimedOut.into());
                }
                Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) if asked::to_stop().is_none() => {
                    is_ready(STDOUT_FILENO, libc::POLLOUT, LOOK);
                }
                done => return Ok(done?),
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The last words: whoever does not take them within so much time does not get them.
pub fn last_words(mut bytes: &[u8], most: Duration) {
    let _looks = asked::ticks(LOOK);
    let until = Instant::now() + most;
    while !bytes.is_empty() && Instant::now() < until {
        match written(bytes) {
            Ok(n) => bytes = &bytes[n..],
            Err(Errno::EINTR) => {}
            Err(Errno::EAGAIN) => drop(is_ready(STDOUT_FILENO, libc::POLLOUT, LOOK)),
            Err(_) => return,
        }
    }
}

fn written(bytes: &[u8]) -> nix::Result<usize> {
    // SAFETY: write reads at most so many bytes.
    let done = unsafe { libc::write(STDOUT_FILENO, bytes.as_ptr().cast(), bytes.len()) };
    Errno::result(done).map(|n| n as usize)
}

/// The terminal's columns and rows, if it has any.
pub fn size() -> Option<(u16, u16)> {
    let mut size = libc::winsize { ws_row: 0, ws_col: 0, ws_xpixel: 0, ws_ypixel: 0 };
    // SAFETY: TIOCGWINSZ writes one winsize, or nothing.
    unsafe { libc::ioctl(STDOUT_FILENO, libc::TIOCGWINSZ, &mut size) };
    Some((size.ws_col, size.ws_row)).filter(|(columns, rows)| *columns > 0 && *rows > 0)
}
