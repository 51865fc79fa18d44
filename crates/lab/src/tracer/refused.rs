//! Why a program could not be started, or not be traced, and what would allow it.

use std::time::Duration;
use std::{fmt, fs};

use libc::c_int;
use nix::errno::Errno;
use nix::unistd::geteuid;

use super::names;

/// So long may pass without progress between the start and the program's own first instruction.
pub const LIMIT: Duration = Duration::from_secs(60);

/// Why a program could not be started.
#[derive(Debug)]
pub enum Refused {
    /// Its path or an argument has a NUL, or there is no room for a process: the call, and errno.
    Call(&'static str, Errno),
    /// The kernel does not let us trace it.
    Ptrace(Errno),
    /// What it needs cannot be had: one line.
    Prepare(String),
    /// It has made no progress for [`LIMIT`]: where it is.
    Stuck(String),
    /// A signal asked us to stop.
    Asked(c_int),
    /// It was killed on its way, by this signal; 0: it ended.
    Killed(c_int),
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let errno = sysv::spell::errno;
        match self {
            Refused::Call(call, why) => write!(f, "{call}: {}", errno(*why)),
            Refused::Ptrace(why) => write!(f, "ptrace: {}; {}", errno(*why), why_no_ptrace(*why)),
            Refused::Prepare(why) => f.write_str(why),
            Refused::Stuck(place) => {
                write!(f, "not started after {} s: {place}; see lab doctor", LIMIT.as_secs())
            }
            Refused::Asked(signal) => write!(f, "stopped by {}", names::signal(*signal)),
            Refused::Killed(0) => f.write_str("ended before it became the program"),
            Refused::Killed(signal) => {
                write!(f, "killed by {} before it ran", names::signal(*signal))
            }
        }
    }
}

/// Why ptrace is refused here, and what would allow it.
pub fn why_no_ptrace(errno: Errno) -> String {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let status = read("/proc/self/status");
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        line.and_then(|value| value.trim().parse::<i64>().ok()).unwrap_or(0)
    };
    let scope = read("/proc/sys/kernel/yama/ptrace_scope");
    match (field("TracerPid:"), scope.trim(), field("Seccomp:"), errno) {
        (1.., ..) => {
            let tracer = field("TracerPid:");
            format!("process {tracer} traces us already, and the programs that we start; run lab without it")
        }
        (_, "3", ..) => {
            "kernel.yama.ptrace_scope is 3: no process may trace; only a reboot with another value helps"
                .into()
        }
        (_, "2", ..) if !geteuid().is_root() => {
            "kernel.yama.ptrace_scope is 2: only root may trace; sudo, or sysctl \
             kernel.yama.ptrace_scope=1"
                .into()
        }
        (_, _, 2, _) => {
            "a seccomp filter forbids it (a container's, most likely); docker run \
             --cap-add=SYS_PTRACE, or --security-opt seccomp=unconfined, allows it"
                .into()
        }
        (.., Errno::ENOSYS) => "this kernel or sandbox has no ptrace".into(),
        _ => "a security module or sandbox forbids it; ask the administrator of this machine".into(),
    }
}
