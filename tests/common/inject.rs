//! Disturbs one system call of a program: it fails, or a signal comes when it begins. By ptrace, because
//! `strace` takes a hundred times as long, and a library before the C library's sees only what goes through it.
//!
//! A [`Place`] is a call by its name, by the thread that makes it (threads and processes in the order of their
//! birth), and by its turn. Calls count from where `lablib::run` begins: what comes before belongs to the
//! loader and to Rust's runtime. So do the calls of another program that a process of the lab becomes (`ipcs`).

use std::collections::BTreeMap;
use std::ffi::CString;
use std::fs::{self, File};
use std::mem;
use std::os::fd::AsRawFd;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use libc::{c_int, c_long, pid_t};

/// One call of a run.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Place {
    pub thread: usize,
    pub call: c_long,
    pub turn: usize,
}

/// What is done at a place.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Disturbance {
    /// The call is not made, and answers this.
    Errno(c_int),
    /// It comes before the call. One that stops the process is followed by SIGCONT.
    Signal(c_int),
}

/// A program to be disturbed, and what it meets.
pub struct Scene<'a> {
    /// The program and its arguments.
    pub words: Vec<String>,
    pub dir: &'a Path,
    pub input: &'a str,
    /// The other side, which is not disturbed.
    pub peer: Option<Peer>,
    /// However long it takes.
    pub limit: Duration,
}

/// Another program that runs beside it.
#[derive(Clone)]
pub struct Peer {
    pub words: Vec<String>,
    pub input: String,
    /// Started first, until it has printed this; or when the other one has.
    pub first: bool,
    pub ready: &'static str,
}

/// How a run ended.
#[derive(Debug, Default)]
pub struct Ended {
    /// As a shell says it.
    pub code: i32,
    pub peer: Option<i32>,
    pub reached: bool,
    /// What the limit ended: a hang.
    pub hung: bool,
    /// Processes that outlived the program.
    pub survivors: usize,
    /// How often each thread made each call.
    pub calls: BTreeMap<(usize, c_long), usize>,
    pub stdout: String,
    pub stderr: String,
    pub peer_stderr: String,
    pub peer_stdout: String,
}

/// A thread that is traced.
struct Tracee {
    thread: usize,
    /// It has become another program.
    foreign: bool,
    /// A thread is at its own code, and no longer at what Rust's runtime does before.
    begun: bool,
    /// What its call is going to answer.
    answer: Option<Answer>,
}

#[derive(Clone, Copy)]
enum Answer {
    Errno(c_int),
    /// What the kernel says; but the argument was another one.
    Argument(u64),
}

struct Run<'a> {
    at: Option<(Place, Disturbance)>,
    main: pid_t,
    tracees: BTreeMap<pid_t, Tracee>,
    born: usize,
    started: bool,
    to_continue: Option<(pid_t, Instant)>,
    ended: Ended,
    scene: &'a Scene<'a>,
    peer: Option<pid_t>,
    met: bool,
}

extern "C" fn wake(_: c_int) {}

/// The kernel's answer, or a failure of the test.
fn ptrace(request: libc::c_uint, pid: pid_t, addr: usize, data: usize) -> c_long {
    // SAFETY: what the kernel writes to `data` is as large as each caller's record.
    unsafe { libc::ptrace(request, pid, addr, data) }
}

/// Interrupts every wait of this process each few milliseconds.
pub fn tick() {
    // SAFETY: plain records; the handler does nothing.
    unsafe {
        let mut action: libc::sigaction = mem::zeroed();
        action.sa_sigaction = wake as extern "C" fn(c_int) as usize;
        libc::sigaction(libc::SIGALRM, &action, std::ptr::null_mut());
        let every = libc::timeval { tv_sec: 0, tv_usec: 5000 };
        let timer = libc::itimerval { it_interval: every, it_value: every };
        libc::setitimer(libc::ITIMER_REAL, &timer, std::ptr::null_mut());
        libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1);
    }
}

/// Runs it to its end, in a process that has called [`tick`] and has one thread that waits.
pub fn run(scene: &Scene, at: Option<(Place, Disturbance)>) -> Ended {
    let mut run = Run {
        at,
        main: 0,
        tracees: BTreeMap::new(),
        born: 0,
        started: false,
        to_continue: None,
        ended: Ended::default(),
        scene,
        peer: None,
        met: false,
    };
    let until = Instant::now() + scene.limit;
    if scene.peer.as_ref().is_some_and(|peer| peer.first) {
        run.start_peer();
        while !run.printed("peer.out") && run.peer_lives() && Instant::now() < until {
            std::thread::park_timeout(Duration::from_millis(2));
        }
    }
    run.start();
    run.until_it_ends(until);
    let read = |name: &str| {
        let bytes = fs::read(scene.dir.join(name)).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    };
    run.ended.stdout = read("out");
    run.ended.stderr = read("err");
    run.ended.peer_stdout = read("peer.out");
    run.ended.peer_stderr = read("peer.err");
    run.ended
}

impl Run<'_> {
    fn printed(&self, file: &str) -> bool {
        let ready = self.scene.peer.as_ref().map_or("", |peer| peer.ready);
        fs::read_to_string(self.scene.dir.join(file)).is_ok_and(|text| text.contains(ready))
    }

    fn start_peer(&mut self) {
        let (peer, dir) = (self.scene.peer.as_ref().expect("a peer"), self.scene.dir);
        self.met = true;
        let file = |name: &str| File::create(dir.join(name)).expect("a file");
        fs::write(dir.join("peer.in"), &peer.input).expect("input");
        let mut command = Command::new(&peer.words[0]);
        command.args(&peer.words[1..]).current_dir(dir);
        command.stdin(File::open(dir.join("peer.in")).expect("input"));
        let child = command.stdout(file("peer.out")).stderr(file("peer.err")).spawn();
        self.peer = Some(child.expect("the peer").id() as pid_t);
    }

    /// Reaps it when it has ended.
    fn peer_lives(&mut self) -> bool {
        let Some(pid) = self.peer.filter(|_| self.ended.peer.is_none()) else { return false };
        let mut status = 0;
        // SAFETY: a child of ours that was not waited for.
        if unsafe { libc::waitpid(pid, &mut status, libc::WNOHANG) } == pid {
            self.ended.peer = Some(code(status));
        }
        self.ended.peer.is_none()
    }

    fn start(&mut self) {
        let dir = self.scene.dir;
        fs::write(dir.join("in"), self.scene.input).expect("input");
        let input = File::open(dir.join("in")).expect("input");
        let [out, err] = ["out", "err"].map(|name| File::create(dir.join(name)).expect("a file"));
        let words = self.scene.words.iter().map(|word| CString::new(word.as_str()).expect("word"));
        let words: Vec<CString> = words.collect();
        let mut argv: Vec<_> = words.iter().map(|word| word.as_ptr()).collect();
        argv.push(std::ptr::null());
        let here = CString::new(dir.to_str().expect("a path")).expect("a path");
        let (gate, opener) = nix::unistd::pipe().expect("pipe");
        // SAFETY: in the child only calls that are async-signal-safe, with what was prepared before.
        unsafe {
            self.main = libc::fork();
            if self.main == 0 {
                libc::close(opener.as_raw_fd());
                let mut byte = 0_u8;
                libc::read(gate.as_raw_fd(), (&raw mut byte).cast(), 1);
                libc::chdir(here.as_ptr());
                for (to, from) in [(0, &input), (1, &out), (2, &err)] {
                    libc::dup2(from.as_raw_fd(), to);
                }
                for signal in 1..32 {
                    libc::signal(signal, libc::SIG_DFL);
                }
                let mut none: libc::sigset_t = mem::zeroed();
                libc::sigemptyset(&mut none);
                libc::sigprocmask(libc::SIG_SETMASK, &none, std::ptr::null_mut());
                libc::close_range(3, u32::MAX, 0);
                libc::execv(argv[0], argv.as_ptr());
                libc::_exit(127);
            }
        }
        let options = libc::PTRACE_O_TRACESYSGOOD
            | libc::PTRACE_O_TRACEFORK
            | libc::PTRACE_O_TRACEVFORK
            | libc::PTRACE_O_TRACECLONE
            | libc::PTRACE_O_TRACEEXEC
            | libc::PTRACE_O_EXITKILL;
        assert_eq!(ptrace(libc::PTRACE_SEIZE, self.main, 0, options as usize), 0, "ptrace");
        self.add(self.main);
        nix::unistd::write(&opener, b"x").expect("write");
    }

    fn add(&mut self, pid: pid_t) {
        let thread = self.born;
        if let std::collections::btree_map::Entry::Vacant(place) = self.tracees.entry(pid) {
            place.insert(Tracee { thread, foreign: false, begun: true, answer: None });
            self.born += 1;
        }
    }

    fn until_it_ends(&mut self, until: Instant) {
        let (mut main_ended, mut killed): (Option<Instant>, _) = (None, false);
        let (began, mut last_look) = (Instant::now(), Instant::now());
        loop {
            let mut status = 0;
            // SAFETY: waits for any child or tracee; a tick ends it.
            let pid = unsafe { libc::waitpid(-1, &mut status, libc::__WALL) };
            if pid > 0 && Some(pid) == self.peer {
                self.ended.peer = Some(code(status));
            } else if pid > 0 && (libc::WIFEXITED(status) || libc::WIFSIGNALED(status)) {
                self.tracees.remove(&pid);
                if pid == self.main {
                    self.ended.code = code(status);
                    main_ended = Some(Instant::now());
                }
            } else if pid > 0 {
                self.stopped(pid, status);
            }
            let lives = self.peer.is_some() && self.ended.peer.is_none();
            if pid < 0 && nix::errno::Errno::last() == nix::errno::Errno::ECHILD
                || main_ended.is_some() && self.tracees.is_empty() && !lives
            {
                break;
            }
            if last_look.elapsed() < Duration::from_millis(4) {
                continue;
            }
            last_look = Instant::now();
            if let Some((pid, _)) = self.to_continue.take_if(|one| one.1 < last_look) {
                // SAFETY: a tracee of ours, or its number's process is ours.
                unsafe { libc::kill(pid, libc::SIGCONT) };
            }
            let peer_first = self.scene.peer.as_ref().is_none_or(|peer| peer.first);
            // One whose output is lost is ready all the same.
            let ready = began.elapsed() > Duration::from_secs(1) || self.printed("out");
            if !peer_first && !self.met && main_ended.is_none() && ready {
                self.start_peer();
            }
            let late = main_ended.is_some_and(|at| at.elapsed() > Duration::from_secs(2));
            if late && lives && !killed {
                // It waits for somebody who is gone, as it may: it is asked to stop.
                // SAFETY: a child that was not waited for.
                unsafe { libc::kill(self.peer.expect("a peer"), libc::SIGTERM) };
                killed = true;
            }
            if late && !self.tracees.is_empty() && self.ended.survivors == 0 {
                self.ended.survivors = self.tracees.len();
                self.kill_all();
            }
            if Instant::now() > until && !self.ended.hung {
                self.ended.hung = true;
                self.kill_all();
            }
        }
    }

    fn kill_all(&self) {
        let lives = self.peer.filter(|_| self.ended.peer.is_none());
        for pid in self.tracees.keys().copied().chain(lives) {
            // SAFETY: each is a tracee or a child, and not waited for.
            unsafe { libc::kill(pid, libc::SIGKILL) };
        }
    }

    fn stopped(&mut self, pid: pid_t, status: c_int) {
        self.add(pid);
        let (signal, event) = (libc::WSTOPSIG(status), status >> 16);
        let mut pass = 0;
        match event {
            libc::PTRACE_EVENT_FORK | libc::PTRACE_EVENT_VFORK | libc::PTRACE_EVENT_CLONE => {
                let mut child = 0_u64;
                ptrace(libc::PTRACE_GETEVENTMSG, pid, 0, (&raw mut child) as usize);
                self.add(child as pid_t);
                let thread = Path::new(&format!("/proc/{pid}/task/{child}")).exists();
                self.tracees.get_mut(&(child as pid_t)).expect("a tracee").begun = !thread;
            }
            libc::PTRACE_EVENT_EXEC => {
                let first = pid == self.main && !self.started;
                self.tracees.get_mut(&pid).expect("a tracee").foreign = !first;
            }
            libc::PTRACE_EVENT_STOP if signal != libc::SIGTRAP => {
                // A group stop: it stays until SIGCONT.
                ptrace(libc::PTRACE_LISTEN, pid, 0, 0);
                return;
            }
            0 if signal == libc::SIGTRAP | 0x80 => self.call(pid),
            0 => pass = signal,
            _ => {}
        }
        let tracee = &self.tracees[&pid];
        let done = self.ended.reached && tracee.answer.is_none();
        let how = if tracee.foreign || done { libc::PTRACE_CONT } else { libc::PTRACE_SYSCALL };
        ptrace(how, pid, 0, pass as usize);
    }

    /// At the entry of a call, or at its exit.
    fn call(&mut self, pid: pid_t) {
        // SAFETY: plain numbers, which the kernel fills.
        let mut info: libc::ptrace_syscall_info = unsafe { mem::zeroed() };
        let size = size_of_val(&info);
        ptrace(libc::PTRACE_GET_SYSCALL_INFO, pid, size, (&raw mut info) as usize);
        let tracee = self.tracees.get_mut(&pid).expect("a tracee");
        if info.op == libc::PTRACE_SYSCALL_INFO_EXIT {
            match tracee.answer.take() {
                Some(Answer::Errno(errno)) => {
                    set(pid, |registers| registers.rax = -i64::from(errno) as u64);
                }
                Some(Answer::Argument(old)) => set(pid, |registers| registers.rdi = old),
                None => {}
            }
            return;
        }
        // SAFETY: at an entry the record has an entry.
        let (call, args) = unsafe { (info.u.entry.nr as c_long, info.u.entry.args) };
        let shared = libc::MAP_SHARED | libc::MAP_ANONYMOUS;
        self.started |= call == libc::SYS_mmap && args[3] as c_int & shared == shared;
        if !tracee.begun {
            tracee.begun = call == libc::SYS_sigaltstack && args[0] != 0;
            return;
        }
        if !self.started || tracee.foreign || cannot_fail(pid, call, &args) {
            return;
        }
        let turn = self.ended.calls.entry((tracee.thread, call)).or_default();
        *turn += 1;
        let here = Place { thread: tracee.thread, call, turn: *turn };
        let Some((_, what)) = self.at.filter(|(place, _)| *place == here) else { return };
        self.ended.reached = true;
        match what {
            // It never answers an error: it answers where the end is, and has not moved it.
            Disturbance::Errno(_) if call == libc::SYS_brk => {
                tracee.answer = Some(Answer::Argument(args[0]));
                set(pid, |registers| registers.rdi = 0);
            }
            Disturbance::Errno(errno) => {
                tracee.answer = Some(Answer::Errno(errno));
                // What is closed is closed, whatever close answers.
                if call != libc::SYS_close {
                    set(pid, |registers| registers.orig_rax = u64::MAX);
                }
            }
            Disturbance::Signal(signal) => {
                // SAFETY: a thread that is stopped here; its process is the group of its number or of another.
                unsafe { libc::syscall(libc::SYS_tkill, pid, signal) };
                if [libc::SIGSTOP, libc::SIGTSTP].contains(&signal) {
                    self.to_continue = Some((pid, Instant::now() + Duration::from_millis(30)));
                }
            }
        }
    }
}

/// Calls whose failure would be the kernel's defect, and which nobody could look at.
fn cannot_fail(pid: pid_t, call: c_long, args: &[u64; 6]) -> bool {
    // The C library blocks all signals while it makes a process or a thread, and then lets them in again.
    let all =
        || ptrace(libc::PTRACE_PEEKDATA, pid, args[1] as usize, 0) as u64 >> 34 == u64::MAX >> 34;
    let its_own = call == libc::SYS_rt_sigprocmask
        && (args[0] as c_int == libc::SIG_SETMASK
            || (args[0] as c_int == libc::SIG_BLOCK && all()));
    let wakes = call == libc::SYS_futex && !matches!(args[1] as c_int & 0x7f, 0 | 6 | 9);
    // Where there is none for malloc, it takes memory from elsewhere.
    let anonymous = (libc::MAP_PRIVATE | libc::MAP_ANONYMOUS) as u64;
    let malloc = call == libc::SYS_mmap && args[3] == anonymous;
    wakes
        || its_own
        || malloc
        || [
            libc::SYS_pause,
            libc::SYS_rt_sigsuspend,
            libc::SYS_rseq,
            libc::SYS_set_robust_list,
            libc::SYS_exit,
            libc::SYS_exit_group,
            libc::SYS_rt_sigreturn,
            libc::SYS_restart_syscall,
            libc::SYS_getpid,
            libc::SYS_gettid,
            libc::SYS_getppid,
            libc::SYS_getuid,
            libc::SYS_geteuid,
            libc::SYS_getgid,
            libc::SYS_getegid,
            libc::SYS_sched_yield,
            libc::SYS_set_tid_address,
            libc::SYS_execve,
        ]
        .contains(&call)
}

fn set(pid: pid_t, change: impl FnOnce(&mut libc::user_regs_struct)) {
    // SAFETY: plain numbers, which the kernel fills.
    let mut registers: libc::user_regs_struct = unsafe { mem::zeroed() };
    let record = (&raw mut registers) as usize;
    assert_eq!(ptrace(libc::PTRACE_GETREGS, pid, 0, record), 0, "registers");
    change(&mut registers);
    assert_eq!(ptrace(libc::PTRACE_SETREGS, pid, 0, record), 0, "registers");
}

fn code(status: c_int) -> i32 {
    if libc::WIFSIGNALED(status) { 128 + libc::WTERMSIG(status) } else { libc::WEXITSTATUS(status) }
}
