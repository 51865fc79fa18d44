//! Is this pid our peer? Whose leftover is this?
//!
//! A pid that stands in shared memory is a claim. It may be 0, be years old, mean somebody else by
//! now, or have been planted. So nothing is sent to it before the kernel agrees: the process exists
//! (a pidfd means it alone from then on), belongs to our user, and has this very segment attached.

use std::fs::{self, File};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::thread;
use std::time::{Duration, Instant};

use libc::{c_int, key_t};
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::Signal;
use nix::unistd::{Pid, geteuid};

use crate::cleanup::Kind;
use crate::flags::SHM_DEST;
use crate::process::pidfd_open;
use crate::system::{self, status};
use crate::{Failure, Result, exit, shm, signals, trace};

/// A process that has our segment attached.
pub struct Peer {
    /// Its number.
    pub pid: Pid,
    pidfd: OwnedFd,
}

impl Peer {
    /// Makes sure that `pid`, read from the segment `shmid`, is a peer. The failure's exit code is
    /// NO_PEER if there is nobody, NOT_A_PEER if there is somebody else.
    pub fn of(pid: i32, shmid: c_int) -> Result<Peer> {
        let nobody = |why: &str| Err(Failure::Because(exit::NO_PEER, why.into()));
        let other = |why: String| Err(Failure::Because(exit::NOT_A_PEER, why));
        match pid {
            0 => return nobody("the pid in the segment is 0: nobody has written one yet"),
            1 | i32::MIN..0 => return other(format!("the pid in the segment is {pid}: no peer's")),
            _ if pid == std::process::id() as i32 => return nobody("the pid in it is our own"),
            _ => {}
        }
        let dead = format!("the pid in the segment, {pid}, is dead");
        // Before anything else: from here on it is this process and no heir of its number.
        let Ok(pidfd) = pidfd_open(Pid::from_raw(pid)) else { return nobody(&dead) };
        let Some(status) = status(pid).filter(|status| status.state != 'Z') else {
            return nobody(&dead);
        };
        if status.uid != geteuid().as_raw() {
            return other(format!("the pid in it, {pid}, belongs to uid {}: not ours", status.uid));
        }
        let namespace = |pid: &str| fs::read_link(format!("/proc/{pid}/ns/ipc")).ok();
        let maps = fs::read_to_string(format!("/proc/{pid}/maps")).unwrap_or_default();
        let segment = |line: &str| {
            let words: Vec<&str> = line.split_whitespace().collect();
            let inode = words.get(4).and_then(|inode| inode.parse().ok());
            inode == Some(shmid) && words.get(5).is_some_and(|name| name.starts_with("/SYSV"))
        };
        if !maps.lines().any(segment) || namespace(&pid.to_string()) != namespace("self") {
            let why = format!("the pid in it, {pid}, has not attached segment {shmid}: not a peer");
            return other(why);
        }
        Ok(Peer { pid: Pid::from_raw(pid), pidfd })
    }

    /// Sends it a signal: pidfd_send_signal(2), which cannot reach anybody else.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        let fd = self.pidfd.as_raw_fd();
        let line = format!("pidfd_send_signal({fd}, {signal}, NULL, 0)");
        let sent = trace::traced(line, || {
            // SAFETY: the call takes a descriptor, two numbers and no record.
            unsafe {
                libc::syscall(libc::SYS_pidfd_send_signal, fd, signal as c_int, 0_usize, 0) as c_int
            }
        });
        match sent {
            Err(Failure::Call(_, Errno::ESRCH)) => {
                Err(Failure::Because(exit::PEER_DIED, format!("{} has died", self.pid)))
            }
            sent => sent.map(drop),
        }
    }

    /// Waits, for at most `limit`, until `signal` would not be lost on it: it blocks the signal,
    /// which then waits for it, or it is asleep in a call that signals end. One that calls bare
    /// `pause` must be in it.
    pub fn until_it_listens(&self, signal: Signal, limit: Duration) -> Result<()> {
        let (pid, until) = (self.pid.as_raw(), Instant::now() + limit);
        while Instant::now() < until && !self.has_ended() {
            let Some(status) = status(pid) else { break };
            let blocks = status.blocked & (1 << (signal as u32 - 1)) != 0;
            let waits = || system::asleep_in(pid).is_none_or(|call| WAITS.contains(&call));
            if blocks || "TZ".contains(status.state) || status.state == 'S' && waits() {
                break;
            }
            signals::check()?;
            thread::yield_now();
        }
        Ok(())
    }

    /// Has it ended?
    pub fn has_ended(&self) -> bool {
        let mut one = [PollFd::new(self.pidfd.as_fd(), PollFlags::POLLIN)];
        poll(&mut one, PollTimeout::ZERO).is_ok_and(|ready| ready > 0)
    }

    /// Is it stopped, by SIGSTOP or Ctrl-Z? A pidfd does not tell.
    pub fn is_stopped(&self) -> bool {
        status(self.pid.as_raw()).is_some_and(|status| status.state == 'T')
    }

    /// Can be read when it has ended.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.pidfd.as_fd()
    }
}

/// Calls that a handled signal ends.
const WAITS: [libc::c_long; 6] = [
    system::SYS_PAUSE,
    libc::SYS_rt_sigsuspend,
    libc::SYS_rt_sigtimedwait,
    libc::SYS_ppoll,
    libc::SYS_pselect6,
    libc::SYS_read,
];

/// Time between two looks at a segment that is in use, and how many there are: a client may just be
/// looking into a leftover.
const LOOK: Duration = Duration::from_millis(20);
const LOOKS: u32 = 20;

/// A server's segment, made with IPC_EXCL. One that was left by a server that is gone is removed
/// first; one in use is BUSY, one of somebody else's REFUSED. Other errors: those of shmget(2).
pub fn create(key: key_t, size: usize, mode: c_int) -> Result<c_int> {
    let refuse = |code, why: String| Err(Failure::Because(code, why));
    let make = || shm::get(key, size, libc::IPC_CREAT | libc::IPC_EXCL | mode);
    for look in 1..=LOOKS {
        match if look == 1 { make() } else { trace::dim(make) } {
            Err(Failure::Call(_, Errno::EEXIST)) => {}
            made => return made,
        }
        match leftover(key, size) {
            Leftover::Absent => {}
            Leftover::Ours(row) => {
                let maker = row.get("cpid");
                let what = format!("ours, {size} bytes, not attached, and {maker} is gone");
                trace::note(&format!("a leftover: {what}"));
                trace::dim(|| remove(row.id() as c_int))?;
                trace::note("taken over: the old one is removed, and a new one made");
            }
            Leftover::Foreign(why) => {
                return refuse(exit::REFUSED, format!("refused: {why}; use another key"));
            }
            Leftover::InUse(why) if look == LOOKS => {
                return refuse(exit::BUSY, format!("busy: {why}"));
            }
            Leftover::InUse(why) => {
                if look == 1 {
                    trace::note(&format!("{why}: looking again"));
                }
                signals::wait(&[], Some(LOOK), || false)?;
            }
        }
    }
    refuse(exit::BUSY, "busy: somebody else makes segments with our key".into())
}

/// IPC_RMID, unless somebody else was faster: then what we wanted is done.
pub fn remove(shmid: c_int) -> Result<()> {
    match shm::ctl_rmid(shmid) {
        Err(Failure::Call(_, Errno::EINVAL | Errno::EIDRM)) if is_removed(shmid) => Ok(()),
        removed => removed,
    }
}

/// Was IPC_RMID called on the segment?
pub fn is_removed(shmid: c_int) -> bool {
    system::segment(shmid).is_none_or(|row| row.get("perms") as u32 & SHM_DEST != 0)
}

/// What a segment is that has our key before we have made one.
enum Leftover {
    /// It has gone meanwhile.
    Absent,
    /// Of our user and our size, nobody attached, its maker gone: may be removed.
    Ours(system::Row),
    /// In use, or its maker may be about to use it: why.
    InUse(String),
    /// Somebody else's, or for something else: why.
    Foreign(String),
}

/// Classifies the segment that has `key`, by the kernel's table alone: nothing is attached.
fn leftover(key: key_t, size: usize) -> Leftover {
    let Some(row) = system::table(Kind::Shm).into_iter().find(|row| row.key() == key) else {
        return Leftover::Absent;
    };
    let (id, cpid, bytes) = (row.id(), row.get("cpid") as i32, row.get("size"));
    if row.get("cuid") != geteuid().as_raw().into() {
        return Leftover::Foreign(format!("segment {id} was made by uid {}", row.get("cuid")));
    }
    if bytes != size as i64 {
        return Leftover::Foreign(format!("segment {id} has {bytes} bytes, not {size}"));
    }
    match (row.get("nattch"), started_at(cpid)) {
        // A process that was started later only has the number of the one that made it.
        (0, Some(start)) if start <= row.get("ctime") + 1 => {
            Leftover::InUse(format!("segment {id}: {cpid}, which made it, is alive"))
        }
        (0, _) => Leftover::Ours(row),
        (n, _) => Leftover::InUse(format!("segment {id} is attached by {n}")),
    }
}

/// When a process was started, in seconds since 1970; `None` if there is none, or only a zombie
/// that nobody has waited for.
fn started_at(pid: i32) -> Option<i64> {
    status(pid).filter(|status| status.state != 'Z')?;
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let ticks: i64 = stat.rsplit_once(") ")?.1.split(' ').nth(19)?.parse().ok()?;
    let boot = fs::read_to_string("/proc/stat").ok()?;
    let boot: i64 = boot.lines().find_map(|line| line.strip_prefix("btime "))?.parse().ok()?;
    // SAFETY: sysconf takes a number.
    Some(boot + ticks / unsafe { libc::sysconf(libc::_SC_CLK_TCK) })
}

/// Locks a file for as long as we live, however we end: flock(2). BUSY if somebody has it.
pub fn lock(path: &str) -> Result<Flock<File>> {
    let file = File::open(path).map_err(|error| Failure::because(format!("{path}: {error}")))?;
    let line = format!("flock(\"{path}\", LOCK_EX|LOCK_NB)");
    match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
        Ok(lock) => {
            trace::call_line(&line, "0", true);
            Ok(lock)
        }
        Err((_, Errno::EAGAIN)) => {
            let why = format!("busy: another server is running, it has {path} locked");
            Err(Failure::Because(exit::BUSY, why))
        }
        Err((_, errno)) => Err(Failure::Call(line, errno)),
    }
}
