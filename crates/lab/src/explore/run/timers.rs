//! Timers that go off when we say so: alarms, timers that send a signal, timers that are read. The
//! kernel never arms one. Where it has to be told that one has gone off, the tracer does that.
//!
//! How long calls on a socket may sleep is kept here, too: the kernel is not told.

use std::fs;
use std::mem;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use libc::{c_int, c_ulong, timespec};
use nix::errno::Errno;
use sysv::process;

use super::Result;
use super::model::{Model, State};
use super::programs::Programs;
use crate::event::Action;
use crate::explore::calls::{self, Reply, nanoseconds};
use crate::explore::descriptors::{descriptor, field};
use crate::explore::timing::{Sender, Wish, answer, is_ours, looked_up, rung, wish};
use crate::explore::verdict::Passed;
use crate::syscalls::cells::{Changes, Timing};
use crate::tracer::memory::record;
use crate::tracer::{Entry, How, Tid};

const SECOND: u64 = 1_000_000_000;

/// TFD_IOC_SET_TICKS, <linux/timerfd.h>: a timer has gone off so often, and its readers wake up.
const SET_TICKS: c_ulong = 0x4008_5400;

/// See the module.
pub struct Timer {
    /// The process that has set it, among the processes.
    pub process: usize,
    pub kind: Kind,
    /// When it goes off next, in nanoseconds since the start; `None`: never.
    pub at: Option<u64>,
    /// It goes off again and again, in so many nanoseconds; 0: it does not.
    interval: u64,
}

/// What happens when a timer goes off.
pub enum Kind {
    /// SIGALRM comes.
    Alarm,
    /// A signal comes: for this thread alone, or for its process.
    Signal { id: c_int, sender: Sender },
    /// It can be read, through a descriptor that is also ours.
    File { file: OwnedFd, ticks: u64 },
}

/// Whose timer a call is about.
enum Whose {
    /// Ours: its place.
    Ours(usize),
    /// Nobody's: the call fails.
    Nobodys,
    /// The kernel's alone: it goes by a clock that is not ours.
    Kernels,
}

impl Timer {
    fn is_alarm(&self) -> bool {
        matches!(self.kind, Kind::Alarm)
    }

    /// The signal that it sends.
    pub fn signal(&self) -> Option<c_int> {
        match self.kind {
            Kind::Alarm => Some(libc::SIGALRM),
            Kind::Signal { sender: Sender { signal, .. }, .. } if signal > 0 => Some(signal),
            Kind::Signal { .. } | Kind::File { .. } => None,
        }
    }

    /// When it goes off, if that makes a difference now.
    pub fn due(&self, model: &Model) -> Option<u64> {
        let process = &model.processes[self.process];
        let at = self.at?;
        let Kind::File { file, .. } = &self.kind else {
            let signal = self.signal()?;
            let one =
                if let Kind::Signal { sender, .. } = self.kind { sender.thread } else { None };
            // One that has no handler is waited for where it is blocked, and else kills.
            let is_heard = model.tasks.iter().any(|task| {
                let takes = |entry: &Entry| calls::takes(task.tid, entry, signal);
                task.process == self.process
                    && task.state != State::Gone
                    && one.is_none_or(|one| task.tid == one)
                    && (process.action(signal) == Action::Handler
                        || task.state == State::Asleep && task.entry.as_ref().is_some_and(takes)
                        || calls::blocks(task.tid, signal))
            });
            let tid = one.unwrap_or(process.tgid);
            let waits = || process::status(tid).is_some_and(|s| s.pending >> (signal - 1) & 1 == 1);
            return (process.end.is_none() && is_heard && !waits()).then_some(at);
        };
        let lives = model.tasks.iter().any(|task| task.state != State::Gone);
        (lives && !is_ready(file)).then_some(at)
    }

    /// It goes on from when it was due.
    fn goes_on(&mut self, at: u64) {
        self.at = (self.interval > 0).then(|| at + self.interval);
    }

    /// One that was not read yet has gone off again meanwhile.
    fn catches_up(&mut self, now: u64) {
        let Kind::File { file, ticks } = &mut self.kind else { return };
        let (Some(at), true) = (self.at.filter(|at| *at <= now), self.interval > 0) else { return };
        if is_ready(file) {
            let more = (now - at) / self.interval + 1;
            *ticks += more;
            self.at = Some(at + more * self.interval);
            tell_ticks(file, *ticks);
        }
    }
}

/// Has it gone off, and nobody has read it?
fn is_ready(file: &OwnedFd) -> bool {
    let mut one = libc::pollfd { fd: file.as_raw_fd(), events: libc::POLLIN, revents: 0 };
    // SAFETY: one record, and no wait.
    unsafe { libc::poll(&mut one, 1, 0) == 1 }
}

/// False: this kernel cannot be told (CONFIG_CHECKPOINT_RESTORE).
fn tell_ticks(file: &OwnedFd, ticks: u64) -> bool {
    // SAFETY: it reads one number.
    unsafe { libc::ioctl(file.as_raw_fd(), SET_TICKS, &raw const ticks) == 0 }
}

/// Never, and as new.
fn disarm(file: &OwnedFd, flags: c_int) -> nix::Result<()> {
    let zero = timespec { tv_sec: 0, tv_nsec: 0 };
    let never = libc::itimerspec { it_interval: zero, it_value: zero };
    // SAFETY: it reads one record.
    let done =
        unsafe { libc::timerfd_settime(file.as_raw_fd(), flags, &never, std::ptr::null_mut()) };
    Errno::result(done).map(drop)
}

/// Are both descriptors, each of its process, for the same open file?
fn is_same([one, fd]: [c_int; 2], [other, its]: [c_int; 2]) -> bool {
    /// KCMP_FILE, <linux/kcmp.h>
    const FILE: c_int = 0;
    // SAFETY: it takes numbers.
    unsafe { libc::syscall(libc::SYS_kcmp, one, other, FILE, fd, its) == 0 }
}

/// A descriptor of ours for what a descriptor of a process is.
fn borrowed(tgid: Tid, fd: c_int) -> nix::Result<OwnedFd> {
    let process = process::pidfd_open(tgid)?;
    // SAFETY: it takes numbers.
    let ours = unsafe { libc::syscall(libc::SYS_pidfd_getfd, process.as_raw_fd(), fd, 0) };
    // SAFETY: a new descriptor, that nobody else owns.
    Errno::result(ours).map(|fd| unsafe { OwnedFd::from_raw_fd(fd as c_int) })
}

impl Programs<'_> {
    /// A call about a timer or a socket's limit, which is ours to answer. False: the kernel makes it.
    pub fn keeps_time(&mut self, i: usize, entry: &Entry, how: Changes) -> Result<bool> {
        let (tid, process) = (self.model.tasks[i].tid, self.model.tasks[i].process);
        match how {
            Changes::Timer(timing) => self.set_timer(i, entry, timing),
            Changes::AsksTimer(timing) => match self.timer_of(i, entry, timing) {
                Whose::Ours(at) => {
                    let left = self.left_of(at);
                    self.reply(i, entry, &answer(entry, how, left)).map(|()| true)
                }
                Whose::Nobodys | Whose::Kernels => Ok(false),
            },
            Changes::DeletesTimer => {
                let id = entry.args[0] as c_int;
                self.model.timers.retain(|timer| {
                    let is_it = matches!(timer.kind, Kind::Signal { id: one, .. } if one == id);
                    timer.process != process || !is_it
                });
                Ok(false)
            }
            Changes::SocketLimit => {
                let Some(key) = calls::socket_limit(tid, entry) else { return Ok(false) };
                let whole = entry.args[4] as u32 as usize >= size_of::<libc::timeval>();
                let time: Option<[i64; 2]> = record(tid, entry.args[3]).filter(|_| whole);
                let Some([seconds, micros @ 0..1_000_000]) = time else { return Ok(false) };
                let tv_nsec = micros * 1000;
                let limit = nanoseconds(&timespec { tv_sec: seconds, tv_nsec });
                // A negative one is none, and the kernel's.
                if limit == 0 || seconds < 0 {
                    self.model.sockets.remove(&key);
                    return Ok(false);
                }
                self.model.sockets.insert(key, limit);
                self.reply(i, entry, &Reply { at: 0, words: [], result: 0 }).map(|()| true)
            }
            Changes::AsksSocketLimit => {
                let key = calls::socket_limit(tid, entry);
                let limit = key.and_then(|key| self.model.sockets.get(&key).copied());
                let room: Option<u32> = record(tid, entry.args[4]);
                let (Some(limit), Some(16..)) = (limit, room) else { return Ok(false) };
                let words = [limit / SECOND, limit % SECOND / 1000];
                self.reply(i, entry, &Reply { at: entry.args[3], words, result: 0 }).map(|()| true)
            }
            _ => Ok(false),
        }
    }

    fn set_timer(&mut self, i: usize, entry: &Entry, timing: Timing) -> Result<bool> {
        let Some(wish) = wish(self.model.tasks[i].tid, entry, timing) else { return Ok(false) };
        let at = match self.timer_of(i, entry, timing) {
            Whose::Ours(at) => at,
            Whose::Nobodys => return Ok(false),
            Whose::Kernels => {
                self.model.foreign_timer |= wish.first > 0;
                return Ok(false);
            }
        };
        let left = self.left_of(at);
        let flags = entry.args[1] as c_int;
        let named = matches!(timing, Timing::Signal | Timing::File);
        let clock =
            (named && flags & libc::TIMER_ABSTIME != 0).then(|| self.clock_of(at)).flatten();
        let first = self.clock.moment(clock, wish.first).max(self.clock.now());
        let timer = &mut self.model.timers[at];
        if let Kind::File { file, ticks } = &mut timer.kind {
            // What the flags must not be is the kernel's to say.
            if let Err(errno) = disarm(file, flags) {
                let result = -i64::from(errno as c_int);
                let refused = Reply { at: 0, words: [], result };
                return self.reply(i, entry, &refused).map(|()| true);
            }
            *ticks = 0;
        }
        timer.at = (wish.first > 0).then_some(first);
        timer.interval = wish.interval;
        self.reply(i, entry, &answer(entry, Changes::Timer(timing), left)).map(|()| true)
    }

    /// The timer that a call is about.
    fn timer_of(&mut self, i: usize, entry: &Entry, timing: Timing) -> Whose {
        let process = self.model.tasks[i].process;
        let tgid = self.model.process(i).tgid;
        let id = entry.args[0] as c_int;
        let kind = match timing {
            Timing::Real if id != libc::ITIMER_REAL => return Whose::Kernels,
            Timing::Alarm | Timing::Real => Kind::Alarm,
            Timing::Signal => match looked_up(tgid, id) {
                Some(sender) if is_ours(sender.clock) => Kind::Signal { id, sender },
                Some(_) => return Whose::Kernels,
                None if fs::exists(format!("/proc/{tgid}/timers")).unwrap_or(false) => {
                    return Whose::Nobodys;
                }
                None => return Whose::Kernels,
            },
            Timing::File => {
                let link = descriptor(tgid, entry.args[0]);
                if link.is_none_or(|link| link != "anon_inode:[timerfd]") {
                    return Whose::Nobodys;
                }
                match borrowed(tgid, id) {
                    Ok(file) => Kind::File { file, ticks: 0 },
                    Err(_) => return Whose::Kernels,
                }
            }
        };
        // SAFETY: it takes nothing.
        let me = unsafe { libc::getpid() };
        let known = self.model.timers.iter().position(|timer| match (&timer.kind, &kind) {
            (Kind::Alarm, Kind::Alarm) => timer.process == process,
            (Kind::Signal { id: one, .. }, Kind::Signal { id: other, .. }) => {
                timer.process == process && one == other
            }
            (Kind::File { file: one, .. }, Kind::File { file: other, .. }) => {
                is_same([me, one.as_raw_fd()], [me, other.as_raw_fd()])
            }
            _ => false,
        });
        if let Some(at) = known {
            return Whose::Ours(at);
        }
        // Whether the kernel can be told is tried once, where nobody waits yet.
        if let Kind::File { file, .. } = &kind
            && !(tell_ticks(file, 1) && disarm(file, 0).is_ok())
        {
            return Whose::Kernels;
        }
        self.model.timers.push(Timer { process, kind, at: None, interval: 0 });
        Whose::Ours(self.model.timers.len() - 1)
    }

    /// The clock on which a moment stands.
    fn clock_of(&self, at: usize) -> Option<c_int> {
        let timer = &self.model.timers[at];
        match &timer.kind {
            Kind::Alarm => None,
            Kind::Signal { sender, .. } => Some(sender.clock),
            Kind::File { file, .. } => {
                let path = format!("self/fdinfo/{}", file.as_raw_fd());
                field(&path, "clockid:").and_then(|clock| clock.parse().ok())
            }
        }
    }

    fn left_of(&mut self, at: usize) -> Wish {
        let timer = &mut self.model.timers[at];
        timer.catches_up(self.clock.now());
        // 0 would mean that it is not set.
        let first = timer.at.map_or(0, |at| self.clock.left(Some(at)).max(1));
        Wish { first, interval: timer.interval }
    }

    /// Answers a call that the kernel does not make.
    fn reply<const N: usize>(&mut self, i: usize, entry: &Entry, reply: &Reply<N>) -> Result<()> {
        if !self.skip(i)? {
            return Ok(());
        }
        self.write(i, reply.at, &reply.words)?;
        self.set_result(i, reply.result)?;
        self.touched.ended(entry, reply.result);
        if self.narrator.wanted {
            self.narrator.call(&mut self.model, i, Some(reply.result));
        }
        self.tracees.go_on(i, How::Cont, 0)
    }

    /// A timer goes off.
    pub fn ring(&mut self, at: usize) {
        let timer = &mut self.model.timers[at];
        let Some(due) = timer.at else { return };
        timer.goes_on(due);
        let process = timer.process;
        if !matches!(timer.kind, Kind::File { .. }) {
            self.model.signal_comes(Some(process));
        }
        let timer = &mut self.model.timers[at];
        let tgid = self.model.processes[process].tgid;
        match &mut timer.kind {
            Kind::File { file, ticks } => {
                *ticks = 1;
                tell_ticks(file, 1);
            }
            Kind::Alarm => {
                // SAFETY: a tracee that we have not reaped: the number is its own.
                unsafe { libc::kill(tgid, libc::SIGALRM) };
            }
            Kind::Signal { id, sender } => {
                let info = rung(*id, sender);
                let (number, info) = (sender.signal, &raw const info);
                // SAFETY: likewise; it reads one record.
                unsafe {
                    match sender.thread {
                        Some(tid) => {
                            libc::syscall(libc::SYS_rt_tgsigqueueinfo, tgid, tid, number, info)
                        }
                        None => libc::syscall(libc::SYS_rt_sigqueueinfo, tgid, number, info),
                    }
                };
            }
        }
    }

    /// A process may read what has gone off while it was not looked at.
    pub fn catch_up(&mut self) {
        let now = self.clock.now();
        self.model.timers.iter_mut().for_each(|timer| timer.catches_up(now));
    }
}

impl Model {
    /// What the passing of time does: a timer goes off, or a wait is over.
    pub fn passed(&self, timer: Option<usize>) -> Passed {
        match timer.map(|at| &self.timers[at].kind) {
            None => Passed::Wait,
            Some(Kind::Alarm) => Passed::Alarm,
            Some(_) => Passed::Timer,
        }
    }

    /// Is what time does next for a thread that a timer can be read?
    pub fn is_read(&self, i: usize) -> bool {
        let at = self.due(i).and_then(|(_, timer)| timer);
        at.is_some_and(|at| matches!(self.timers[at].kind, Kind::File { .. }))
    }

    /// Will a timer send a signal to its process, if nothing else happens? One that is heard would have
    /// come already.
    pub fn kills_by_time(&self, i: usize) -> bool {
        let process = self.tasks[i].process;
        let set = |timer: &Timer| timer.at.is_some() && timer.signal().is_some();
        self.timers.iter().any(|timer| timer.process == process && set(timer))
    }

    /// Its process's timers are gone; one that is read lives as long as it is open.
    pub fn end_timers(&mut self, process: usize, alarms: bool) {
        self.timers.retain(|timer| {
            let stays = matches!(timer.kind, Kind::File { .. }) || timer.is_alarm() && !alarms;
            timer.process != process || stays
        });
    }

    /// Timers that nobody has open, or only this descriptor, which is being closed, are gone.
    pub fn forget_closed(&mut self, closing: Option<(Tid, c_int)>) {
        if !self.timers.iter().any(|timer| matches!(timer.kind, Kind::File { .. })) {
            return;
        }
        // SAFETY: it takes nothing.
        let me = unsafe { libc::getpid() };
        let mut timers = mem::take(&mut self.timers);
        timers.retain(|timer| {
            let Kind::File { file, .. } = &timer.kind else { return true };
            let living = self.processes.iter().filter(|process| process.end.is_none());
            living.flat_map(|one| open_timers(one.tgid)).any(|(tgid, fd)| {
                closing != Some((tgid, fd)) && is_same([me, file.as_raw_fd()], [tgid, fd])
            })
        });
        self.timers = timers;
    }
}

/// The descriptors of a process that are timers.
fn open_timers(tgid: Tid) -> Vec<(Tid, c_int)> {
    let one = |entry: std::io::Result<fs::DirEntry>| {
        let entry = entry.ok()?;
        let fd = entry.file_name().to_str()?.parse().ok()?;
        let link = fs::read_link(entry.path()).ok()?;
        (link.to_str() == Some("anon_inode:[timerfd]")).then_some((tgid, fd))
    };
    fs::read_dir(format!("/proc/{tgid}/fd")).into_iter().flatten().filter_map(one).collect()
}
