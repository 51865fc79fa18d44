//! The low level of tracing: stops in, resumes out. The caller decides which tracee moves next.
//!
//! | module | what it holds |
//! |---|---|
//! | [`thread`] | a thread that stands still, and one that runs |
//! | [`program`] | a program, and the signals with which it starts |
//! | [`starter`] | the process from which everything that is watched is forked |
//! | [`refused`] | why one could not be started, or not be traced |
//! | [`cpu`] | tracer and traced on one CPU |
//! | [`filter`] | a seccomp filter that stops the calls we look at, and costs the others nothing |
//! | [`registers`] | a call's number, result and program counter; the rewind |
//! | [`faults`] | the signals that an instruction raises |
//! | [`memory`] | reads and writes what a call's arguments point at |
//! | [`auxv`] | what the kernel puts on the stack of a new program, and what is removed here |
//! | [`instruction`] | what the next instruction does with memory |
//! | [`caller`] | which line of the program's own source is at work |
//! | [`functions`] | which function begins at an address |
//! | [`source`] | where in its source an instruction stands, or a call was made |
//! | [`unwind`] | from a frame of the stack to its caller's |
//! | [`names`] | signals and flags, spelled as `strace` spells them |
//!
//! Sources: ptrace(2), waitpid(2).

use std::collections::{BTreeSet, VecDeque};
use std::{fs, mem};

use libc::{c_int, siginfo_t};
use nix::errno::Errno;
use nix::sys::ptrace;
use nix::unistd::Pid;

#[cfg(target_arch = "x86_64")]
pub mod auxv;
#[cfg(target_arch = "x86_64")]
pub mod caller;
pub mod cpu;
pub mod faults;
pub mod file_names;
pub mod filter;
#[cfg(target_arch = "x86_64")]
pub mod functions;
#[cfg(target_arch = "x86_64")]
pub mod instruction;
pub mod memory;
pub mod names;
pub mod program;
pub mod refused;
pub mod registers;
#[cfg(target_arch = "x86_64")]
pub mod source;
pub mod starter;
pub mod thread;
#[cfg(target_arch = "x86_64")]
pub mod unwind;

pub use thread::{How, Running, Stopped};

/// A thread, as ptrace and the kernel's tables name it: the main thread's is its process's pid.
pub type Tid = i32;

/// A report about a tracee.
#[derive(Debug)]
pub enum Told {
    /// It stands still, and why.
    Stopped(Stopped, Stop),
    /// It has ended.
    Ended(Tid, Death),
    /// It is new, and its maker was killed before that could be reported.
    Orphan(Tid),
}

/// How a thread has ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Death {
    /// With this exit code.
    Exited(c_int),
    /// A signal has killed it; with a core or not.
    Killed { signal: c_int, core: bool },
}

/// Why a tracee stands still.
#[derive(Debug)]
pub enum Stop {
    /// It is new, or was interrupted; it has not made a call since.
    Started,
    /// It is about to make a call. The kernel has not begun it.
    Entry(Entry),
    /// A call has ended, and the program does not know yet. From -4095 to -1: an error, or one of
    /// the kernel's own restart codes (-512 to -516).
    Exit(i64),
    /// A signal is about to be delivered: give it to [`Stopped::resume`], or it is gone.
    Signal(Box<siginfo_t>),
    /// A signal has stopped the whole process: [`How::Listen`] leaves it stopped until SIGCONT.
    Group(c_int),
    /// It has made a child, process or thread, which is traced. Comes before the child's first stop.
    Born(Tid),
    /// It runs another program now. A thread that called exec has become its process's main
    /// thread: this is the number that it had.
    Exec(Tid),
    /// It is about to end, and its memory is still there. Only if [`Stopped::tells_its_end`] has asked.
    Ends,
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
    /// A number for the place in the program where it is made: instruction and stack.
    pub place: u64,
}

/// Receives the reports about tracees. When it is dropped, or dies, they are killed with it or run
/// on, depending on how they were started.
#[derive(Default)]
pub struct Tracer {
    /// The tracees that live and were reported.
    known: BTreeSet<Tid>,
    /// First statuses that came before their parents' word of a child.
    early: Vec<(Tid, c_int)>,
    /// Reports that come before the next wait.
    ready: VecDeque<Told>,
}

impl Tracer {
    /// Waits for the next report about any tracee; `None` when there is none left. EINTR when a
    /// signal came to us.
    pub fn wait(&mut self) -> nix::Result<Option<Told>> {
        loop {
            if let Some(told) = self.ready.pop_front() {
                return Ok(Some(told));
            }
            match waitpid(-1, 0) {
                Err(Errno::ECHILD) => return Ok(None),
                Err(errno) => return Err(errno),
                Ok(None) => {}
                Ok(Some((tid, status))) => self.take(tid, status),
            }
        }
    }

    /// Waits for the next report about one; with `block` false, `None` if there is none yet. EINTR
    /// when a signal came to us. If one has disappeared without a report (another thread of its
    /// process has called exec), it was killed.
    pub fn wait_for(&mut self, tid: Tid, block: bool) -> nix::Result<Option<Told>> {
        if let Some(at) = self.ready.iter().position(|told| told.tid() == tid) {
            return Ok(self.ready.remove(at));
        }
        let options = if block { 0 } else { libc::WNOHANG };
        loop {
            let told = match waitpid(tid, options) {
                Ok(None) => return Ok(None),
                Ok(Some((tid, status))) => decode(tid, status),
                Err(Errno::ECHILD) => {
                    Some(Told::Ended(tid, Death::Killed { signal: libc::SIGKILL, core: false }))
                }
                Err(errno) => return Err(errno),
            };
            if told.is_some() {
                return Ok(told);
            }
        }
    }

    /// Lets one make a step, and waits for its next report. `None`: it was another than that of a step, and
    /// comes with the next wait; before, it is made as it was.
    pub fn step(
        &mut self,
        thread: Stopped,
        make_as_it_was: impl FnOnce(&Stopped) -> nix::Result<()>,
    ) -> nix::Result<Option<Stopped>> {
        let tid = thread.tid();
        thread.resume(How::Step, 0)?;
        loop {
            match waitpid(tid, 0) {
                Err(Errno::EINTR) | Ok(None) => {}
                Err(errno) => return Err(errno),
                Ok(Some((tid, status))) => match decode(tid, status) {
                    Some(Told::Stopped(thread, stop)) if stop.is_step() => return Ok(Some(thread)),
                    Some(Told::Stopped(thread, Stop::Started)) => {
                        thread.resume(How::Step, 0)?;
                    }
                    told => {
                        if let Some(Told::Stopped(thread, _)) = &told {
                            make_as_it_was(thread)?;
                        }
                        self.take(tid, status);
                        return Ok(None);
                    }
                },
            }
        }
    }

    /// Returns this report next, before any other about the same tracee.
    pub fn put_back(&mut self, told: Told) {
        self.ready.push_front(told);
    }

    /// Was something of it put back?
    pub fn has_put_back(&self, tid: Tid) -> bool {
        self.ready.iter().any(|told| told.tid() == tid)
    }

    /// Forgets what was put back of one that is going to be killed.
    pub fn drop_put_back(&mut self, tid: Tid) {
        self.ready.retain(|told| told.tid() != tid);
    }

    /// Takes over a tracee that a [`starter::Starter`] has started. This report comes next.
    pub fn adopt(&mut self, told: Told) {
        self.known.insert(told.tid());
        self.ready.push_back(told);
    }

    /// The living tracees.
    pub fn tracees(&self) -> impl Iterator<Item = Tid> {
        self.known.iter().copied()
    }

    /// Stores one status of waitpid as the next report.
    fn take(&mut self, tid: Tid, status: c_int) {
        if !self.known.contains(&tid) {
            // A child's first stop, even its end, may come before its parent's word of it.
            self.early.push((tid, status));
            return self.adopt_orphans();
        }
        let Some(told) = decode(tid, status) else { return };
        let (mut child, mut ended) = (None, false);
        match &told {
            Told::Stopped(_, Stop::Exec(former)) => {
                self.known.remove(former);
                self.known.insert(tid);
            }
            Told::Stopped(_, Stop::Born(born)) => child = Some(*born),
            Told::Stopped(..) | Told::Orphan(_) => {}
            Told::Ended(..) => ended = true,
        }
        self.ready.push_back(told);
        if ended {
            self.known.remove(&tid);
            self.adopt_orphans();
        }
        if let Some(child) = child {
            self.meet(child);
        }
    }

    /// A child was reported: now its first stop may be, too.
    fn meet(&mut self, child: Tid) {
        self.known.insert(child);
        let (its, others) = mem::take(&mut self.early).into_iter().partition(|one| one.0 == child);
        self.early = others;
        let its: Vec<_> = its;
        its.into_iter().for_each(|(tid, status)| self.take(tid, status));
    }

    /// If a parent is killed before its child is reported, the kernel never reports the child: then
    /// we do.
    fn adopt_orphans(&mut self) {
        let orphans: Vec<Tid> = self.early.iter().map(|(tid, _)| *tid).collect();
        for child in orphans {
            let [group, parent] = parents(child);
            let maker = if group == child { parent } else { group };
            if group == 0 && !self.known.is_empty() {
                // It has ended: its parent cannot be found any more, but may still report it.
                continue;
            }
            if !self.known.contains(&maker) && !self.known.contains(&parent) {
                self.ready.push_back(Told::Orphan(child));
                self.meet(child);
            }
        }
    }
}

impl Stop {
    /// Is it the report of [`How::Step`]? Linux 6.1 says TRAP_BRKPT in an emulator. A breakpoint of the
    /// program's own says SI_KERNEL.
    pub fn is_step(&self) -> bool {
        matches!(self, Stop::Signal(info) if info.si_signo == libc::SIGTRAP
            && matches!(info.si_code, libc::TRAP_TRACE | libc::TRAP_BRKPT))
    }
}

impl Told {
    /// The thread that it is about.
    pub fn tid(&self) -> Tid {
        match self {
            Told::Stopped(stopped, _) => stopped.tid(),
            Told::Ended(tid, _) | Told::Orphan(tid) => *tid,
        }
    }
}

/// The number by which a thread is known where it lives: in the innermost pid namespace. 0: it cannot be had.
pub fn number_inside(tid: Tid) -> Tid {
    let text = fs::read_to_string(format!("/proc/{tid}/status")).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("NSpid:"));
    let last = line.and_then(|numbers| numbers.split_whitespace().last());
    last.and_then(|last| last.parse().ok()).unwrap_or(0)
}

/// One status; `None`: nothing has happened yet. nix's waitpid fails for a stop by a real-time
/// signal, and the stop is lost.
fn waitpid(tid: Tid, options: c_int) -> nix::Result<Option<(Tid, c_int)>> {
    let mut status = 0;
    // SAFETY: waitpid writes one int.
    let got = Errno::result(unsafe { libc::waitpid(tid, &mut status, libc::__WALL | options) })?;
    Ok((got != 0).then_some((got, status)))
}

/// The thread group and the parent of a thread, as /proc has them; 0 where it has none.
pub fn parents(tid: Tid) -> [Tid; 2] {
    let text = fs::read_to_string(format!("/proc/{tid}/status")).unwrap_or_default();
    ["Tgid:", "PPid:"].map(|name| {
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        line.and_then(|number| number.trim().parse().ok()).unwrap_or(0)
    })
}

/// `None`: it has ended, and its end will be reported.
fn decode(tid: Tid, status: c_int) -> Option<Told> {
    if libc::WIFEXITED(status) {
        return Some(Told::Ended(tid, Death::Exited(libc::WEXITSTATUS(status))));
    }
    if libc::WIFSIGNALED(status) {
        let (signal, core) = (libc::WTERMSIG(status), libc::WCOREDUMP(status));
        return Some(Told::Ended(tid, Death::Killed { signal, core }));
    }
    let (signal, event) = (libc::WSTOPSIG(status), status >> 16);
    let stop = match event {
        0 if signal == libc::SIGTRAP | 0x80 => call_stop(tid)?,
        0 => Stop::Signal(Box::new(ptrace::getsiginfo(Pid::from_raw(tid)).ok()?)),
        libc::PTRACE_EVENT_SECCOMP => call_stop(tid)?,
        libc::PTRACE_EVENT_STOP if signal == libc::SIGTRAP => Stop::Started,
        libc::PTRACE_EVENT_STOP => Stop::Group(signal),
        libc::PTRACE_EVENT_FORK | libc::PTRACE_EVENT_VFORK | libc::PTRACE_EVENT_CLONE => {
            Stop::Born(message(tid)?)
        }
        libc::PTRACE_EVENT_EXEC => Stop::Exec(message(tid)?),
        libc::PTRACE_EVENT_EXIT => Stop::Ends,
        _ => Stop::Started,
    };
    Some(Told::Stopped(Stopped::told(tid), stop))
}

/// Entry or exit is asked for, never counted: the two can come apart.
fn call_stop(tid: Tid) -> Option<Stop> {
    let info = ptrace::syscall_info(Pid::from_raw(tid)).ok()?;
    let place = info.instruction_pointer ^ info.stack_pointer.rotate_left(32);
    let entry = |number: u64, args| {
        let foreign = info.arch != registers::ARCH || number & registers::FOREIGN != 0;
        Some(Stop::Entry(Entry { number: number as i64, args, foreign, place }))
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

/// The sender of a signal and its reason: `si_code`, `si_pid`, `si_uid`; the latter two mean
/// something only if the code says that a process sent it.
pub fn sender(info: &siginfo_t) -> (c_int, Tid, u32) {
    // SAFETY: the fields are plain numbers in a union that the kernel filled.
    unsafe { (info.si_code, info.si_pid(), info.si_uid()) }
}

/// The address whose access raised SIGSEGV or SIGBUS, if the kernel tells it.
pub fn fault(info: &siginfo_t) -> Option<u64> {
    let tells = [libc::SIGSEGV, libc::SIGBUS].contains(&info.si_signo);
    // SI_KERNEL, 0x80: there is no address.
    let tells = tells && (1..0x80).contains(&info.si_code);
    // SAFETY: the kernel filled this field of the union for these two signals.
    tells.then(|| unsafe { info.si_addr() } as u64)
}

/// A record that the kernel fills, before it does.
pub fn zeroed<T: memory::Plain>() -> T {
    // SAFETY: a plain record is numbers alone: zeros are a value of it.
    unsafe { mem::zeroed() }
}
