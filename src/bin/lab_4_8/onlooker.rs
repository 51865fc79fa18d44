//! The onlooker: a third process, which sees from outside what the two cannot: that both are asleep.
//!
//! Nobody is asked to wait for a time that "must be enough". Both sleep for good when both are in
//! pause or sigsuspend, no signal is on its way to either, and neither has moved between two looks.

use std::fmt;
use std::os::fd::OwnedFd;
use std::sync::OnceLock;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use clap::ArgMatches;
use lablib::child::{self, Child};
use lablib::print::{claim, note, text, translated};
use lablib::{Failure, Patience, Result, exit, leftovers, print, say, signals, value};
use libc::{IPC_PRIVATE, c_long};
use nix::fcntl::OFlag;
use nix::poll::poll;
use nix::sys::wait::WaitStatus;
use nix::unistd::{Pid, pipe2, read, write};
use sysv::process::{SYS_PAUSE, Status, asleep_in, ended_with, status};
use sysv::tables;
use sysv::tables::{Kind, Row};

/// How a pair ended that did not fail.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Ending {
    /// Both did what they had to.
    Well,
    /// Both sleep, and no signal is pending for either.
    Lost,
    /// Both sleep, and a signal is pending that they block.
    Blocked,
}

impl Ending {
    /// Fails unless it ended well.
    pub fn well(self) -> Result<()> {
        match self {
            Ending::Well => Ok(()),
            _ => Err(Failure::Because(exit::PEER_SILENT, self.to_string())),
        }
    }
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(translated(match self {
            Ending::Well => "both have ended",
            Ending::Lost => "both are asleep, no signal is pending, and nobody will send another",
            Ending::Blocked => {
                "both are asleep, and a signal is pending that is blocked: no wait lets it in"
            }
        }))
    }
}

/// Time between two looks; nothing depends on it but how soon a verdict comes.
const LOOK: Duration = Duration::from_millis(10);
/// For how long one sleeps that is taken to be in pause, where the kernel does not tell.
const BLIND: Duration = Duration::from_millis(100);

/// A parent and, once it has said so, its child. Both have ended when this is dropped.
struct Pair {
    parent: Option<Child>,
    pid: Pid,
    child: Option<Pid>,
    /// Where the parent says what fork has answered.
    news: Option<OwnedFd>,
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

impl Pair {
    /// One look at each of the two that is there, the parent first.
    fn look(&mut self) -> Vec<Look> {
        let mut pid = [0; size_of::<i32>()];
        if self.child.is_none()
            && let Some(news) = &self.news
            && read(news, &mut pid) == Ok(pid.len())
        {
            self.child = Some(Pid::from_raw(i32::from_ne_bytes(pid)));
        }
        let child = self.child.and_then(look);
        // Reaped, its number may be another's by now.
        let child = child.filter(|child| child.status.parent == self.pid.as_raw());
        look(self.pid).into_iter().chain(child).collect()
    }
}

/// How long one may be silent that owes an answer; `None` in a run that nobody looks on at.
static LOOKS_ON: OnceLock<Option<Patience>> = OnceLock::new();
/// In the parent: where it says to the onlooker what fork has answered.
static TO_ONLOOKER: OnceLock<OwnedFd> = OnceLock::new();

/// Before the story: does anybody look on? And what a killed run of this lab has left is removed: its
/// segment has no key, and only the ledger knows it.
pub fn start(words: &ArgMatches) -> Result<()> {
    let patience = (!words.get_flag("unwatched")).then(|| value(words, "patience"));
    let _ = LOOKS_ON.set(patience);
    print::ALONE.store(patience.is_none(), Relaxed);
    print::dim(|| {
        note(
            "the lab is a third process: it forks the parent, waits for it, and looks on from outside",
        );
        leftovers::inherit(IPC_PRIVATE)
    })
}

/// In the parent: forks its child, and says to the onlooker what fork has answered. Another process whose
/// parent is ours may be `ipcs`.
pub fn child(name: &'static str, body: impl FnOnce() -> Result<()>) -> Result<Child> {
    let child = child::child(name, body)?;
    if let Some(to) = TO_ONLOOKER.get() {
        write(to, &child.pid.as_raw().to_ne_bytes()).map_err(Failure::of("write"))?;
    }
    Ok(child)
}

/// Runs `the_parent` in a process of its own, and looks on at it and at its child until both have ended,
/// whatever becomes of them.
pub fn watched(the_parent: impl FnOnce() -> Result<()>) -> Result<Ending> {
    let Some(patience) = LOOKS_ON.get().copied().flatten() else {
        let parent = print::dim(|| child::child("parent", the_parent))?;
        return print::dim(|| reap(parent)).map(|()| Ending::Well);
    };
    let pipe = pipe2(OFlag::O_CLOEXEC | OFlag::O_NONBLOCK).map_err(Failure::of("pipe2"))?;
    let (news, to_onlooker) = (Some(pipe.0), pipe.1);
    let parent = print::dim(|| {
        child::child("parent", || {
            let _ = TO_ONLOOKER.set(to_onlooker);
            the_parent()
        })
    })?;
    let mut pair = Pair { pid: parent.pid, parent: Some(parent), child: None, news };
    let (mut before, mut still, mut silent) = (vec![], Duration::ZERO, Duration::ZERO);
    while !pair.parent.as_ref().is_none_or(|parent| parent.has_ended(LOOK).unwrap_or(true)) {
        signals::check()?;
        let now = pair.look();
        let stopped = now.iter().find(|one| one.status.state == 'T');
        silent = if stopped.is_some() { silent + LOOK } else { Duration::ZERO };
        if let Some(one) = stopped.filter(|_| patience.is_some_and(|limit| silent >= limit)) {
            let why = say!("{} is silent: it was stopped (state T), and owes an answer", one.pid);
            return Err(Failure::Because(exit::PEER_SILENT, why));
        }
        // Nothing has moved between two looks, and nothing is on its way. Where the kernel does not tell
        // in which call (no ptrace), that must be so for as long as one may be silent.
        still = if now == before { still + LOOK } else { Duration::ZERO };
        before = now;
        let told = before.iter().all(|one| one.asleep_in.is_some() || one.status.state == 'Z');
        let enough = if told { Some(LOOK) } else { patience };
        if enough.is_none_or(|enough| still < enough) {
            continue;
        }
        if let Some(ending) = judge(&before)? {
            if let Some(parent) = pair.parent.take() {
                print::dim(|| parent.kill().and_then(|()| parent.wait()))?;
            }
            return Ok(ending);
        }
    }
    signals::check()?;
    pair.parent.take().map_or(Ok(()), |parent| print::dim(|| reap(parent)))?;
    Ok(Ending::Well)
}

/// What can still happen between two that have not moved? `None`: something. `Err`: the child has ended,
/// and the parent does not go on.
fn judge(pair: &[Look]) -> Result<Option<Ending>> {
    let sleeps = |one: &Look| one.is_in(&[SYS_PAUSE, libc::SYS_rt_sigsuspend]);
    match pair {
        [parent, child] if child.status.state == 'Z' => {
            if !parent.is_in(&[SYS_PAUSE, libc::SYS_rt_sigsuspend, libc::SYS_read]) {
                return Ok(None);
            }
            let Some(status) = ended_with(child.pid.as_raw()) else { return Ok(None) };
            let ended = WaitStatus::from_raw(child.pid, status).map_err(Failure::of("waitpid"))?;
            told_of(&say!("the child, {},", child.pid), ended)?;
            let why = "the child has ended well, and the parent still sleeps: the child's signal came \
                       before the parent's pause, or never";
            Err(Failure::Because(exit::PEER_SILENT, why.into()))
        }
        [parent, child] if sleeps(parent) && sleeps(child) => {
            text(say!("parent {parent}"));
            text(say!("child {child}"));
            let pending = pair.iter().any(|one| one.status.pending != 0);
            let ending = if pending { Ending::Blocked } else { Ending::Lost };
            note(ending.to_string());
            Ok(Some(ending))
        }
        _ => Ok(None),
    }
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
    /// Asleep in one of these calls, as far as the kernel tells, with nothing on its way that would end it?
    fn is_in(&self, calls: &[c_long]) -> bool {
        self.asleep_in.is_none_or(|call| calls.contains(&call))
            && self.status.state == 'S'
            && self.status.pending & !self.status.blocked == 0
    }
}

/// Part A alone: one of the two waits until the other is asleep in pause, as the kernel says in /proc. So
/// no signal comes before its pause. Nobody in a real program can wait like that.
pub fn until_asleep_in_pause(pid: Pid, who: &str) -> Result<()> {
    let who = translated(who);
    let Some(patience) = LOOKS_ON.get().copied().flatten() else { return Ok(()) };
    let (mut before, mut since) = (None, Instant::now());
    // One that has ended is told of by its parent; one that is stopped, by the onlooker.
    while let Some(now) = look(pid).filter(|now| now.status.state != 'Z') {
        signals::check()?;
        let there = now.status.state == 'S' && now.asleep_in.is_none_or(|call| call == SYS_PAUSE);
        if before.as_ref() != Some(&now) || now.status.state == 'T' {
            since = Instant::now();
        }
        match now.asleep_in {
            Some(call) if there => {
                return claim(call == SYS_PAUSE, say!("{who} is asleep in pause"));
            }
            None if there && since.elapsed() > BLIND => {
                note(say!("{who} is asleep; this machine does not tell in which call"));
                return Ok(());
            }
            Some(_) if patience.is_some_and(|limit| since.elapsed() > limit) => {
                note(say!("{who} does not come to its pause: this signal may be lost"));
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
        let call = match self.asleep_in {
            Some(SYS_PAUSE) => "asleep in pause",
            Some(libc::SYS_rt_sigsuspend) => "asleep in sigsuspend",
            _ => "asleep",
        };
        let (asleep, pending) = (translated(call), self.status.pending);
        f.write_str(&say!("{}: {asleep}; signals pending: {pending:#x}", self.pid))
    }
}

/// Waits for a child, and says so if it was killed.
pub fn reap(child: Child) -> Result<()> {
    let who = child.pid.to_string();
    told_of(&who, child.wait()?)
}

/// How `who` has ended, unless it ended well; one that failed has said why itself.
fn told_of(who: &str, ended: WaitStatus) -> Result<()> {
    match ended {
        WaitStatus::Exited(_, 0) => Ok(()),
        WaitStatus::Exited(_, code) => Err(Failure::Told(code as u8)),
        WaitStatus::Signaled(_, signal, _) => {
            Err(Failure::Because(exit::PEER_DIED, say!("{who} died: killed by {signal}")))
        }
        other => Err(Failure::Because(exit::PEER_DIED, say!("{who} died: {other:?}"))),
    }
}
