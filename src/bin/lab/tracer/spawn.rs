//! Starts a program under trace so that nothing of it is missed: the child waits at a pipe until it
//! is seized, and only then becomes the program. No SIGSTOP, which the program could see.

use std::ffi::{CString, OsString};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::{env, fmt, ptr};

use libc::c_int;
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::ptrace::{self, Options};
use nix::sys::signal::{SigSet, SigmaskHow, Signal, kill, sigprocmask};
use nix::unistd::{AccessFlags, ForkResult, Pid, access, fork, pipe2, write};

use super::filter::Filter;
use super::{Tid, Tracer};

/// A program and its arguments, found in PATH.
#[derive(Clone, Debug)]
pub struct Program {
    /// The file that is run.
    pub path: PathBuf,
    /// Its arguments, its own name first.
    pub words: Vec<OsString>,
}

impl Program {
    /// Looks a program up as a shell does. ENOENT, EACCES.
    pub fn find(words: &[OsString]) -> nix::Result<Program> {
        let name = words.first().filter(|name| !name.is_empty()).ok_or(Errno::ENOENT)?;
        let dirs: Vec<PathBuf> = if name.as_bytes().contains(&b'/') {
            vec![PathBuf::new()]
        } else {
            env::split_paths(&env::var_os("PATH").unwrap_or_default()).collect()
        };
        let mut worst = Errno::ENOENT;
        for path in dirs.iter().map(|dir| dir.join(name)) {
            match access(&path, AccessFlags::X_OK) {
                Ok(()) if path.is_dir() => worst = Errno::EACCES,
                Ok(()) => return Ok(Program { path, words: words.to_vec() }),
                // A folder that we may not look into is no reason, a file that is there is.
                Err(Errno::EACCES) if path.exists() => worst = Errno::EACCES,
                Err(_) => {}
            }
        }
        Err(worst)
    }

    /// Its file's name, for people.
    pub fn name(&self) -> String {
        file_name(&self.path)
    }
}

/// The last part of a path, for people.
pub fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}

/// How programs are started.
#[derive(Default)]
pub struct Start<'a> {
    /// The calls to stop at; without it, all, if the tracee is resumed with `How::Syscall`.
    pub filter: Option<&'a Filter>,
    /// What it traces runs on, untraced, when the tracer dies. Else the kernel kills it.
    pub outlives_tracer: bool,
    /// Done in the child, after it is seized and before the filter and exec. It may only make
    /// system calls: no allocation, no lock.
    pub prepare: Option<&'a dyn Fn() -> nix::Result<()>>,
}

/// Why a program could not be started.
#[derive(Debug)]
pub enum Refused {
    /// Its path or an argument has a NUL, or there is no room for a process: the call, and errno.
    Call(&'static str, Errno),
    /// The kernel does not let us trace it.
    Ptrace(Errno),
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Refused::Call(call, errno) => write!(f, "{call}: {}", sysv::spell::errno(*errno)),
            Refused::Ptrace(errno) => write!(f, "ptrace: {}", sysv::spell::errno(*errno)),
        }
    }
}

/// A program that was started; it stands at its first stop, [`super::Stop::Started`], before exec.
pub struct Spawned {
    /// Its process.
    pub pid: Tid,
    failure: OwnedFd,
}

impl Spawned {
    /// Why it ended before it became the program: the step, and errno. Ask when it has ended.
    pub fn failure(&self) -> Option<(&'static str, Errno)> {
        let mut report = [0_u8; 8];
        match nix::unistd::read(&self.failure, &mut report) {
            Ok(8) => {
                let word =
                    |i: usize| i32::from_ne_bytes(report[i..i + 4].try_into().unwrap_or_default());
                Some((STEPS[word(0) as usize % STEPS.len()], Errno::from_raw(word(4))))
            }
            _ => None,
        }
    }
}

/// What a child does on its way to the program.
const STEPS: [&str; 3] = ["prepare", "seccomp", "execve"];

impl Tracer {
    /// Starts a program. Its process is a child of ours, in our process group, with our streams.
    pub fn spawn(&mut self, program: &Program, start: &Start) -> Result<Spawned, Refused> {
        let word = |word: &OsString| {
            CString::new(word.clone().into_vec()).map_err(|_| Refused::Call("exec", Errno::EINVAL))
        };
        let path = word(&program.path.clone().into_os_string())?;
        let words = program.words.iter().map(word).collect::<Result<Vec<_>, _>>()?;
        let mut argv: Vec<_> = words.iter().map(|word| word.as_ptr()).collect();
        argv.push(ptr::null());
        let pipe = || pipe2(OFlag::O_CLOEXEC).map_err(|errno| Refused::Call("pipe", errno));
        let ((gate, go), (failure, report)) = (pipe()?, pipe()?);

        // SAFETY: the tracer has one thread, and the child makes system calls alone until exec.
        match unsafe { fork() }.map_err(|errno| Refused::Call("fork", errno))? {
            ForkResult::Child => {
                drop(go);
                let failed = become_program(&gate, start, &path, &argv);
                // SAFETY: eight bytes of ours; then the process ends, at once.
                unsafe {
                    libc::write(report.as_raw_fd(), failed.as_ptr().cast(), size_of_val(&failed));
                    libc::_exit(127)
                }
            }
            ForkResult::Parent { child } => {
                drop((gate, report));
                let mut options = Options::PTRACE_O_TRACESYSGOOD
                    | Options::PTRACE_O_TRACEFORK
                    | Options::PTRACE_O_TRACEVFORK
                    | Options::PTRACE_O_TRACECLONE
                    | Options::PTRACE_O_TRACEEXEC
                    | Options::PTRACE_O_TRACEEXIT
                    | Options::PTRACE_O_TRACESECCOMP;
                options.set(Options::PTRACE_O_EXITKILL, !start.outlives_tracer);
                if let Err(errno) = ptrace::seize(child, options) {
                    give_up(child);
                    return Err(Refused::Ptrace(errno));
                }
                self.known.insert(child.as_raw());
                // Its first stop: wherever it is then, it is not the program yet.
                let stopped = self.interrupt(child.as_raw());
                let sent = stopped.and_then(|()| write(&go, b"!"));
                sent.map_err(|errno| Refused::Call("start", errno))?;
                Ok(Spawned { pid: child.as_raw(), failure })
            }
        }
    }
}

/// The child that could not be traced has not become anything yet.
fn give_up(child: Pid) {
    // Our child and not reaped, so the number is its own.
    let _ = kill(child, Signal::SIGKILL);
    let _ = nix::sys::wait::waitpid(child, None);
}

/// In the child: waits until it is seized, and becomes the program. Answers which step failed.
fn become_program(
    gate: &OwnedFd,
    start: &Start,
    path: &CString,
    argv: &[*const libc::c_char],
) -> [c_int; 2] {
    let mut byte = [0];
    while nix::unistd::read(gate, &mut byte) == Err(Errno::EINTR) {}
    let steps: [&dyn Fn() -> nix::Result<()>; 3] = [
        &|| {
            unmask();
            start.prepare.map_or(Ok(()), |prepare| prepare())
        },
        &|| start.filter.map_or(Ok(()), Filter::install),
        &|| {
            // SAFETY: a list of strings that ends with NULL; `environ` is not changed by anybody.
            Errno::result(unsafe { libc::execve(path.as_ptr(), argv.as_ptr(), environ.cast()) })
                .map(drop)
        },
    ];
    for (i, step) in steps.iter().enumerate() {
        // A gate without a byte: the tracer is gone.
        if byte[0] == 0 {
            return [0, libc::ESRCH];
        }
        if let Err(errno) = step() {
            return [i as c_int, errno as c_int];
        }
    }
    [0, 0]
}

unsafe extern "C" {
    static environ: *const *const libc::c_char;
}

/// Signals as our own start found them: Rust ignores SIGPIPE, and the tracer those of the terminal.
static FOUND: std::sync::OnceLock<(Vec<c_int>, SigSet)> = std::sync::OnceLock::new();

/// The signals that the tracer does not let end or stop itself, because the terminal sends them to
/// the program as well, and the program decides.
const TERMINALS: [c_int; 6] =
    [libc::SIGINT, libc::SIGQUIT, libc::SIGHUP, libc::SIGTSTP, libc::SIGTTIN, libc::SIGTTOU];

/// From now on the terminal's signals are the program's alone. What is started keeps what we found.
pub fn leave_signals_to_the_program() {
    FOUND.get_or_init(|| {
        // SAFETY: SIG_IGN for signals that exist.
        let ignore =
            |signal: &&c_int| unsafe { libc::signal(**signal, libc::SIG_IGN) } != libc::SIG_IGN;
        let changed = TERMINALS.iter().filter(ignore).copied().chain([libc::SIGPIPE]).collect();
        (changed, SigSet::thread_get_mask().unwrap_or(SigSet::empty()))
    });
}

/// Was this signal ignored when we were started, and so will be by what we start?
pub fn ignored_at_start(signal: c_int) -> bool {
    !FOUND.get().is_some_and(|(changed, _)| changed.contains(&signal))
}

/// In the child: signals as [`leave_signals_to_the_program`] found them.
fn unmask() {
    let Some((changed, mask)) = FOUND.get() else { return };
    for &signal in changed {
        // SAFETY: SIG_DFL for signals that exist.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
    }
    // Fails only for a `how` that does not exist.
    let _ = sigprocmask(SigmaskHow::SIG_SETMASK, Some(mask), None);
}
