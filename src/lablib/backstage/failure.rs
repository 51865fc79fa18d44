//! Why a lab, or a part of it, ended early: one line, never a panic's text.

use std::fmt;

use nix::errno::Errno;
use nix::unistd::geteuid;
use sysv::spell;
use sysv::tables::{Kind, Row, limit, table};

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
    pub fn because(why: impl Into<String>) -> Failure {
        Failure::Because(exit::CALL_FAILED, why.into())
    }

    /// For `map_err`: `call` is what failed.
    pub fn of(call: impl Into<String>) -> impl FnOnce(Errno) -> Failure {
        |errno| Failure::Call(call.into(), errno)
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

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Failure::Call(call, errno) => {
                write!(f, "{call} failed: {}{}", spell::errno(*errno), hint(call, *errno))
            }
            Failure::Because(_, why) => f.write_str(why),
            Failure::Needs(what, grant) => write!(f, "needs {what}; {grant}"),
            Failure::Signal(signal) => write!(f, "stopped by {}", spell::signal(*signal)),
            Failure::Told(code) => write!(f, "a child ended with exit code {code}"),
        }
    }
}

/// What a refused call means beyond its errno: which limit is reached, or who is in the way.
fn hint(call: &str, errno: Errno) -> String {
    match (call.split('(').next().unwrap_or_default(), errno) {
        (_, Errno::ENOSYS) => "; this kernel or sandbox has no System V IPC".into(),
        ("shmget", Errno::ENOSPC) => {
            let (used, most) = (table(Kind::Shm).len(), limit("shmmni"));
            let what = format!("{used} of at most {most} segments are in use, or shmall pages");
            format!("; this is not about disk space: {what}; see ipcs -mu and ipcs -ml")
        }
        ("shmget" | "shmat", Errno::EACCES) | ("shmctl", Errno::EPERM) => {
            let first = call.split(['(', ',']).nth(1).unwrap_or_default().to_string();
            let names = |row: &Row| [row.id().to_string(), spell::key(row.key())];
            let named = |row: &Row| names(row).contains(&first);
            table(Kind::Shm).into_iter().find(named).map_or(String::new(), |row| {
                let (id, mode, owner) = (row.id(), row.get("perms") & 0o777, row.get("uid"));
                let (whose, who) = match owner == geteuid().as_raw().into() {
                    true => ("yours".into(), "you"),
                    false => (format!("{}'s", spell::user(owner)), "they"),
                };
                format!("; segment {id} is {whose}, mode {mode:04o}; {who} may type ipcrm -m {id}")
            })
        }
        _ => String::new(),
    }
}
