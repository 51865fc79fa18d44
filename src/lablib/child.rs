//! Child processes: made, and waited for.

use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::sync::atomic::Ordering::Relaxed;
use std::thread;
use std::time::Duration;

use libc::c_long;
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::{SIGKILL, kill};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{self, ForkResult, Pid, fork, geteuid, getppid};
use sysv::{apart, process};

use crate::backstage::failure::{Failure, Result, looked};
use crate::backstage::{lane, ledger, stop};
use crate::run::conclude;
use crate::{print, signals};

/// A child process. Killed and reaped when it is dropped unfinished.
pub struct Child {
    /// Its number.
    pub pid: Pid,
    name: &'static str,
    pidfd: OwnedFd,
    reaped: bool,
}

/// Forks a child that runs `body` in the lane `name` and exits: with 0, or with its failure's code after
/// telling it. Like [`apart`] it dies with its parent, and fails while other threads run here.
pub fn child(name: &'static str, body: impl FnOnce() -> Result<()>) -> Result<Child> {
    let turn = print::before("fork()")?;
    let pid = apart(|| {
        print::name(name);
        conclude(body, false)
    })?;
    print::call_line("fork()", &pid.to_string(), true);
    drop(turn);
    match pidfd_open(pid) {
        Ok(pidfd) => Ok(Child { pid, name, pidfd, reaped: false }),
        Err(failure) => {
            end(pid);
            Err(failure)
        }
    }
}

/// Forks a process that runs `body`, exits with what that answers, and dies with its parent; of the
/// signals that ask the lab to stop, too. Prints nothing. Fails while other threads run here: the new
/// process would have what they had locked, and not them.
pub fn apart(body: impl FnOnce() -> u8) -> Result<Pid> {
    // One that was waited for may be on its way out for a moment.
    let alone = || process::threads() == 1 || (thread::yield_now(), false).1;
    if !(0..1000).any(|_| alone()) {
        return Err(Failure::because("a fork while other threads run here"));
    }
    let parent = Pid::this();
    // SAFETY: this process has one thread, as was just checked, so the child may run any code.
    if let ForkResult::Parent { child } = unsafe { fork() }.map_err(Failure::of("fork()"))? {
        lane::forked(false);
        return Ok(child);
    }
    stop::unwatch();
    print::forked();
    lane::forked(true);
    let code = match die_with_parent() {
        Err(failure) => print::tell(&failure),
        Ok(()) if getppid() == parent => body(),
        Ok(()) => 1,
    };
    // SAFETY: ends the process at once: what the parent's destructors own stays its own.
    unsafe { libc::_exit(code.into()) }
}

/// A pipe by which one process of a lab waits for another: where it is read, and where it is written to.
pub fn pipe() -> Result<(OwnedFd, OwnedFd)> {
    let ends = unistd::pipe2(OFlag::O_CLOEXEC).map_err(Failure::of("pipe2"))?;
    let line = format!("pipe2([{}, {}], O_CLOEXEC)", ends.0.as_raw_fd(), ends.1.as_raw_fd());
    print::dim(|| print::after(Ok(0), |_| line))?;
    Ok(ends)
}

/// A descriptor for a process, which means it alone even when its number is used again.
pub fn pidfd_open(pid: Pid) -> Result<OwnedFd> {
    process::pidfd_open(pid.as_raw()).map_err(Failure::of(format!("pidfd_open({pid}, 0)")))
}

/// In a child: an IPC namespace of its own, empty, with limits of its own, that this process is
/// root of. What is made in it goes with its last process.
pub fn enter_own_ipc() -> Result<()> {
    let user = if geteuid().is_root() { "" } else { "|CLONE_NEWUSER" };
    let line = format!("unshare(CLONE_NEWIPC{user})");
    let call = || if apart::own_ipc() { 0 } else { -1 };
    let done = print::dim(|| print::traced(line, call)).is_ok();
    looked()?;
    ledger::RUN.store(-1, Relaxed);
    let grant = "allow user namespaces (sysctl user.max_user_namespaces), or run it as root";
    if done { Ok(()) } else { Err(Failure::Needs("an IPC namespace of its own".into(), grant)) }
}

/// In a child: another user, without any privilege. Only root may.
pub fn become_user(id: u32) -> Result<()> {
    let needs = |_| Failure::Needs("a second user".into(), "run it as root, with sudo");
    apart::other_user(id).map_err(needs)?;
    // A change of user has taken it back.
    die_with_parent()
}

fn die_with_parent() -> Result<()> {
    set_pdeathsig(SIGKILL).map_err(Failure::of("prctl(PR_SET_PDEATHSIG, SIGKILL)"))
}

/// In a child: becomes an ordinary user, because the kernel refuses nothing to root.
pub fn become_ordinary() -> Result<()> {
    if geteuid().is_root() { become_user(65534) } else { Ok(()) }
}

impl Child {
    /// Waits until it has ended, however. A signal to us ends the wait, and then the child.
    pub fn wait(mut self) -> Result<WaitStatus> {
        let call = format!("waitpid({})", self.pid);
        print::begin(&call)?;
        stop::wait_readable(self.pidfd.as_fd(), None)?;
        let status = waitpid(self.pid, None).map_err(Failure::of(&call))?;
        self.reaped = true;
        let how = match status {
            WaitStatus::Signaled(_, signal, _) => format!("killed by {signal}"),
            WaitStatus::Exited(_, code) => format!("exited with {code}"),
            other => format!("{other:?}"),
        };
        print::call_line(&call, &how, true);
        Ok(status)
    }

    /// Has it ended within `limit`? It is not waited for yet.
    pub fn has_ended(&self, limit: Duration) -> Result<bool> {
        stop::wait_readable(self.pidfd.as_fd(), Some(limit))
    }

    /// Waits until it has ended, and fails unless it ended well.
    pub fn finish(self) -> Result<()> {
        let name = self.name;
        match self.wait()? {
            WaitStatus::Exited(_, 0) => Ok(()),
            WaitStatus::Exited(_, code) => Err(Failure::Told(code as u8)),
            WaitStatus::Signaled(_, signal, _) => {
                stop::check()?;
                Err(Failure::killed(name, signal as i32))
            }
            other => Err(Failure::because(format!("{name}: {other:?}"))),
        }
    }

    /// Kills it with SIGKILL: it runs no clean-up, and the kernel detaches what it attached.
    pub fn kill(&self) -> Result<()> {
        signals::kill(self.pid, SIGKILL)
    }

    /// Waits until it sleeps in the system call `number`, as the kernel says in /proc. If it has
    /// ended instead, [`Child::finish`] reports it.
    pub fn until_asleep_in(&self, number: c_long) -> Result<()> {
        self.until_asleep_at(|(call, _)| call == number)
    }

    /// The same, where `place` is told the call's number and its first argument.
    pub fn until_asleep_at(&self, place: impl Fn((c_long, usize)) -> bool) -> Result<()> {
        let pid = self.pid.as_raw();
        for look in 0..5000 {
            // Where the kernel does not tell in which call, a second has to do.
            let there = process::asleep_at(pid).map_or(look > 1000, &place);
            // One that a tracer has stopped at the call's entry is in it, and does not sleep yet.
            let asleep = there && process::status(pid).is_some_and(|status| status.state == 'S');
            if asleep || stop::wait_readable(self.pidfd.as_fd(), Some(Duration::from_millis(1)))? {
                return Ok(());
            }
        }
        Err(Failure::because(say!("{} ({}) did not get to its wait", self.name, self.pid)))
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if !self.reaped {
            end(self.pid);
        }
    }
}

/// Ends a child that is ours and not reaped, so the number is still its own.
fn end(pid: Pid) {
    let _ = kill(pid, SIGKILL);
    while waitpid(pid, None) == Err(Errno::EINTR) {}
}
