//! The room in which programs are explored: a pid namespace and a /proc of their own, and for each
//! run a new IPC namespace. Nothing in it can reach anybody outside, and it goes with us: its first
//! process ends when we do, and everybody else in it with that one.

use std::ffi::CString;
use std::fs::File;
use std::io::{Read, Write};
use std::mem;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::{fs, ptr};

use libc::{c_int, c_ulong, c_void};
use nix::errno::Errno;
use nix::fcntl::{OFlag, open, openat, readlinkat};
use nix::sched::{CloneFlags, CpuSet, sched_setaffinity, unshare};
use nix::sys::signal::{SigHandler, Signal, signal};
use nix::sys::stat::Mode;
use nix::unistd::{ForkResult, Pid, fork, getegid, geteuid, pipe2};
use sysv::spell as flags;

use super::Trouble;
use crate::tracer::Tid;
use crate::tracer::filter::Filter;
use crate::tracer::spawn::Program;

/// The number that the first program of a run gets; the others follow. Always 100 in a run that is
/// told, and three digits in all. (The kernel may need a moment more to give up the last one's.)
pub fn first_pid(run: i32) -> i32 {
    if run == 0 { 100 } else { 140 + 20 * (run % 42) }
}

/// See the module.
pub struct Room {
    /// The /proc that was here before, where we find our tracees by the numbers that we have.
    proc: OwnedFd,
    null: File,
    filter: Filter,
    programs: Vec<(CString, Vec<CString>)>,
    /// The first process of the pid namespace, which ends with this.
    keeper: Option<(OwnedFd, Pid)>,
    /// What programs that keep files for a session find empty at each start.
    pub scratch: PathBuf,
}

/// Makes the room, and enters it with all that we start from now on.
pub fn enter(
    programs: &[Program],
    filter: Filter,
    pin: bool,
    scratch: PathBuf,
) -> Result<Room, Trouble> {
    let proc = open("/proc", OFlag::O_PATH | OFlag::O_CLOEXEC, Mode::empty());
    let proc = proc.map_err(Trouble::of("open(\"/proc\")"))?;
    let null = File::options().read(true).write(true).open("/dev/null");
    let null = null.map_err(|error| Trouble::because(format!("/dev/null: {error}")))?;
    let word = |bytes: Vec<u8>| {
        CString::new(bytes).map_err(|_| Trouble::because("an argument has a NUL in it"))
    };
    let words = |program: &Program| {
        let path = word(program.path.clone().into_os_string().into_vec())?;
        let words = program.words.iter().map(|w| word(w.clone().into_vec()));
        Ok((path, words.collect::<Result<Vec<_>, Trouble>>()?))
    };
    let programs = programs.iter().map(words).collect::<Result<Vec<_>, Trouble>>()?;
    if pin {
        // Refused, it is only slower.
        let _ = pin_to_this_cpu();
    }
    let keeper = namespaces(&scratch)?;
    // SAFETY: a number, which exec keeps: every run then finds its memory at the same addresses.
    unsafe { libc::personality(libc::ADDR_NO_RANDOMIZE as c_ulong) };
    Ok(Room { proc, null, filter, programs, keeper: Some(keeper), scratch })
}

/// The tracer and what it traces on one CPU: three times as fast.
fn pin_to_this_cpu() -> Option<usize> {
    // SAFETY: it takes nothing.
    let cpu = usize::try_from(unsafe { libc::sched_getcpu() }).ok()?;
    let mut set = CpuSet::new();
    set.set(cpu).ok()?;
    sched_setaffinity(Pid::from_raw(0), &set).ok()?;
    Some(cpu)
}

fn namespaces(scratch: &Path) -> Result<(OwnedFd, Pid), Trouble> {
    let (uid, gid, root) = (geteuid(), getegid(), geteuid().is_root());
    let refused = |what: &str, errno: Errno| {
        Trouble::because(format!(
            "needs namespaces of its own, and {what} is refused: {}; allow user namespaces \
             (sysctl user.max_user_namespaces, kernel.apparmor_restrict_unprivileged_userns), or \
             run it as root, in a container with --privileged",
            flags::errno(errno)
        ))
    };
    if !root {
        unshare(CloneFlags::CLONE_NEWUSER).map_err(|errno| refused("a user namespace", errno))?;
        let map = |file: &str, text: String| fs::write(format!("/proc/self/{file}"), text);
        // Without them the programs run as nobody, and find that out themselves.
        let _ = map("setgroups", "deny".into());
        let _ = map("uid_map", format!("{uid} {uid} 1"));
        let _ = map("gid_map", format!("{gid} {gid} 1"));
    }
    let all = CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWPID | CloneFlags::CLONE_NEWIPC;
    unshare(all).map_err(|errno| refused("a pid and an IPC namespace", errno))?;
    let no_file = ptr::null::<libc::c_char>();
    // SAFETY: changes how mounts spread; the paths are literals, the rest is not looked at.
    unsafe {
        let private = libc::MS_REC | libc::MS_PRIVATE;
        libc::mount(no_file, c"/".as_ptr(), no_file, private, ptr::null::<c_void>());
    }
    let (told, tell) = pipe2(OFlag::O_CLOEXEC).map_err(Trouble::of("pipe2()"))?;
    let (alive, keeper) = pipe2(OFlag::O_CLOEXEC).map_err(Trouble::of("pipe2()"))?;
    // SAFETY: we have one thread, and the child makes system calls alone.
    match unsafe { fork() }.map_err(|errno| refused("a process in it", errno))? {
        ForkResult::Child => keep(&alive, keeper, &tell, scratch),
        ForkResult::Parent { child } => {
            drop((alive, tell));
            let mut answer = [1];
            let mut told = File::from(told);
            let _ = told.read(&mut answer);
            if answer[0] != 0 {
                super::complain("no /proc of their own for the programs: mount is refused");
            }
            Ok((keeper, child))
        }
    }
}

/// The first process: mounts /proc, reaps who is left alone, and ends when we do, killed or not.
fn keep(alive: &OwnedFd, keeper: OwnedFd, tell: &OwnedFd, scratch: &Path) -> ! {
    drop(keeper);
    // SAFETY: a mount over /proc in a namespace of its own, and signals; the strings are literals.
    unsafe {
        libc::signal(libc::SIGCHLD, libc::SIG_IGN);
        // A terminal's signals are for who started us, and our end follows theirs.
        libc::setpgid(0, 0);
        let flags = libc::MS_NOSUID | libc::MS_NODEV | libc::MS_NOEXEC;
        let proc = c"proc".as_ptr();
        let mounted = libc::mount(proc, c"/proc".as_ptr(), proc, flags, ptr::null::<c_void>());
        let answer = u8::from(mounted != 0);
        libc::write(tell.as_raw_fd(), (&raw const answer).cast(), 1);
        let mut byte = 0_u8;
        while libc::read(alive.as_raw_fd(), (&raw mut byte).cast(), 1) == -1 {}
    }
    // We have ended, or were killed.
    let _ = fs::remove_dir_all(scratch);
    // SAFETY: ends the process at once.
    unsafe { libc::_exit(0) }
}

impl Drop for Room {
    fn drop(&mut self) {
        if let Some((end, keeper)) = self.keeper.take() {
            drop(end);
            // SAFETY: our child; nothing is written.
            unsafe { libc::waitpid(keeper.as_raw(), ptr::null_mut(), 0) };
        }
    }
}

impl Room {
    /// A new run: empty System V tables.
    pub fn renew(&self) -> Result<(), Trouble> {
        unshare(CloneFlags::CLONE_NEWIPC).map_err(Trouble::of("unshare(CLONE_NEWIPC)"))
    }

    /// Opens a file of /proc by the number that we have for a thread.
    pub fn open(&self, path: &str) -> Option<File> {
        let flags = OFlag::O_RDONLY | OFlag::O_CLOEXEC;
        Some(File::from(openat(&self.proc, path, flags, Mode::empty()).ok()?))
    }

    /// What a link in /proc says.
    pub fn link(&self, path: &str) -> Option<String> {
        readlinkat(&self.proc, path).ok()?.into_string().ok()
    }

    /// A file of /proc, whole.
    pub fn text(&self, path: &str) -> String {
        let mut text = String::new();
        // One that is gone is empty.
        let _ = self.open(path).map(|mut file| file.read_to_string(&mut text));
        text
    }

    /// Starts the n-th program; it stands before its exec, seized.
    pub fn start(&self, n: usize, number: i32) -> Result<Tid, Trouble> {
        let (path, words) = &self.programs[n];
        let mut argv: Vec<_> = words.iter().map(|word| word.as_ptr()).collect();
        argv.push(ptr::null());
        let (gate, go) = pipe2(OFlag::O_CLOEXEC).map_err(Trouble::of("pipe2()"))?;
        let pid = clone_as(number).map_err(Trouble::of("clone3()"))?;
        if pid == 0 {
            drop(go);
            self.become_program(&gate, number, path, &argv)
        }
        drop(gate);
        let options = libc::PTRACE_O_TRACESYSGOOD
            | libc::PTRACE_O_TRACEFORK
            | libc::PTRACE_O_TRACEVFORK
            | libc::PTRACE_O_TRACECLONE
            | libc::PTRACE_O_TRACEEXEC
            | libc::PTRACE_O_TRACESECCOMP
            | libc::PTRACE_O_EXITKILL;
        let none = ptr::null_mut::<c_void>();
        // SAFETY: PTRACE_SEIZE takes a number as its data.
        let seized = unsafe { libc::ptrace(libc::PTRACE_SEIZE, pid, none, options as usize) };
        if let Err(errno) = Errno::result(seized) {
            // SAFETY: our child and not reaped, so the number is its own.
            unsafe {
                libc::kill(pid, libc::SIGKILL);
                libc::waitpid(pid, ptr::null_mut(), libc::__WALL);
            }
            return Err(Trouble::because(format!(
                "may not trace what it starts: {}; allow ptrace (sysctl kernel.yama.ptrace_scope, \
                 docker run --cap-add=SYS_PTRACE)",
                flags::errno(errno)
            )));
        }
        File::from(go).write_all(b"!").map_err(|error| Trouble::because(error.to_string()))?;
        Ok(pid)
    }

    /// In the child. Only system calls until exec.
    fn become_program(
        &self,
        gate: &OwnedFd,
        number: i32,
        path: &CString,
        argv: &[*const libc::c_char],
    ) -> ! {
        let null = self.null.as_raw_fd();
        // SAFETY: descriptors, signals and groups of this process alone; the strings outlive it.
        unsafe {
            let mut byte = 0_u8;
            libc::read(gate.as_raw_fd(), (&raw mut byte).cast(), 1);
            libc::setpgid(0, 0);
            for fd in 0..3 {
                libc::dup2(null, fd);
            }
            for signal in 1..32 {
                libc::signal(signal, libc::SIG_DFL);
            }
            let mut none: libc::sigset_t = mem::zeroed();
            libc::sigemptyset(&mut none);
            libc::sigprocmask(libc::SIG_SETMASK, &none, ptr::null_mut());
            // The next pid that is given is the one after ours. Where that is refused, pids differ
            // from run to run.
            let last = libc::open(c"/proc/sys/kernel/ns_last_pid".as_ptr(), libc::O_WRONLY);
            let digits = [
                b'0' + (number / 100 % 10) as u8,
                b'0' + (number / 10 % 10) as u8,
                b'0' + (number % 10) as u8,
            ];
            libc::write(last, digits.as_ptr().cast(), 3);
            libc::close(last);
            if self.filter.install().is_ok() {
                libc::execve(path.as_ptr(), argv.as_ptr(), environ.cast());
            }
            libc::_exit(127)
        }
    }
}

unsafe extern "C" {
    static environ: *const *const libc::c_char;
}

/// fork, with a number of our choice in the pid namespace. Answers what fork does.
fn clone_as(number: i32) -> nix::Result<Tid> {
    let wanted = [number];
    // SAFETY: plain numbers.
    let mut args: libc::clone_args = unsafe { mem::zeroed() };
    args.exit_signal = libc::SIGCHLD as u64;
    args.set_tid = wanted.as_ptr() as u64;
    args.set_tid_size = 1;
    for _ in 0..1000 {
        // SAFETY: without CLONE_VM it is fork: the child has its own copy of everything, and makes
        // only system calls.
        let pid = unsafe { libc::syscall(libc::SYS_clone3, &raw const args, size_of_val(&args)) };
        match Errno::result(pid) {
            // The one who had it in the run before is dead, and about to be reaped.
            Err(Errno::EEXIST) => std::thread::yield_now(),
            Err(Errno::EPERM | Errno::EINVAL) if args.set_tid_size > 0 => args.set_tid_size = 0,
            answer => return answer.map(|pid| pid as Tid),
        }
    }
    Err(Errno::EEXIST)
}

/// A signal ends us as it always would, unless we were told to ignore it.
pub fn on(number: Signal, handler: extern "C" fn(c_int)) {
    // SAFETY: the handlers store to an atomic, or do nothing.
    let _ = unsafe { signal(number, SigHandler::Handler(handler)) };
}

/// An empty folder is made of it.
pub fn empty(dir: &Path) {
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        let path = entry.path();
        let _ = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
    }
}
