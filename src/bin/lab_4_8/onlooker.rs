//! The onlooker: a third process, which sees from outside what the two cannot: that both are asleep.
//!
//! Nobody is asked to wait for a time that "must be enough". Both sleep for good when both are in
//! pause or sigsuspend, no signal is on its way to either, and neither has moved between two looks.

use std::fmt;
use std::sync::OnceLock;
use std::time::Duration;

use clap::ArgMatches;
use lablib::child::{Child, child};
use lablib::print::{claim, note, text};
use lablib::{Failure, Patience, Result, exit, leftovers, print, signals, value};
use libc::{IPC_PRIVATE, c_long};
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

/// How long one may be silent that owes an answer; `None` in a run that nobody looks on at.
static LOOKS_ON: OnceLock<Option<Patience>> = OnceLock::new();

/// Before the story: does anybody look on? And what a killed run of this lab has left is removed: its
/// segment has no key, and only the ledger knows it.
pub fn start(words: &ArgMatches) -> Result<()> {
    let patience = (!words.get_flag("unwatched")).then(|| value(words, "patience"));
    let _ = LOOKS_ON.set(patience);
    print::dim(|| {
        note(
            "the lab is a third process: it forks the parent, waits for it, and looks on from outside",
        );
        leftovers::inherit(IPC_PRIVATE)
    })
}

/// Runs `the_parent` in a process of its own, and looks on at it and at its child until both have ended,
/// whatever becomes of them.
pub fn watched(the_parent: impl FnOnce() -> Result<()>) -> Result<Ending> {
    let parent = print::dim(|| child("parent", the_parent))?;
    let Some(patience) = LOOKS_ON.get().copied().flatten() else {
        return print::dim(|| reap(parent)).map(|()| Ending::Well);
    };
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
            [parent, child] if child.status.state == 'Z' && parent.waits(still) => {
                let why = "the child died, and the parent waits for its answer";
                return Err(Failure::Because(exit::PEER_DIED, why.into()));
            }
            [parent, child] if parent.for_good(still) && child.for_good(still) => {
                text(&format!("parent {parent}"));
                text(&format!("child {child}"));
                note("both are asleep; the signal came before pause, and nobody will send another");
                if let Some(parent) = pair.parent.take() {
                    print::dim(|| parent.kill().and_then(|()| parent.wait()))?;
                }
                return Ok(Ending::Asleep);
            }
            _ => {}
        }
    }
    signals::check()?;
    pair.parent.take().map_or(Ok(()), |parent| print::dim(|| reap(parent)))?;
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
        self.asleep_in.is_none_or(|call| [SYS_PAUSE, libc::SYS_rt_sigsuspend].contains(&call))
            && self.waits(still)
    }

    /// The same, or in a read, for one whose child has died.
    fn waits(&self, still: u32) -> bool {
        let calls = [SYS_PAUSE, libc::SYS_rt_sigsuspend, libc::SYS_read];
        let enough = if self.asleep_in.is_some() { still > 0 } else { still > 100 };
        enough
            && self.asleep_in.is_none_or(|call| calls.contains(&call))
            && self.status.state == 'S'
            && self.status.pending & !self.status.blocked == 0
    }
}

/// Part A alone: one of the two waits until the other is asleep in pause, as the kernel says in /proc. So
/// no signal comes before its pause. Nobody in a real program can wait like that.
pub fn until_asleep_in_pause(pid: Pid, who: &str) -> Result<()> {
    if LOOKS_ON.get().copied().flatten().is_none() {
        return Ok(());
    }
    let (mut before, mut still) = (None, 0);
    // One that has ended is told of by its parent; one that is stopped, by the onlooker.
    while let Some(now) = look(pid).filter(|now| now.status.state != 'Z') {
        signals::check()?;
        let there = now.status.state == 'S' && now.asleep_in.is_none_or(|call| call == SYS_PAUSE);
        still = if there && before.as_ref() == Some(&now) { still + 1 } else { 0 };
        match now.asleep_in {
            Some(call) if there => {
                return claim(call == SYS_PAUSE, &format!("{who} is asleep in pause"));
            }
            None if still > 100 => {
                note(&format!("{who} is asleep; this machine does not tell in which call"));
                return Ok(());
            }
            _ => {}
        }
        before = Some(now);
        let _ = poll(&mut [], 1_u16);
    }
    Ok(())
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
