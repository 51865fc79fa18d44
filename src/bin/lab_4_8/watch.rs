//! Who looks on from outside, and so can tell what the two cannot: that both are asleep.
//!
//! Nobody is asked to wait for a time that "must be enough". Both sleep for good when both are in
//! pause or sigsuspend, no signal is on its way to either, and neither has moved between two looks.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use lablib::child::Child;
use lablib::print::{note, text};
use lablib::{Failure, Patience, Result, exit, print, signals};
use libc::c_long;
use nix::poll::poll;
use nix::sys::wait::WaitStatus;
use nix::unistd::Pid;
use sysv::process::{SYS_PAUSE, Status, asleep_in, child_of, status};
use sysv::tables;
use sysv::tables::{Kind, Row};

/// How a pair ended that did not fail.
#[derive(PartialEq, Debug)]
pub enum Ending {
    /// Both did what they had to.
    Well,
    /// Both slept, and nobody was left to wake them.
    Asleep,
}

/// Time between two looks; nothing depends on it but how soon a verdict comes.
const LOOK: Duration = Duration::from_millis(10);

/// A parent and, once it is there, its child. Both have ended when this is dropped.
struct Pair {
    parent: Option<Child>,
    pid: Pid,
    child: Option<Pid>,
}

impl Drop for Pair {
    fn drop(&mut self) {
        drop(self.parent.take());
        // The child dies with its parent, a moment later: until then it has attached what they made.
        let makers = [Some(self.pid), self.child].map(|pid| pid.map(|pid| i64::from(pid.as_raw())));
        let attached = |row: &Row| makers.contains(&Some(row.get("cpid"))) && row.get("nattch") > 0;
        for _ in 0..2000 {
            if !tables::table(Kind::Shm).iter().any(attached) {
                break;
            }
            let _ = poll(&mut [], 1_u16);
        }
    }
}

/// From now on nobody looks on: a pair that hangs, hangs. For who looks on from further outside.
pub fn look_away() {
    LOOKS_AWAY.store(true, Relaxed);
}

static LOOKS_AWAY: AtomicBool = AtomicBool::new(false);

/// Waits for the parent of a pair, and for its child, whatever becomes of them.
pub fn watch(parent: Child, patience: Patience) -> Result<Ending> {
    if LOOKS_AWAY.load(Relaxed) {
        return reap(parent).map(|()| Ending::Well);
    }
    let pid = parent.pid;
    let mut pair = Pair { parent: Some(parent), pid, child: None };
    let (mut before, mut still, mut silent) = (vec![], 0, Duration::ZERO);
    while !pair.parent.as_ref().is_none_or(|parent| parent.has_ended(LOOK).unwrap_or(true)) {
        signals::check()?;
        if pair.child.is_none() {
            pair.child = child_of(pid.as_raw()).map(Pid::from_raw);
        }
        let pids = [Some(pid), pair.child].into_iter().flatten();
        let now: Vec<Look> = pids.filter_map(look).collect();
        let stopped = now.iter().find(|one| one.status.state == 'T');
        silent = if stopped.is_some() { silent + LOOK } else { Duration::ZERO };
        if let Some(one) = stopped.filter(|_| patience.is_some_and(|limit| silent >= limit)) {
            let why =
                format!("{} is silent: it was stopped (state T), and owes an answer", one.pid);
            return Err(Failure::Because(exit::PEER_SILENT, why));
        }
        // Nothing has moved between two looks, and nothing is on its way.
        still = if now == before { still + 1 } else { 0 };
        before = now;
        match before.as_slice() {
            [parent, child] if parent.for_good(still) && child.status.state == 'Z' => {
                let why = "the child died, and the parent waits for its answer";
                return Err(Failure::Because(exit::PEER_DIED, why.into()));
            }
            [parent, child] if parent.for_good(still) && child.for_good(still) => {
                text(&format!("parent {parent}"));
                text(&format!("child {child}"));
                note("both are asleep; the signal came before pause, and nobody will send another");
                if let Some(parent) = pair.parent.take() {
                    print::dim(|| parent.kill())?;
                    parent.wait()?;
                }
                return Ok(Ending::Asleep);
            }
            _ => {}
        }
    }
    signals::check()?;
    pair.parent.take().map_or(Ok(()), reap)?;
    Ok(Ending::Well)
}

/// One look at a process from outside.
#[derive(PartialEq)]
struct Look {
    pid: Pid,
    status: Status,
    asleep_in: Option<c_long>,
}

fn look(pid: Pid) -> Option<Look> {
    let status = status(pid.as_raw())?;
    Some(Look { pid, status, asleep_in: asleep_in(pid.as_raw()) })
}

impl Look {
    /// In pause or sigsuspend, with nothing on its way that would end it, for `still` looks? Where
    /// the kernel does not tell in which call (no ptrace), a second of stillness is asked for.
    fn for_good(&self, still: u32) -> bool {
        let waits = match self.asleep_in {
            Some(call) => still > 0 && [SYS_PAUSE, libc::SYS_rt_sigsuspend].contains(&call),
            None => still > 100,
        };
        waits && self.status.state == 'S' && self.status.pending & !self.status.blocked == 0
    }
}

impl fmt::Display for Look {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let call = if self.asleep_in == Some(SYS_PAUSE) { "pause" } else { "sigsuspend" };
        write!(f, "{}: asleep in {call}; signals pending: {:#x}", self.pid, self.status.pending)
    }
}

/// Waits for a child, and says so if it was killed.
pub fn reap(child: Child) -> Result<()> {
    let pid = child.pid;
    match child.wait()? {
        WaitStatus::Exited(_, 0) => Ok(()),
        WaitStatus::Exited(_, code) => Err(Failure::Told(code as u8)),
        WaitStatus::Signaled(_, signal, _) => {
            Err(Failure::Because(exit::PEER_DIED, format!("{pid} died: killed by {signal}")))
        }
        other => Err(Failure::Because(exit::PEER_DIED, format!("{pid} died: {other:?}"))),
    }
}
