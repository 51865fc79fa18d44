//! The terminal as it was, however we end. Two processes: one has the stage; the other does nothing but wait for its
//! end, and gives the terminal back if the first one could not. If the second is killed, the first ends, too.

use std::io::{self, Write};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::Duration;

use libc::c_int;
use ratatui::crossterm::cursor::{Hide, Show};
use ratatui::crossterm::execute;
use ratatui::crossterm::terminal::{
    EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
};

use crate::asked;

/// How the terminal was when we came.
static BEFORE: Mutex<Option<libc::termios>> = Mutex::new(None);
/// It is ours.
static TAKEN: AtomicBool = AtomicBool::new(false);

/// So often the one that waits looks for a signal, in microseconds.
const LOOK: i64 = 100_000;

/// The terminal is ours from now on, until [`give_back`] or our end.
pub fn take() -> io::Result<()> {
    enable_raw_mode()?;
    TAKEN.store(true, SeqCst);
    execute!(io::stdout(), EnterAlternateScreen, Hide)
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

/// Waits for input, at most so long. False: the terminal is gone. Then every read ends at once with nothing, and
/// crossterm would read for ever.
pub fn wait_for_input(most: Duration) -> bool {
    let mut input = libc::pollfd { fd: libc::STDIN_FILENO, events: libc::POLLIN, revents: 0 };
    let most = most.as_millis().try_into().unwrap_or(c_int::MAX);
    // SAFETY: poll writes one pollfd.
    unsafe { libc::poll(&mut input, 1, most) };
    input.revents & (libc::POLLHUP | libc::POLLERR | libc::POLLNVAL) == 0
}

/// Gives it back, if it is ours.
pub fn give_back() {
    if TAKEN.swap(false, SeqCst) {
        // If it cannot be written to, it is gone.
        let _ = execute!(io::stdout(), Show, LeaveAlternateScreen);
        let _ = disable_raw_mode();
    }
}

/// Goes on in a second process. In the first this ends with the second one's end: `Some`, its exit code.
pub fn behind() -> io::Result<Option<u8>> {
    let mut found = empty();
    // SAFETY: tcgetattr writes one termios.
    if unsafe { libc::tcgetattr(libc::STDIN_FILENO, &mut found) } == 0 {
        *BEFORE.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = Some(found);
    }
    // SAFETY: we have one thread.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        0 => {
            // SAFETY: numbers.
            unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGTERM) };
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

/// The other one was killed: the screen and the modes are as it left them.
fn restore() {
    let mut out = io::stdout();
    let _ = execute!(out, Show, LeaveAlternateScreen);
    let _ = out.flush();
    if let Some(before) = &*BEFORE.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) {
        // SAFETY: tcsetattr reads one termios.
        unsafe { libc::tcsetattr(libc::STDIN_FILENO, libc::TCSADRAIN, before) };
    }
}
