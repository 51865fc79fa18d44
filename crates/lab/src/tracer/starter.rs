//! The process from which everything that is watched is forked.
//!
//! It puts itself under the filter once, and what it forks has the filter, too: the kernel makes
//! one filter for a whole run of `lab`, however many programs are started. (Filters that were made
//! and freed hundreds of times a second have stuck a kernel for good.) Whatever else may be stuck in
//! a kernel (namespaces) is also made here, so that `lab` itself never is.
//!
//! A filter that asks for a tracer answers ENOSYS where there is none, so the starter is traced
//! itself. Between two programs it stands at a SIGSTOP that it has sent itself and never gets.
//! What it forks is our child (CLONE_PARENT), and traced from its first instruction.

use std::ffi::{CString, OsString};
use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStringExt;
use std::time::Duration;
use std::{mem, ptr};

use libc::c_int;
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::ptrace::Options;
use nix::unistd::{ForkResult, Pid, fork, pipe2};

use super::filter::Filter;
use super::program::Program;
use super::refused::{LIMIT, Refused};
use super::{Death, Entry, How, Running, Stop, Stopped, Tid, Told, decode};
use crate::asked::{self, Ended, Patience};

/// So long may one that was killed take to end.
pub const DEATH: Duration = Duration::from_secs(5);

/// What a starter is to start, and how.
pub struct Plan<'a> {
    /// The programs that it can start, as often as is wanted.
    pub programs: &'a [Program],
    /// The calls to stop at; without it, all, if a tracee is resumed with [`How::Syscall`].
    pub filter: Option<&'a Filter>,
    /// What it starts runs on, untraced, when the tracer dies. Else the kernel kills it.
    pub outlives_tracer: bool,
    /// Done once, in the starter, before the filter. What it starts inherits what this does.
    pub prepare: &'a dyn Fn() -> Result<(), String>,
    /// Done in each child before exec, for the n-th program. It may only make system calls: no
    /// allocation, no lock.
    pub in_child: &'a dyn Fn(Order) -> nix::Result<()>,
}

/// One start.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct Order {
    /// Which of the programs.
    pub program: c_int,
    /// The number that it is to have in its pid namespace; 0: any.
    pub number: c_int,
}

/// What a child does on its way to the program.
const STEPS: [&str; 3] = ["clone", "prepare", "execve"];

/// See the module. Dropped, it is killed; what it has started lives on.
pub struct Starter {
    pid: Tid,
    /// Where it waits for orders.
    held: Option<Stopped>,
    orders: File,
    reports: File,
    outlives_tracer: bool,
    filtered: bool,
}

/// The reports about the starter and about all that it starts.
pub(super) const OPTIONS: Options = Options::PTRACE_O_TRACESYSGOOD
    .union(Options::PTRACE_O_TRACEFORK)
    .union(Options::PTRACE_O_TRACEVFORK)
    .union(Options::PTRACE_O_TRACECLONE)
    .union(Options::PTRACE_O_TRACEEXEC)
    .union(Options::PTRACE_O_TRACESECCOMP);

impl Starter {
    /// Forks the starter, and waits until it is ready.
    pub fn new(plan: &Plan) -> Result<Starter, Refused> {
        let executables =
            plan.programs.iter().map(Executable::of).collect::<Result<Vec<_>, _>>()?;
        let pipe = || pipe2(OFlag::O_CLOEXEC).map_err(|errno| Refused::Call("pipe", errno));
        let ((inbox, orders), (reports, outbox)) = (pipe()?, pipe()?);
        // SAFETY: we have one thread.
        match unsafe { fork() }.map_err(|errno| Refused::Call("fork", errno))? {
            ForkResult::Child => {
                drop((orders, reports));
                let post = Post { inbox: File::from(inbox), outbox: File::from(outbox) };
                post.serve(plan, &executables)
            }
            ForkResult::Parent { child } => {
                drop((inbox, outbox));
                let (orders, reports) = (File::from(orders), File::from(reports));
                let (outlives_tracer, filtered) = (plan.outlives_tracer, plan.filter.is_some());
                let mut starter = Starter {
                    pid: child.as_raw(),
                    held: None,
                    orders,
                    reports,
                    outlives_tracer,
                    filtered,
                };
                starter.begin()?;
                Ok(starter)
            }
        }
    }

    /// The starter's process.
    pub fn pid(&self) -> Tid {
        self.pid
    }

    /// Seizes it, and lets it prepare itself.
    fn begin(&mut self) -> Result<(), Refused> {
        // It must not go on forking when it is not held any more.
        Running::seize(self.pid, OPTIONS | Options::PTRACE_O_EXITKILL).map_err(Refused::Ptrace)?;
        self.send(Order { program: -1, number: 0 })?;
        self.until_ready().map(drop)
    }

    fn send(&mut self, order: Order) -> Result<(), Refused> {
        let words = [order.program.to_ne_bytes(), order.number.to_ne_bytes()].concat();
        let sent = self.orders.write_all(&words);
        sent.map_err(|_| Refused::Call("write", Errno::EPIPE))
    }

    /// Follows it to where it waits for orders. Answers the child that it made on the way.
    fn until_ready(&mut self) -> Result<Option<Tid>, Refused> {
        let patience = Patience::of(LIMIT);
        let mut child = None;
        loop {
            let Told::Stopped(starter, stop) = next(self.pid, &patience)? else {
                return Err(self.refusal());
            };
            match stop {
                Stop::Signal(info) if info.si_signo == libc::SIGSTOP => {
                    self.held = Some(starter);
                    return Ok(child);
                }
                Stop::Born(born) => child = Some(born),
                // Signals are for us, or for the programs.
                _ => {}
            }
            starter.resume(How::Cont, 0).map_err(Refused::Ptrace)?;
        }
    }

    /// Starts a program. It stands at the entry of its exec: the kernel has not begun it.
    pub fn start(&mut self, order: Order) -> Result<(Stopped, Entry), Refused> {
        self.send(order)?;
        if let Some(starter) = self.held.take() {
            starter.resume(How::Cont, 0).map_err(Refused::Ptrace)?;
        }
        let Some(child) = self.until_ready()? else { return Err(self.refusal()) };
        let started = self.until_exec(child);
        if started.is_err() {
            end(child);
        }
        started.map_err(unless_asked)
    }

    fn until_exec(&mut self, child: Tid) -> Result<(Stopped, Entry), Refused> {
        let patience = Patience::of(LIMIT);
        let mut first = true;
        loop {
            let (child, stop) = match next(child, &patience)? {
                Told::Stopped(child, stop) => (child, stop),
                Told::Ended(_, Death::Killed { signal, .. }) => {
                    return Err(Refused::Killed(signal));
                }
                Told::Ended(..) | Told::Orphan(_) => return Err(self.refusal()),
            };
            let mut signal = 0;
            match stop {
                Stop::Entry(entry) if entry.number == libc::SYS_execve => {
                    return Ok((child, entry));
                }
                Stop::Signal(info) => signal = info.si_signo,
                _ => {}
            }
            // It has the starter's options, and may be meant to outlive us.
            if mem::take(&mut first) && self.outlives_tracer {
                child.set_options(OPTIONS).map_err(Refused::Ptrace)?;
            }
            let how = if self.filtered { How::Cont } else { How::Syscall };
            child.resume(how, signal).map_err(Refused::Ptrace)?;
        }
    }

    /// Waits for the next report about one that was resumed into its exec.
    pub fn next_of(&self, child: Tid) -> Result<Told, Refused> {
        next(child, &Patience::of(LIMIT)).map_err(unless_asked)
    }

    /// Why one that ended before it became a program did so. Ask once, when it has ended.
    pub fn refusal(&mut self) -> Refused {
        // A report is there whole, or will never be: ask without waiting.
        // SAFETY: it takes numbers.
        unsafe { libc::fcntl(self.reports.as_raw_fd(), libc::F_SETFL, libc::O_NONBLOCK) };
        let mut report = [0; 1024];
        let got = self.reports.read(&mut report).unwrap_or(0);
        let word = |at: usize| i32::from_ne_bytes(report[at..at + 4].try_into().unwrap_or([0; 4]));
        match (got, word(0)) {
            (8, step @ 0..3) => Refused::Call(STEPS[step as usize], Errno::from_raw(word(4))),
            (4.., -1) => Refused::Prepare(String::from_utf8_lossy(&report[4..got]).into_owned()),
            _ => Refused::Killed(0),
        }
    }
}

impl Drop for Starter {
    fn drop(&mut self) {
        end(self.pid);
    }
}

/// Ends a child or tracee of ours that we have not reaped, so that the pid is still its own. One
/// that does not die in time is left to the kernel: SIGKILL was sent.
pub fn end(pid: Tid) -> bool {
    // SAFETY: for the pid see above.
    unsafe { libc::kill(pid, libc::SIGKILL) };
    reap(pid)
}

/// Waits until a child or tracee of ours has ended; false: it has not, within [`DEATH`].
pub fn reap(pid: Tid) -> bool {
    let patience = Patience::to_clear_away(DEATH);
    loop {
        match patience.wait(pid).map(|status| decode(pid, status)) {
            // One that cannot be let go on is not: it will not end in time.
            Ok(Some(Told::Stopped(stopped, _))) => drop(stopped.resume(How::Cont, 0)),
            Ok(Some(Told::Ended(..))) | Err(Ended::Gone) => return true,
            Ok(_) => {}
            Err(_) => return false,
        }
    }
}

/// The terminal also sends its SIGINT to a child that is just starting its program; it ends this
/// child.
fn unless_asked(refused: Refused) -> Refused {
    asked::to_stop().map_or(refused, Refused::Asked)
}

/// The next report about one tracee.
fn next(tid: Tid, patience: &Patience) -> Result<Told, Refused> {
    loop {
        match patience.wait(tid).map(|status| decode(tid, status)) {
            Ok(Some(told)) => return Ok(told),
            Ok(None) => {}
            Err(Ended::Asked(signal)) => return Err(Refused::Asked(signal)),
            Err(Ended::Late) => return Err(Refused::Stuck(whereabouts(tid))),
            Err(Ended::Gone) => return Err(Refused::Killed(0)),
        }
    }
}

/// What a process is doing in the kernel, for people: its state, the function that it sleeps in,
/// and how it came there, where that may be read. proc(5)
pub fn whereabouts(pid: Tid) -> String {
    let read = |file: &str| fs::read_to_string(format!("/proc/{pid}/{file}")).unwrap_or_default();
    let status = read("status");
    let state = status.lines().find_map(|line| line.strip_prefix("State:")).unwrap_or("gone");
    let state = state.split_whitespace().next().unwrap_or("?");
    let wchan = match read("wchan") {
        place if place.is_empty() || place == "0" => "no function that it names".to_string(),
        place => place,
    };
    let frame = |line: &str| Some(line.split_whitespace().nth(1)?.split('+').next()?.to_string());
    let stack: Vec<String> = read("stack").lines().filter_map(frame).take(6).collect();
    let way = if stack.is_empty() { String::new() } else { format!(" ({})", stack.join(" < ")) };
    format!("process {pid} (state {state}) waits in {wchan}{way}")
}

/// A program as exec takes it.
struct Executable {
    path: CString,
    words: Vec<CString>,
}

impl Executable {
    fn of(program: &Program) -> Result<Executable, Refused> {
        let word = |word: OsString| {
            CString::new(word.into_vec()).map_err(|_| Refused::Call("exec", Errno::EINVAL))
        };
        let path = word(program.path.clone().into_os_string())?;
        let words = program.words.iter().cloned().map(word).collect::<Result<_, _>>()?;
        Ok(Executable { path, words })
    }

    fn argv(&self) -> Vec<*const libc::c_char> {
        self.words.iter().map(|word| word.as_ptr()).chain([ptr::null()]).collect()
    }
}

/// The starter's side.
struct Post {
    inbox: File,
    outbox: File,
}

impl Post {
    fn serve(mut self, plan: &Plan, executables: &[Executable]) -> ! {
        let argvs: Vec<_> = executables.iter().map(Executable::argv).collect();
        // The first order: we are seized.
        if self.order().is_none() {
            leave(0)
        }
        if let Err(why) = self.prepare(plan) {
            let report = [&(-1_i32).to_ne_bytes()[..], why.as_bytes()].concat();
            // Nobody is left to be told when this fails.
            let _ = self.outbox.write(&report);
            leave(1);
        }
        loop {
            // SAFETY: numbers. The tracer holds us here, and takes the signal away.
            unsafe { libc::syscall(libc::SYS_kill, libc::getpid(), libc::SIGSTOP) };
            let Some(order) = self.order() else { leave(0) };
            let at = order.program as usize;
            match clone_as(order.number) {
                Err(errno) => self.failed(0, errno),
                Ok(0) => {
                    if let Err(errno) = (plan.in_child)(order) {
                        self.failed(1, errno);
                        leave(127);
                    }
                    // SAFETY: a path, and a list of strings that ends with NULL; `environ` is not
                    // changed.
                    unsafe {
                        libc::execve(
                            executables[at].path.as_ptr(),
                            argvs[at].as_ptr(),
                            environ.cast(),
                        )
                    };
                    self.failed(2, Errno::last());
                    leave(127)
                }
                Ok(_) => {}
            }
        }
    }

    fn prepare(&self, plan: &Plan) -> Result<(), String> {
        // It dies with the thread that forked it, also if that is killed.
        // SAFETY: it takes numbers.
        unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
        (plan.prepare)()?;
        let installed = plan.filter.map_or(Ok(()), Filter::install);
        installed.map_err(|errno| format!("seccomp: {}", sysv::spell::errno(errno)))
    }

    /// Waits for the next order; `None`: the tracer is gone.
    fn order(&mut self) -> Option<Order> {
        let mut words = [0; 8];
        self.inbox.read_exact(&mut words).ok()?;
        let word = |at: usize| c_int::from_ne_bytes(words[at..at + 4].try_into().unwrap_or([0; 4]));
        Some(Order { program: word(0), number: word(4) })
    }

    fn failed(&mut self, step: c_int, errno: Errno) {
        let mut report = [0; 8];
        report[..4].copy_from_slice(&step.to_ne_bytes());
        report[4..].copy_from_slice(&(errno as c_int).to_ne_bytes());
        // Nobody is left to be told when this fails.
        let _ = self.outbox.write(&report);
    }
}

/// Ends this process at once, without what Rust and the C library do at an end.
fn leave(code: c_int) -> ! {
    // SAFETY: it does not return.
    unsafe { libc::_exit(code) }
}

unsafe extern "C" {
    static environ: *const *const libc::c_char;
}

/// fork, but the child is our parent's, and has a number of our choice in its pid namespace. Answers
/// what fork does. clone(2)
fn clone_as(number: c_int) -> nix::Result<Tid> {
    let flags = (libc::CLONE_PARENT | libc::SIGCHLD) as libc::c_ulong;
    // SAFETY: without CLONE_VM it is fork: the child has its own copy of everything, and makes only
    // system calls.
    let plain = || unsafe { libc::syscall(libc::SYS_clone, flags, 0, 0, 0, 0) };
    let wanted = [number];
    let mut args: libc::clone_args = super::zeroed();
    args.flags = libc::CLONE_PARENT as u64;
    args.set_tid = wanted.as_ptr() as u64;
    args.set_tid_size = 1;
    // A process that had this pid before is dead, and about to be reaped.
    for _ in 0..1000 {
        let pid = match number {
            0 => plain(),
            // SAFETY: as above; it reads the record, and one number.
            _ => unsafe { libc::syscall(libc::SYS_clone3, &raw const args, size_of_val(&args)) },
        };
        match Errno::result(pid) {
            Err(Errno::EEXIST) => std::thread::yield_now(),
            // Where numbers cannot be chosen, they differ from run to run.
            Err(Errno::EPERM | Errno::EINVAL | Errno::ENOSYS) if number != 0 => {
                return Errno::result(plain()).map(|pid| pid as Tid);
            }
            answer => return answer.map(|pid| pid as Tid),
        }
    }
    Err(Errno::EEXIST)
}

/// A process that the starter forks for itself: it is not traced, and its parent is the starter's,
/// which reaps it. Answers what fork does.
pub fn fork_untraced() -> nix::Result<Pid> {
    let flags = (libc::CLONE_PARENT | libc::CLONE_UNTRACED | libc::SIGCHLD) as libc::c_ulong;
    // SAFETY: without CLONE_VM it is fork, of a process that has one thread.
    let pid = unsafe { libc::syscall(libc::SYS_clone, flags, 0, 0, 0, 0) };
    Errno::result(pid).map(|pid| Pid::from_raw(pid as Tid))
}
