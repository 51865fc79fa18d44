//! The low level of tracing: stops in, resumes out. Who moves next is the caller's to say.
//!
//! | module | what it holds |
//! |---|---|
//! | [`spawn`] | a program, and the signals with which it starts |
//! | [`starter`] | the process from which everything that is watched is forked |
//! | [`filter`] | a seccomp filter that stops the calls we look at, and costs the others nothing |
//! | [`registers`] | a call's number, result and program counter; the rewind |
//! | [`names`] | numbers, spelled as `strace` spells them |
//! | [`memory`] | reads what a call's arguments point at |
//!
//! Every tracee that [`Tracer::wait`] answers stands still until [`Tracer::resume`] lets it go.
//! Sources: ptrace(2), waitpid(2).

use std::collections::{BTreeSet, VecDeque};
use std::{fs, mem, ptr};

use libc::{c_int, c_uint, c_void, siginfo_t};
use nix::errno::Errno;
use nix::sys::ptrace;
use nix::unistd::Pid;

pub mod filter;
pub mod memory;
pub mod names;
pub mod registers;
pub mod spawn;
pub mod starter;

/// A thread, as ptrace and the kernel's tables name it: the main thread's is its process's pid.
pub type Tid = i32;

/// Why a tracee stands still, or that it has ended.
pub enum Stop {
    /// It is new, or was interrupted; it has not made a call since.
    Started,
    /// It is about to make a call. The kernel has not begun it.
    Entry(Entry),
    /// A call has ended, and the program does not know yet. From -4095 to -1: an error, or one of
    /// the kernel's own restart codes (-512 to -516).
    Exit(i64),
    /// A signal is about to be delivered: give it to [`Tracer::resume`], or it is gone.
    Signal(Box<siginfo_t>),
    /// A signal has stopped the whole process: [`How::Listen`] leaves it stopped until SIGCONT.
    Group(c_int),
    /// It has made a child, process or thread, which is traced. Comes before the child's first stop.
    Born(Tid),
    /// It runs another program now. A thread that called exec has become its process's main
    /// thread: this is the number that it had.
    Exec(Tid),
    /// It is going to end, its memory still in place: the status, as wait(2) has it.
    Exiting(c_int),
    /// It has ended with this exit code. Not to be resumed.
    Exited(c_int),
    /// A signal has killed it; with a core or not. Not to be resumed.
    Killed(c_int, bool),
}

/// A call that is about to be made.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// Its number, for this architecture.
    pub number: i64,
    /// Its arguments, as the registers have them.
    pub args: [u64; 6],
    /// It is one of another architecture (32 bits), whose numbers mean other calls.
    pub foreign: bool,
}

/// How a tracee goes on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum How {
    /// Until something happens that stops it: a filtered call, a signal, a child, its end.
    Cont,
    /// The same, and at the next entry to or exit from a call.
    Syscall,
    /// It stays stopped with its process; what ends that is told by `Started`.
    Listen,
}

/// Traces programs. Dropped, or dead, it leaves its tracees as they were spawned: killed with it,
/// or running on.
#[derive(Default)]
pub struct Tracer {
    /// Who lives and has been told of.
    known: BTreeSet<Tid>,
    /// First stops that came before their parents' word of a child.
    early: Vec<(Tid, c_int)>,
    /// What is told before anything else is waited for.
    ready: VecDeque<(Tid, Stop)>,
}

impl Tracer {
    /// Waits for the next stop of any tracee; `None` when there is none left. With `block` false
    /// it answers `Err(EAGAIN)` when nothing has happened. EINTR when a signal came to us.
    pub fn wait(&mut self, block: bool) -> nix::Result<Option<(Tid, Stop)>> {
        loop {
            if let Some(told) = self.ready.pop_front() {
                return Ok(Some(told));
            }
            let mut status = 0;
            let options = libc::__WALL | if block { 0 } else { libc::WNOHANG };
            // nix's waitpid fails for a stop by a real-time signal, and the stop is lost.
            // SAFETY: waitpid writes one int.
            match Errno::result(unsafe { libc::waitpid(-1, &mut status, options) }) {
                Err(Errno::ECHILD) => return Ok(None),
                Err(errno) => return Err(errno),
                Ok(0) => return Err(Errno::EAGAIN),
                Ok(tid) => self.take(tid, status),
            }
        }
    }

    /// Lets a tracee go on that stands still. `signal` is delivered to it, if it is not 0; it counts
    /// only at a [`Stop::Signal`]. ESRCH: it was killed meanwhile, which `wait` will tell.
    pub fn resume(&self, tid: Tid, how: How, signal: c_int) -> nix::Result<()> {
        resume(tid, how, signal)
    }

    /// Takes over a tracee that a [`starter::Starter`] has started, and that stands still. `stop`
    /// is why, and what `wait` tells next.
    pub fn adopt(&mut self, tid: Tid, stop: Stop) {
        self.known.insert(tid);
        self.ready.push_back((tid, stop));
    }

    /// Lets go of a tracee that stands still; it runs on untraced.
    pub fn detach(&mut self, tid: Tid, signal: c_int) -> nix::Result<()> {
        self.known.remove(&tid);
        request_of(libc::PTRACE_DETACH, tid, signal as usize)
    }

    /// Asks a running tracee to stand still: `wait` will tell [`Stop::Started`].
    pub fn interrupt(&self, tid: Tid) -> nix::Result<()> {
        request_of(libc::PTRACE_INTERRUPT, tid, 0)
    }

    /// The living tracees.
    pub fn tracees(&self) -> impl Iterator<Item = Tid> {
        self.known.iter().copied()
    }

    /// Files one status of waitpid as what is told next.
    fn take(&mut self, tid: Tid, status: c_int) {
        let ended = !libc::WIFSTOPPED(status);
        if !self.known.contains(&tid) {
            // A child's first stop, even its end, may come before its parent's word of it.
            self.early.push((tid, status));
            return self.adopt_orphans();
        }
        let Some(stop) = decode_status(tid, status) else { return };
        if let Stop::Exec(former) = stop {
            self.known.remove(&former);
            self.known.insert(tid);
        }
        let child = if let Stop::Born(child) = stop { Some(child) } else { None };
        self.ready.push_back((tid, stop));
        if ended {
            self.known.remove(&tid);
            self.adopt_orphans();
        }
        if let Some(child) = child {
            self.meet(child);
        }
    }

    /// A child has been told of: now its first stop may be, too.
    fn meet(&mut self, child: Tid) {
        self.known.insert(child);
        let (its, others) = mem::take(&mut self.early).into_iter().partition(|one| one.0 == child);
        self.early = others;
        let its: Vec<_> = its;
        its.into_iter().for_each(|(tid, status)| self.take(tid, status));
    }

    /// A parent that is killed before it can tell of its child never will: then we do.
    fn adopt_orphans(&mut self) {
        let orphans: Vec<Tid> = self.early.iter().map(|(tid, _)| *tid).collect();
        for child in orphans {
            let [group, parent] = parents(child);
            let maker = if group == child { parent } else { group };
            if group == 0 && !self.known.is_empty() {
                // It has ended: nobody can say any more whose it was, but somebody may yet.
                continue;
            }
            if !self.known.contains(&maker) && !self.known.contains(&parent) {
                self.ready.push_back((maker, Stop::Born(child)));
                self.meet(child);
            }
        }
    }
}

/// See [`Tracer::resume`].
fn resume(tid: Tid, how: How, signal: c_int) -> nix::Result<()> {
    let request = match how {
        How::Cont => libc::PTRACE_CONT,
        How::Syscall => libc::PTRACE_SYSCALL,
        How::Listen => libc::PTRACE_LISTEN,
    };
    request_of(request, tid, signal as usize)
}

/// The thread group and the parent of a thread, as /proc has them; 0 where it has none.
pub fn parents(tid: Tid) -> [Tid; 2] {
    let text = fs::read_to_string(format!("/proc/{tid}/status")).unwrap_or_default();
    ["Tgid:", "PPid:"].map(|name| {
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        line.and_then(|number| number.trim().parse().ok()).unwrap_or(0)
    })
}

/// `None`: it is no more, and its end will be told; or nothing that anybody needs to know.
fn decode_status(tid: Tid, status: c_int) -> Option<Stop> {
    if libc::WIFEXITED(status) {
        return Some(Stop::Exited(libc::WEXITSTATUS(status)));
    }
    if libc::WIFSIGNALED(status) {
        return Some(Stop::Killed(libc::WTERMSIG(status), libc::WCOREDUMP(status)));
    }
    let (signal, event) = (libc::WSTOPSIG(status), status >> 16);
    match event {
        0 if signal == libc::SIGTRAP | 0x80 => call_stop(tid),
        0 => {
            let info = ptrace::getsiginfo(Pid::from_raw(tid)).ok()?;
            Some(Stop::Signal(Box::new(info)))
        }
        libc::PTRACE_EVENT_SECCOMP => call_stop(tid),
        libc::PTRACE_EVENT_STOP if signal == libc::SIGTRAP => Some(Stop::Started),
        libc::PTRACE_EVENT_STOP => Some(Stop::Group(signal)),
        libc::PTRACE_EVENT_FORK | libc::PTRACE_EVENT_VFORK | libc::PTRACE_EVENT_CLONE => {
            Some(Stop::Born(message(tid)?))
        }
        libc::PTRACE_EVENT_EXEC => Some(Stop::Exec(message(tid)?)),
        libc::PTRACE_EVENT_EXIT => Some(Stop::Exiting(message(tid)?)),
        _ => Some(Stop::Started),
    }
}

/// Entry or exit is asked for, never counted: the two can come apart.
fn call_stop(tid: Tid) -> Option<Stop> {
    let info = ptrace::syscall_info(Pid::from_raw(tid)).ok()?;
    let entry = |number: u64, args| {
        let foreign = info.arch != registers::ARCH || number & registers::FOREIGN != 0;
        Some(Stop::Entry(Entry { number: number as i64, args, foreign }))
    };
    // SAFETY: op says which of the union's members the kernel filled.
    unsafe {
        match info.op {
            libc::PTRACE_SYSCALL_INFO_ENTRY => entry(info.u.entry.nr, info.u.entry.args),
            libc::PTRACE_SYSCALL_INFO_SECCOMP => entry(info.u.seccomp.nr, info.u.seccomp.args),
            libc::PTRACE_SYSCALL_INFO_EXIT => Some(Stop::Exit(info.u.exit.sval)),
            _ => Some(Stop::Started),
        }
    }
}

fn message(tid: Tid) -> Option<c_int> {
    ptrace::getevent(Pid::from_raw(tid)).ok().map(|message| message as c_int)
}

/// One ptrace request with a number as its data. nix's take only signals that have a name.
fn request_of(request: c_uint, tid: Tid, data: usize) -> nix::Result<()> {
    // SAFETY: these requests take a number, and touch no memory of ours.
    Errno::result(unsafe { libc::ptrace(request, tid, ptr::null_mut::<c_void>(), data) }).map(drop)
}

/// Sender and reason of a signal: `si_code`, `si_pid`, `si_uid`; the latter two mean something
/// only if the code says that somebody sent it.
pub fn sender(info: &siginfo_t) -> (c_int, Tid, u32) {
    // SAFETY: the fields are plain numbers in a union that the kernel filled.
    unsafe { (info.si_code, info.si_pid(), info.si_uid()) }
}

/// A record that the kernel fills, before it does.
pub fn zeroed<T: memory::Plain>() -> T {
    // SAFETY: a plain record is numbers alone: zeros are a value of it.
    unsafe { mem::zeroed() }
}
