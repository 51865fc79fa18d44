//! What keeps a program that is judged from the rest of the machine, beside the cell's files: limits, no new
//! privileges, landlock(7). And which of these walls this machine has, for `lab doctor`.

use libc::c_long;
use nix::errno::Errno;
use nix::sys::resource::{Resource, setrlimit};

/// Bytes of address space, for a program and for a compiler; bytes of a file; open files.
const MEMORY: u64 = 1 << 30;
const COMPILER: u64 = 4 << 30;
const FILE: u64 = 64 << 20;
const FILES: u64 = 256;
/// Where we are root, others may have processes as this user, too.
pub const NOBODY: u32 = 65534;
/// Seconds of processor time of one process: a limit that only ever leads to "could not judge".
const SECONDS: u64 = 20;

/// Of the process that the programs are forked from. Only system calls and small writes: it has one thread.
pub fn around_programs() -> Result<(), String> {
    limits(MEMORY, SECONDS)?;
    no_new_privileges()?;
    match landlock::restrict() {
        // The second wall: there may be none.
        Ok(()) | Err(Errno::ENOSYS | Errno::EOPNOTSUPP) => Ok(()),
        Err(errno) => Err(format!("landlock: {}", sysv::spell::errno(errno))),
    }
}

/// The same, and standard output is a pipe that nobody reads.
pub fn around_programs_without_a_reader() -> Result<(), String> {
    around_programs()?;
    let mut ends = [-1; 2];
    // SAFETY: two numbers, which outlive the call; the descriptors are ours.
    let done = unsafe {
        let made = libc::pipe(ends.as_mut_ptr());
        if made == 0 {
            libc::dup2(ends[1], libc::STDOUT_FILENO);
            libc::close(ends[0]);
            libc::close(ends[1]);
        }
        made
    };
    Errno::result(done).map(drop).map_err(|errno| format!("pipe: {errno}"))
}

/// The same, and standard output is closed.
pub fn around_programs_without_output() -> Result<(), String> {
    around_programs()?;
    // SAFETY: a number.
    unsafe { libc::close(libc::STDOUT_FILENO) };
    Ok(())
}

/// Of a compiler.
pub fn around_a_compiler(seconds: u64) -> Result<(), String> {
    limits(COMPILER, seconds)?;
    // A Makefile may start what it likes, and nobody follows it call by call.
    let most = if nix::unistd::getuid().as_raw() == NOBODY { 1000 } else { 300 };
    setrlimit(Resource::RLIMIT_NPROC, most, most).map_err(|errno| format!("setrlimit: {errno}"))?;
    no_new_privileges()
}

fn limits(memory: u64, seconds: u64) -> Result<(), String> {
    for (what, most) in [
        (Resource::RLIMIT_AS, memory),
        (Resource::RLIMIT_FSIZE, FILE),
        (Resource::RLIMIT_NOFILE, FILES),
        (Resource::RLIMIT_CORE, 0),
        (Resource::RLIMIT_CPU, seconds),
    ] {
        setrlimit(what, most, most).map_err(|errno| format!("setrlimit: {errno}"))?;
    }
    Ok(())
}

/// A setuid program runs without its owner's rights.
pub fn no_new_privileges() -> Result<(), String> {
    // SAFETY: it takes numbers.
    let done = unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) };
    Errno::result(done).map(drop).map_err(|errno| format!("prctl: {errno}"))
}

/// Landlock: what may be done with files, from now on. landlock(7)
pub mod landlock {
    use super::*;

    /// <linux/landlock.h>: reading and running on the one hand; of the first version, everything.
    const READ: u64 = 1 | 1 << 2 | 1 << 3;
    const ALL: u64 = (1 << 13) - 1;
    const OF_FILES: u64 = 1 | 1 << 1 | 1 << 2;
    const PATH_BENEATH: c_long = 1;
    const VERSION: c_long = 1;

    #[repr(C)]
    struct Ruleset {
        files: u64,
    }

    #[repr(C, packed)]
    struct Beneath {
        allowed: u64,
        parent: i32,
    }

    /// The version that the kernel has. ENOSYS, EOPNOTSUPP: none.
    pub fn version() -> nix::Result<c_long> {
        // SAFETY: without a ruleset it only answers.
        Errno::result(unsafe {
            libc::syscall(libc::SYS_landlock_create_ruleset, 0_usize, 0_usize, VERSION)
        })
    }

    /// Files can be read and run; written only in /tmp, /work, /dev and /proc.
    pub fn restrict() -> nix::Result<()> {
        version()?;
        let ruleset = Ruleset { files: ALL };
        // SAFETY: the kernel reads the record.
        let rules = Errno::result(unsafe {
            let size = size_of::<Ruleset>();
            libc::syscall(libc::SYS_landlock_create_ruleset, &raw const ruleset, size, 0)
        })?;
        let allowed = [
            (c"/", READ),
            (c"/tmp", ALL),
            (c"/work", ALL),
            (c"/dev", ALL),
            (c"/dev/shm", ALL),
            (c"/proc", READ | OF_FILES),
        ];
        for (path, allowed) in allowed {
            // SAFETY: a literal, and a record that the kernel reads; the descriptor is ours to close.
            unsafe {
                let parent = libc::open(path.as_ptr(), libc::O_PATH | libc::O_CLOEXEC);
                if parent == -1 {
                    continue;
                }
                let rule = Beneath { allowed, parent };
                let call = libc::SYS_landlock_add_rule;
                let done = libc::syscall(call, rules, PATH_BENEATH, &raw const rule, 0);
                libc::close(parent);
                Errno::result(done)?;
            }
        }
        // SAFETY: numbers; the descriptor is ours to close.
        unsafe {
            let done = libc::syscall(libc::SYS_landlock_restrict_self, rules, 0);
            libc::close(rules as i32);
            Errno::result(done).map(drop)
        }
    }
}
