//! The terminal as it was, however we end. Two processes: one has the stage; the other does nothing but wait for its
//! end, and gives the terminal back if the first one could not. If the second is killed, the first ends, too.

use std::io;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::Duration;

use libc::{STDIN_FILENO, STDOUT_FILENO, c_int};
use ratatui::crossterm::cursor::{Hide, Show};
use ratatui::crossterm::terminal::{EnterAlternateScreen, LeaveAlternateScreen, enable_raw_mode};
use ratatui::crossterm::{execute, queue};

use crate::asked;
use crate::stage::tty::{Out, last_words};

/// How the terminal was when we came.
static BEFORE: Mutex<Option<libc::termios>> = Mutex::new(None);
/// It is ours.
static TAKEN: AtomicBool = AtomicBool::new(false);

/// So often the one that waits looks for a signal, in microseconds.
const LOOK: i64 = 100_000;
/// So long the terminal may take to hear our last words.
const LAST: Duration = Duration::from_secs(1);

/// The terminal is ours from now on, until [`give_back`] or our end.
pub fn take() -> io::Result<()> {
    enable_raw_mode()?;
    TAKEN.store(true, SeqCst);
    execute!(Out, EnterAlternateScreen, Hide)
}

/// A panic gives the terminal back and ends us at once: what we hold ends with us, and nothing waits for it.
pub fn ends_with_a_panic() {
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        give_back();
        before(panic);
        // SAFETY: ends the process at once; 101 is what a panic ends with.
        unsafe { libc::_exit(101) };
    }));
}

/// Gives it back, if it is ours.
pub fn give_back() {
    if TAKEN.swap(false, SeqCst) {
        restore();
    }
}

/// Goes on in a second process. In the first this ends with the second one's end: `Some`, its exit code.
pub fn behind() -> io::Result<Option<u8>> {
    let mut found = empty();
    // SAFETY: tcgetattr writes one termios.
    if unsafe { libc::tcgetattr(STDIN_FILENO, &mut found) } == 0 {
        *BEFORE.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = Some(found);
    }
    // SAFETY: a number.
    let here = unsafe { libc::getpid() };
    // SAFETY: we have one thread.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        0 => {
            // SAFETY: numbers; nothing of ours has begun when we end like that.
            unsafe {
                libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGTERM);
                // It has ended before we asked.
                if libc::getppid() != here {
                    libc::_exit(128 + libc::SIGTERM);
                }
            }
            Ok(None)
        }
        child => Ok(Some(until_it_ends(child))),
    }
}

fn empty() -> libc::termios {
    // SAFETY: numbers.
    unsafe { std::mem::zeroed() }
}

/// Passes signals on, and waits.
fn until_it_ends(child: c_int) -> u8 {
    asked::listen(&[libc::SIGINT, libc::SIGTERM, libc::SIGHUP]);
    asked::tick_every(LOOK);
    loop {
        let mut status = 0;
        // SAFETY: waitpid writes one int; the child is ours, and not reaped yet.
        let done = unsafe { libc::waitpid(child, &mut status, 0) };
        if done == child && libc::WIFEXITED(status) {
            return libc::WEXITSTATUS(status) as u8;
        }
        if done == child {
            restore();
            return 128 + libc::WTERMSIG(status) as u8;
        }
        if let Some(signal) = asked::to_stop() {
            asked::heard();
            // SAFETY: as above.
            unsafe { libc::kill(child, signal) };
        }
    }
}

/// The screen and the modes as they were. Nothing here waits long: who does not take our last words has none.
fn restore() {
    // SAFETY: numbers. If a shell has the terminal already, it is not we whom its settings stop; and what was stopped
    // (Ctrl-S, tcflow) goes on, else it would never hear that the screen is free.
    unsafe {
        libc::signal(libc::SIGTTOU, libc::SIG_IGN);
        libc::tcflow(STDOUT_FILENO, libc::TCOOFF);
        libc::tcflow(STDOUT_FILENO, libc::TCOON);
    }
    let mut words = vec![];
    let _ = queue!(words, Show, LeaveAlternateScreen);
    last_words(&words, LAST);
    if let Some(before) = &*BEFORE.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) {
        // SAFETY: tcsetattr reads one termios.
        unsafe { libc::tcsetattr(STDIN_FILENO, libc::TCSANOW, before) };
    }
}
