//! The two signals to the tracer: SIGTERM ends the trace, SIGALRM only ends a wait, so that what is due
//! from time to time gets done.

use std::ptr;
use std::sync::atomic::{AtomicI32, Ordering::SeqCst};

use libc::c_int;

/// A line is written, and a sleeper told of, at most so much later. Microseconds.
pub const TICK: i64 = 20_000;

/// The timer that ends waits while something is due.
pub struct Ticks {
    on: bool,
}

impl Ticks {
    /// Off; but from now on the signals are listened to.
    pub fn new() -> Ticks {
        listen_to_signals();
        Ticks { on: false }
    }

    /// Something is due after a while.
    pub fn want(&mut self) {
        if !self.on {
            self.on = true;
            set_timer(TICK);
        }
    }

    /// Nothing is due any more.
    pub fn stop(&mut self) {
        self.on = false;
        set_timer(0);
        // The handler's own timer is the same one, and may just have been taken back.
        if asked_to_stop().is_some() {
            self.want();
        }
    }
}

/// The signal that has asked us to end.
pub fn asked_to_stop() -> Option<c_int> {
    match STOP.load(SeqCst) {
        0 => None,
        signal => Some(signal),
    }
}

/// The signal that asks us to end.
static STOP: AtomicI32 = AtomicI32::new(0);

extern "C" fn remember(signal: c_int) {
    STOP.store(signal, SeqCst);
    // SAFETY: alarm is async-signal-safe. It ends a wait that began after we looked last.
    unsafe { libc::alarm(1) };
}

extern "C" fn nothing(_: c_int) {}

/// SIGTERM ends the trace; SIGALRM only ends a wait, so that lines get written.
fn listen_to_signals() {
    for (signal, handler) in
        [(libc::SIGTERM, remember as extern "C" fn(c_int)), (libc::SIGALRM, nothing)]
    {
        let mut action: libc::sigaction = crate::tracer::zeroed();
        action.sa_sigaction = handler as *const () as usize;
        // SAFETY: the handlers store to an atomic and call alarm; both are async-signal-safe.
        unsafe { libc::sigaction(signal, &action, ptr::null_mut()) };
    }
}

/// SIGALRM every so many microseconds; 0: no more. One that comes just before a wait ends nothing,
/// but the next does.
fn set_timer(micros: i64) {
    let every = libc::timeval { tv_sec: 0, tv_usec: micros };
    let timer = libc::itimerval { it_interval: every, it_value: every };
    // SAFETY: the kernel reads one itimerval.
    unsafe { libc::setitimer(libc::ITIMER_REAL, &timer, ptr::null_mut()) };
}
