//! What /proc/PID says of a process.

use std::fs;
use std::os::fd::{FromRawFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::str::FromStr;

use libc::{c_int, c_long};
use nix::errno::Errno;

use crate::look::{asked, needed, text, text_if_allowed};

/// What /proc/PID/status says of a process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// `R` running, `S` asleep, `D` in a disk, `T` stopped, `t` traced, `Z` dead and not reaped.
    pub state: char,
    /// Its parent.
    pub parent: i32,
    /// The signals that it blocks now, bit n - 1 for signal n. In sigsuspend: those of its mask.
    pub blocked: u64,
    /// The signals that wait for it.
    pub pending: u64,
    /// How often it has gone to sleep: equal twice, it has slept from one look to the next.
    pub sleeps: u64,
    /// Its user.
    pub uid: u32,
}

/// Looks at a process; `None` if there is none.
pub fn status(pid: i32) -> Option<Status> {
    let text = text(&format!("/proc/{pid}/status"))?;
    let field = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        line.and_then(|line| line.split_whitespace().next()).unwrap_or_default()
    };
    let mask = |name: &str| u64::from_str_radix(field(name), 16).unwrap_or(0);
    Some(Status {
        state: field("State:").chars().next()?,
        parent: field("PPid:").parse().ok()?,
        blocked: mask("SigBlk:"),
        pending: mask("SigPnd:") | mask("ShdPnd:"),
        sleeps: field("voluntary_ctxt_switches:").parse().unwrap_or(0),
        uid: field("Uid:").parse().ok()?,
    })
}

/// Does this process run? One that is dead and not reaped does not.
pub fn runs(pid: i32) -> bool {
    status(pid).is_some_and(|status| !"ZX".contains(status.state))
}

/// A descriptor for a process, which means it alone even when its number is used again.
pub fn pidfd_open(pid: i32) -> nix::Result<OwnedFd> {
    // SAFETY: pidfd_open takes two numbers.
    let fd = Errno::result(unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) })?;
    // SAFETY: a new descriptor, that nobody else owns.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as c_int) })
}

/// When a process was started, in clock ticks since boot: field 22 of /proc/PID/stat. A pid is used
/// again; a pid and a start are not.
pub fn start(pid: i32) -> Option<u64> {
    stat(pid, 22)
}

/// How a process ended that was not waited for yet, as wait(2) has it: field 52 of /proc/PID/stat. 0 also
/// if we may not know: of another user's process.
pub fn ended_with(pid: i32) -> Option<i32> {
    stat(pid, 52)
}

/// A field of /proc/PID/stat; the first is 1. Those before the third may have blanks in them.
fn stat<T: FromStr>(pid: i32, field: usize) -> Option<T> {
    let stat = text(&format!("/proc/{pid}/stat"))?;
    stat.rsplit_once(") ")?.1.split_whitespace().nth(field - 3)?.parse().ok()
}

/// When a process was started, in seconds since 1970; `None` if there is none, or only a zombie
/// that was not waited for.
pub fn started_at(pid: i32) -> Option<i64> {
    status(pid).filter(|status| status.state != 'Z')?;
    let boot = needed("/proc/stat");
    let boot: i64 = boot.lines().find_map(|line| line.strip_prefix("btime "))?.parse().ok()?;
    // SAFETY: sysconf takes a number.
    Some(boot + start(pid)? as i64 / unsafe { libc::sysconf(libc::_SC_CLK_TCK) })
}

/// The system call that pause(3) makes.
#[cfg(any(target_arch = "x86_64", target_arch = "x86"))]
pub const SYS_PAUSE: c_long = libc::SYS_pause;
/// The system call that pause(3) makes: newer machines have no pause(2).
#[cfg(not(any(target_arch = "x86_64", target_arch = "x86")))]
pub const SYS_PAUSE: c_long = libc::SYS_ppoll;

/// The number of the system call in which a process sleeps, if it does and we may know.
pub fn asleep_in(pid: i32) -> Option<c_long> {
    asleep_at(pid).map(|call| call.0)
}

/// That number, and the call's first argument: of futex, the address on which the thread sleeps.
pub fn asleep_at(pid: i32) -> Option<(c_long, usize)> {
    let line = text_if_allowed(&format!("/proc/{pid}/syscall"))?;
    let mut words = line.split(' ');
    let number = words.next()?.parse().ok()?;
    let first = words.next()?.trim_start_matches("0x");
    Some((number, usize::from_str_radix(first, 16).ok()?))
}

/// How many threads this process has: the links of /proc/self/task, one for each and two more.
pub fn threads() -> usize {
    let found = asked("stat(\"/proc/self/task\")", fs::metadata("/proc/self/task"));
    let links = found.map_or(0, |found| found.nlink() as usize);
    links.saturating_sub(2).max(1)
}

/// The IPC namespace of a process, as a number; `pid` may be `self`.
pub fn ipc_namespace(pid: &str) -> Option<u64> {
    let path = format!("/proc/{pid}/ns/ipc");
    asked(&format!("stat(\"{path}\")"), fs::metadata(path)).map(|found| found.ino())
}

/// A line of /proc/PID/maps.
#[derive(Clone, Debug)]
pub struct Mapping {
    /// The first address, and the one behind the last.
    pub start: usize,
    /// See `start`.
    pub end: usize,
    /// The line, its words one space apart.
    pub line: String,
}

impl Mapping {
    /// The segment that is mapped here, if it is one: its inode is the id, its name begins with SYSV.
    pub fn shmid(&self) -> Option<c_int> {
        let mut words = self.line.split(' ').skip(4);
        let inode = words.next()?.parse().ok();
        inode.filter(|_| words.next().is_some_and(|name| name.starts_with("/SYSV")))
    }
}

/// What a process has mapped, from the lowest address to the highest; `pid` may be `self`. Nothing,
/// if there is no such process or we may not know.
pub fn mappings(pid: &str) -> Vec<Mapping> {
    mappings_with(pid, "")
}

/// The same of segments alone, which is found faster.
pub fn segments(pid: &str) -> Vec<Mapping> {
    mappings_with(pid, "/SYSV")
}

/// Those whose lines have these words in them.
fn mappings_with(pid: &str, words: &str) -> Vec<Mapping> {
    let maps = text(&format!("/proc/{pid}/maps")).unwrap_or_default();
    let mapping = |line: &str| {
        let (start, end) = line.split(' ').next()?.split_once('-')?;
        let number = |text| usize::from_str_radix(text, 16).ok();
        let line = line.split_whitespace().collect::<Vec<_>>().join(" ");
        Some(Mapping { start: number(start)?, end: number(end)?, line })
    };
    maps.lines().filter(|line| line.contains(words)).filter_map(mapping).collect()
}

/// Has a process attached this segment, of our IPC namespace?
pub fn has_attached(pid: i32, shmid: c_int) -> bool {
    let pid = pid.to_string();
    ipc_namespace(&pid) == ipc_namespace("self")
        && mappings(&pid).iter().any(|mapping| mapping.shmid() == Some(shmid))
}
