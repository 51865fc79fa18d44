//! Why a lab, or a part of it, ended early: one line, never a panic's text.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::{fmt, io};

use nix::errno::Errno;
use screen::words::{Sentence, translated};
use sysv::{hint, look, spell};

/// What the exit codes mean, in every lab. 128 + n: stopped by signal n.
#[expect(missing_docs, reason = "the names say it")]
pub mod exit {
    pub const CALL_FAILED: u8 = 1;
    pub const USAGE: u8 = 2;
    pub const NO_PEER: u8 = 3;
    pub const BUSY: u8 = 4;
    pub const REFUSED: u8 = 5;
    pub const NOT_A_PEER: u8 = 6;
    pub const PEER_DIED: u8 = 7;
    pub const PEER_SILENT: u8 = 8;
    pub const HOSTILE: u8 = 9;
}

/// Does this process, or its parent, run an experiment?
pub static ASKED: AtomicBool = AtomicBool::new(false);

/// What a lab's calls answer.
pub type Result<T> = std::result::Result<T, Failure>;

/// Why a lab, or a part of it, ended early.
#[derive(Debug)]
pub enum Failure {
    /// A call, as its line spells it, failed that should not have.
    Call(String, Errno),
    /// Something else that one line says, and the exit code for it.
    Because(u8, String),
    /// This machine does not grant what is needed: what, and what would grant it.
    Needs(String, &'static str),
    /// SIGINT, SIGTERM or SIGHUP arrived, or SIGPIPE would have.
    Signal(i32),
    /// A child process has already said why; this is its exit code.
    Told(u8),
}

impl Failure {
    /// A failure with exit code 1 that says `why`.
    pub fn because(why: impl Sentence) -> Failure {
        Failure::Because(exit::CALL_FAILED, why.said().into())
    }

    /// A process of the lab was killed by a signal.
    pub fn killed(who: &str, signal: i32) -> Failure {
        Failure::Because(128 + signal as u8, say!("{who} was killed by {}", spell::signal(signal)))
    }

    /// For `map_err`: `call` is what failed.
    pub fn of<E: Into<io::Error>>(call: impl Into<String>) -> impl FnOnce(E) -> Failure {
        |error| {
            let (call, error) = (call.into(), error.into());
            let errno = error.raw_os_error().map(Errno::from_raw);
            errno.map_or(Failure::because(format!("{call}: {error}")), |e| Failure::Call(call, e))
        }
    }

    /// What it follows from: a look into /proc that failed, if one did.
    pub fn cause(self) -> Failure {
        match self {
            Failure::Because(..) => looked().err().unwrap_or(self),
            call => call,
        }
    }

    /// In an experiment, a call that a limit refused which is lower here than by default: what it needs.
    pub fn or_needs(self) -> Failure {
        let Failure::Call(call, errno) = &self else { return self };
        let lower = hint::lowered(call, *errno).filter(|_| ASKED.load(Relaxed));
        lower.map_or(self, |(what, grant)| Failure::Needs(what, grant))
    }

    /// The exit code this failure ends a process with.
    pub fn code(&self) -> u8 {
        match self {
            Failure::Call(..) => exit::CALL_FAILED,
            Failure::Because(code, _) | Failure::Told(code) => *code,
            Failure::Needs(..) => 0,
            Failure::Signal(signal) => 128 + *signal as u8,
        }
    }
}

/// `Err` if a look into /proc has failed since this was asked: what was seen may not be so.
pub fn looked() -> Result<()> {
    look::missed().map_or(Ok(()), |(call, errno)| Err(Failure::Call(call, errno)))
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(&match self {
            &Failure::Call(ref call, errno) => {
                say!("{call} failed: {}{}", spell::errno(errno), hint::of(call, errno))
            }
            Failure::Because(_, why) => translated(why).into(),
            Failure::Needs(what, how) => say!("needs {}; {}", translated(what), translated(how)),
            Failure::Signal(signal) => say!("stopped by {}", spell::signal(*signal)),
            Failure::Told(code) => say!("a child ended with exit code {code}"),
        })
    }
}
