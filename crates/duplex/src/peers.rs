//! Is this pid our peer?
//!
//! A pid in shared memory is only a claim. It may be 0 or very old, it may belong to another process by now, or an
//! attacker may have written it. So no signal is sent to it before the kernel confirms it: the process exists (a
//! pidfd means it alone from then on), belongs to our user, and has this very segment attached.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::thread;
use std::time::{Duration, Instant};

use lablib::print::{after, dim, note, traced};
use lablib::{Failure, Result, exit, looked, say, signals};
use libc::c_int;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::Signal;
use nix::unistd::{Pid, geteuid};
use sysv::process::{SYS_PAUSE, asleep_in, has_attached, pidfd_open, status};

/// A process that has our segment attached.
pub struct Peer {
    /// Its number.
    pub pid: Pid,
    pidfd: OwnedFd,
}

impl Peer {
    /// Makes sure that `pid`, read from the segment `shmid`, is a peer. The failure's exit code is
    /// NO_PEER if there is no such process, NOT_A_PEER if it is another one.
    pub fn of(pid: i32, shmid: c_int) -> Result<Peer> {
        let nobody = |why: &str| Err(Failure::Because(exit::NO_PEER, why.into()));
        let other = |why: String| Err(Failure::Because(exit::NOT_A_PEER, why));
        match pid {
            0 => return nobody("the pid in the segment is 0: nobody has written one yet"),
            1 | i32::MIN..0 => return other(say!("the pid in the segment is {pid}: no peer's")),
            _ if pid == std::process::id() as i32 => return nobody("the pid in it is our own"),
            _ => {}
        }
        let dead = say!("the pid in the segment, {pid}, is dead");
        let says = |file: &str, what: &str| {
            let line = format!("read(\"/proc/{pid}/{file}\")");
            dim(|| after(Ok(format_args!("{what}")), |_| line).map(drop))
        };
        // Before anything else: from here on it is this process and no heir of its number.
        let pidfd = match open(pid) {
            Err(Failure::Call(_, Errno::ESRCH | Errno::EINVAL)) => return nobody(&dead),
            opened => opened?,
        };
        let found = status(pid).filter(|status| status.state != 'Z');
        looked()?;
        let Some(status) = found else { return nobody(&dead) };
        says("status", &format!("uid {}, alive", status.uid))?;
        if status.uid != geteuid().as_raw() {
            return other(say!("the pid in it, {pid}, belongs to uid {}: not ours", status.uid));
        }
        let there = has_attached(pid, shmid);
        looked()?;
        says("maps", &format!("segment {shmid} is {}there", if there { "" } else { "not " }))?;
        if !there {
            let why = say!("the pid in it, {pid}, has not attached segment {shmid}: not a peer");
            return other(why);
        }
        Ok(Peer { pid: Pid::from_raw(pid), pidfd })
    }

    /// Sends it a signal: pidfd_send_signal(2), which cannot reach another process.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        let fd = self.pidfd.as_raw_fd();
        let line = format!("pidfd_send_signal({fd}, {signal}, NULL, 0)");
        let sent = traced(line, || {
            // SAFETY: the call takes a descriptor, two numbers and no record.
            unsafe {
                libc::syscall(libc::SYS_pidfd_send_signal, fd, signal as c_int, 0_usize, 0) as c_int
            }
        });
        match sent {
            Err(Failure::Call(_, Errno::ESRCH)) => {
                Err(Failure::Because(exit::PEER_DIED, say!("{} has died", self.pid)))
            }
            sent => sent.map(drop),
        }
    }

    /// Waits, for at most `limit`, until `signal` would not be lost on it, and answers why: it blocks the
    /// signal, or it is asleep in a call that signals end. `None`: it does not, or is stopped, or has ended.
    pub fn until_it_hears(&self, signal: Signal, limit: Duration) -> Result<Option<&'static str>> {
        let (pid, until, mut nap) = (self.pid.as_raw(), Instant::now() + limit, 0);
        while Instant::now() < until && !self.has_ended() {
            let Some(status) = status(pid) else { break };
            if status.blocked & (1 << (signal as u32 - 1)) != 0 {
                return Ok(Some("blocks it until it waits"));
            }
            let call = |call| WAITS.iter().find(|one| one.0 == call).map(|one| one.1);
            if status.state == 'S'
                && let Some(how) = asleep_in(pid).map_or(Some("is asleep"), call)
            {
                return Ok(Some(how));
            }
            if "TZ".contains(status.state) {
                break;
            }
            signals::check()?;
            nap = (nap + 10).min(1000);
            thread::park_timeout(Duration::from_micros(nap));
        }
        looked()?;
        Ok(None)
    }

    /// Has it ended?
    pub fn has_ended(&self) -> bool {
        let mut one = [PollFd::new(self.pidfd.as_fd(), PollFlags::POLLIN)];
        poll(&mut one, PollTimeout::ZERO).is_ok_and(|ready| ready > 0)
    }

    /// Is it stopped, by SIGSTOP or Ctrl-Z? A pidfd does not show it.
    pub fn is_stopped(&self) -> bool {
        status(self.pid.as_raw()).is_some_and(|status| status.state == 'T')
    }

    /// Can be read when it has ended.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.pidfd.as_fd()
    }
}

/// pidfd_open(2), printed.
fn open(pid: i32) -> Result<OwnedFd> {
    let opened = pidfd_open(pid);
    let answer = opened.as_ref().map(AsRawFd::as_raw_fd).map_err(|errno| *errno);
    dim(|| after(answer, |_| format!("pidfd_open({pid}, 0)")))?;
    opened.map_err(Failure::of("pidfd_open"))
}

/// Calls that a handled signal ends.
const WAITS: [(libc::c_long, &str); 6] = [
    (SYS_PAUSE, "is asleep in pause"),
    (libc::SYS_rt_sigsuspend, "is asleep in sigsuspend"),
    (libc::SYS_rt_sigtimedwait, "is asleep in sigtimedwait"),
    (libc::SYS_ppoll, "is asleep in ppoll"),
    (libc::SYS_pselect6, "is asleep in pselect"),
    (libc::SYS_read, "is asleep in read"),
];

/// Where both are seen, only the one that failed complains; that the other misses it is a note.
pub fn in_company(ended: Result<()>) -> Result<()> {
    match ended.map_err(Failure::cause) {
        Err(Failure::Because(code @ (exit::PEER_DIED | exit::NO_PEER), why)) => {
            note(why);
            Err(Failure::Told(code))
        }
        ended => ended,
    }
}
