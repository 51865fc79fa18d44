//! Numbers to strace's spelling, where `sysv::spell` has none: signals in sets, futex operations,
//! clone flags, waits.

use std::fmt::Write;
use std::sync::LazyLock;

use libc::c_int;
use nix::errno::Errno;
use sysv::spell;
use sysv::tables::Kind;

/// Names of a whole value.
pub type Names = &'static [(i64, &'static str)];

/// A bit of a command that asks for today's records; understood everywhere, needed on few.
pub const IPC_64: c_int = 0x100;

/// `semctl`'s commands beyond those of `shmctl`. <sys/sem.h>, <linux/sem.h>
const SEM_COMMANDS: Names = &[
    (libc::GETPID as i64, "GETPID"),
    (libc::GETVAL as i64, "GETVAL"),
    (libc::GETALL as i64, "GETALL"),
    (libc::GETNCNT as i64, "GETNCNT"),
    (libc::GETZCNT as i64, "GETZCNT"),
    (libc::SETVAL as i64, "SETVAL"),
    (libc::SETALL as i64, "SETALL"),
    (18, "SEM_STAT"),
    (19, "SEM_INFO"),
    (20, "SEM_STAT_ANY"),
];
/// `msgctl`'s. <linux/msg.h>
const MSG_COMMANDS: Names = &[(11, "MSG_STAT"), (12, "MSG_INFO"), (13, "MSG_STAT_ANY")];

/// The flags of `msgsnd` and `msgrcv`, in strace's order. <linux/msg.h>
pub const MESSAGE: &[(c_int, &str)] = &[
    (libc::MSG_NOERROR, "MSG_NOERROR"),
    (0o20000, "MSG_EXCEPT"),
    (libc::IPC_NOWAIT, "IPC_NOWAIT"),
];
/// `rt_sigprocmask`'s `how`.
pub const MASK_HOW: Names = &[(0, "SIG_BLOCK"), (1, "SIG_UNBLOCK"), (2, "SIG_SETMASK")];
/// `waitid`'s `idtype`.
pub const ID_TYPE: Names = &[(0, "P_ALL"), (1, "P_PID"), (2, "P_PGID"), (3, "P_PIDFD")];
/// `clock_nanosleep`'s clocks.
pub const CLOCKS: Names =
    &[(0, "CLOCK_REALTIME"), (1, "CLOCK_MONOTONIC"), (7, "CLOCK_BOOTTIME"), (11, "CLOCK_TAI")];
/// `clock_nanosleep`'s flags.
pub const TIMER: &[(c_int, &str)] = &[(libc::TIMER_ABSTIME, "TIMER_ABSTIME")];
/// The options of `wait4` and `waitid`.
pub const WAIT: &[(c_int, &str)] = &[
    (libc::WNOHANG, "WNOHANG"),
    (libc::WSTOPPED, "WSTOPPED"),
    (libc::WEXITED, "WEXITED"),
    (libc::WCONTINUED, "WCONTINUED"),
    (libc::WNOWAIT, "WNOWAIT"),
    (libc::__WNOTHREAD, "__WNOTHREAD"),
    (libc::__WALL, "__WALL"),
    (libc::__WCLONE, "__WCLONE"),
];
/// `poll`'s events.
pub const POLL: &[(c_int, &str)] = &[
    (libc::POLLIN as c_int, "POLLIN"),
    (libc::POLLPRI as c_int, "POLLPRI"),
    (libc::POLLOUT as c_int, "POLLOUT"),
    (libc::POLLERR as c_int, "POLLERR"),
    (libc::POLLHUP as c_int, "POLLHUP"),
    (libc::POLLNVAL as c_int, "POLLNVAL"),
];
/// `flock`'s operations.
pub const LOCK: &[(c_int, &str)] = &[
    (libc::LOCK_SH, "LOCK_SH"),
    (libc::LOCK_EX, "LOCK_EX"),
    (libc::LOCK_UN, "LOCK_UN"),
    (libc::LOCK_NB, "LOCK_NB"),
];
/// `access`'s modes.
pub const ACCESS: &[(c_int, &str)] =
    &[(libc::R_OK, "R_OK"), (libc::W_OK, "W_OK"), (libc::X_OK, "X_OK")];
/// `lseek`'s places.
pub const WHENCE: Names = &[(0, "SEEK_SET"), (1, "SEEK_CUR"), (2, "SEEK_END")];
/// `fcntl`'s commands that the labs and locks use. <fcntl.h>
pub const FILE_COMMANDS: Names = &[
    (libc::F_DUPFD as i64, "F_DUPFD"),
    (libc::F_GETFD as i64, "F_GETFD"),
    (libc::F_SETFD as i64, "F_SETFD"),
    (libc::F_GETFL as i64, "F_GETFL"),
    (libc::F_SETFL as i64, "F_SETFL"),
    (libc::F_GETLK as i64, "F_GETLK"),
    (libc::F_SETLK as i64, "F_SETLK"),
    (libc::F_SETLKW as i64, "F_SETLKW"),
    (libc::F_OFD_GETLK as i64, "F_OFD_GETLK"),
    (libc::F_OFD_SETLK as i64, "F_OFD_SETLK"),
    (libc::F_OFD_SETLKW as i64, "F_OFD_SETLKW"),
    (libc::F_DUPFD_CLOEXEC as i64, "F_DUPFD_CLOEXEC"),
];
/// `open`'s flags beside the access mode, in strace's order.
const OPEN: &[(c_int, &str)] = &[
    (libc::O_CREAT, "O_CREAT"),
    (libc::O_EXCL, "O_EXCL"),
    (libc::O_NOCTTY, "O_NOCTTY"),
    (libc::O_TRUNC, "O_TRUNC"),
    (libc::O_APPEND, "O_APPEND"),
    (libc::O_NONBLOCK, "O_NONBLOCK"),
    (libc::O_DIRECTORY, "O_DIRECTORY"),
    (libc::O_NOFOLLOW, "O_NOFOLLOW"),
    (libc::O_PATH, "O_PATH"),
    (libc::O_CLOEXEC, "O_CLOEXEC"),
];
/// `clone`'s flags, in strace's order.
const CLONE: &[(u64, &str)] = &[
    (libc::CLONE_VM as u64, "CLONE_VM"),
    (libc::CLONE_FS as u64, "CLONE_FS"),
    (libc::CLONE_FILES as u64, "CLONE_FILES"),
    (libc::CLONE_SIGHAND as u64, "CLONE_SIGHAND"),
    (libc::CLONE_PIDFD as u64, "CLONE_PIDFD"),
    (libc::CLONE_PTRACE as u64, "CLONE_PTRACE"),
    (libc::CLONE_VFORK as u64, "CLONE_VFORK"),
    (libc::CLONE_PARENT as u64, "CLONE_PARENT"),
    (libc::CLONE_THREAD as u64, "CLONE_THREAD"),
    (libc::CLONE_NEWNS as u64, "CLONE_NEWNS"),
    (libc::CLONE_SYSVSEM as u64, "CLONE_SYSVSEM"),
    (libc::CLONE_SETTLS as u64, "CLONE_SETTLS"),
    (libc::CLONE_PARENT_SETTID as u64, "CLONE_PARENT_SETTID"),
    (libc::CLONE_CHILD_CLEARTID as u64, "CLONE_CHILD_CLEARTID"),
    (libc::CLONE_UNTRACED as u64, "CLONE_UNTRACED"),
    (libc::CLONE_CHILD_SETTID as u64, "CLONE_CHILD_SETTID"),
    (libc::CLONE_NEWCGROUP as u64, "CLONE_NEWCGROUP"),
    (libc::CLONE_NEWUTS as u64, "CLONE_NEWUTS"),
    (libc::CLONE_NEWIPC as u64, "CLONE_NEWIPC"),
    (libc::CLONE_NEWUSER as u64, "CLONE_NEWUSER"),
    (libc::CLONE_NEWPID as u64, "CLONE_NEWPID"),
    (libc::CLONE_NEWNET as u64, "CLONE_NEWNET"),
    (libc::CLONE_IO as u64, "CLONE_IO"),
    (1 << 32, "CLONE_CLEAR_SIGHAND"),
    (1 << 33, "CLONE_INTO_CGROUP"),
];
const FUTEX: &[&str] = &[
    "FUTEX_WAIT",
    "FUTEX_WAKE",
    "FUTEX_FD",
    "FUTEX_REQUEUE",
    "FUTEX_CMP_REQUEUE",
    "FUTEX_WAKE_OP",
    "FUTEX_LOCK_PI",
    "FUTEX_UNLOCK_PI",
    "FUTEX_TRYLOCK_PI",
    "FUTEX_WAIT_BITSET",
    "FUTEX_WAKE_BITSET",
    "FUTEX_WAIT_REQUEUE_PI",
    "FUTEX_CMP_REQUEUE_PI",
    "FUTEX_LOCK_PI2",
];
const ACTION: &[(u64, &str)] = &[
    (0x0400_0000, "SA_RESTORER"),
    (libc::SA_NOCLDSTOP as u64, "SA_NOCLDSTOP"),
    (libc::SA_NOCLDWAIT as u64, "SA_NOCLDWAIT"),
    (libc::SA_ONSTACK as u64, "SA_ONSTACK"),
    (libc::SA_RESTART as u64, "SA_RESTART"),
    (libc::SA_NODEFER as u64, "SA_NODEFER"),
    (libc::SA_RESETHAND as u64, "SA_RESETHAND"),
    (libc::SA_SIGINFO as u64, "SA_SIGINFO"),
];
/// The kernel's own codes for "to be restarted", which no program sees. <linux/errno.h>
const RESTARTS: [(i64, &str); 4] = [
    (512, "? ERESTARTSYS (To be restarted if SA_RESTART is set)"),
    (513, "? ERESTARTNOINTR (To be restarted)"),
    (514, "? ERESTARTNOHAND (To be restarted if no handler)"),
    (516, "? ERESTART_RESTARTBLOCK (Interrupted by signal)"),
];

/// The name of a value, or the number in hexadecimal with what it should have been.
pub fn one(value: i64, names: Names, what: &str) -> String {
    let known = names.iter().find(|(number, _)| *number == value);
    known.map_or_else(|| format!("{value:#x} /* {what}??? */"), |(_, name)| name.to_string())
}

/// `O_RDWR|O_CREAT|O_EXCL`
pub fn open_flags(flags: c_int) -> String {
    let mode = match flags & libc::O_ACCMODE {
        libc::O_RDONLY => "O_RDONLY",
        libc::O_WRONLY => "O_WRONLY",
        _ => "O_RDWR",
    };
    let rest = flags & !libc::O_ACCMODE;
    if rest == 0 { mode.into() } else { format!("{mode}|{}", spell::join(rest, OPEN)) }
}

fn bits(value: u64, names: &[(u64, &str)]) -> String {
    let mut text = String::new();
    let mut rest = value;
    for (bit, name) in names.iter().filter(|(bit, _)| value & bit != 0) {
        let between = if text.is_empty() { "" } else { "|" };
        let _ = write!(text, "{between}{name}");
        rest &= !bit;
    }
    match (rest, text.is_empty()) {
        (0, true) => "0".into(),
        (0, false) => text,
        (_, true) => format!("{rest:#x}"),
        (_, false) => format!("{text}|{rest:#x}"),
    }
}

/// A command of `shmctl`, `msgctl` or `semctl`.
pub fn command(kind: Kind, command: c_int) -> String {
    let names = match kind {
        Kind::Sem => SEM_COMMANDS,
        Kind::Msg => MSG_COMMANDS,
        Kind::Shm => &[],
    };
    let known = names.iter().find(|(number, _)| *number == i64::from(command & !IPC_64));
    match known {
        Some((_, name)) if command & IPC_64 != 0 => format!("IPC_64|{name}"),
        Some((_, name)) => name.to_string(),
        None if kind != Kind::Shm && command & !IPC_64 > 3 => {
            format!("{command:#x} /* {}_??? */", kind.name().to_uppercase())
        }
        None => spell::command(command),
    }
}

/// `SIGUSR1`, `SIGRTMIN`, `SIGRT_3`: as the kernel counts them, from 32.
pub fn signal(number: c_int) -> String {
    match number {
        0 => "0".into(),
        32 => "SIGRTMIN".into(),
        33..=64 => format!("SIGRT_{}", number - 32),
        _ => {
            let name = spell::signal(number);
            if name.starts_with("SIG") { name } else { number.to_string() }
        }
    }
}

/// Are there fewer signals that it has not than that it has, as strace counts?
pub fn is_nearly_all(mask: u64) -> bool {
    mask.count_ones() >= 42
}

/// `[USR1 USR2]`, or `~[KILL]` when that is shorter.
pub fn set(mask: u64) -> String {
    let inverted = is_nearly_all(mask);
    let shown = if inverted { !mask } else { mask };
    let names = (1..=64).filter(|n| shown >> (n - 1) & 1 == 1);
    let names: Vec<String> = names.map(|n| signal(n).trim_start_matches("SIG").into()).collect();
    format!("{}[{}]", if inverted { "~" } else { "" }, names.join(" "))
}

/// `FUTEX_WAIT_BITSET_PRIVATE|FUTEX_CLOCK_REALTIME`
pub fn futex(op: c_int) -> String {
    const REALTIME: c_int = 256;
    let name = FUTEX.get((op & 0x7f) as usize).copied().unwrap_or("FUTEX_???");
    let private = if op & libc::FUTEX_PRIVATE_FLAG != 0 { "_PRIVATE" } else { "" };
    let clock = if op & REALTIME != 0 { "|FUTEX_CLOCK_REALTIME" } else { "" };
    format!("{name}{private}{clock}")
}

/// `CLONE_CHILD_CLEARTID|CLONE_CHILD_SETTID|SIGCHLD`
pub fn clone(flags: u64) -> String {
    bits(flags & !0xff, CLONE)
}

/// `SA_RESTORER|SA_RESTART`
pub fn action(flags: u64) -> String {
    bits(flags, ACTION)
}

/// `[{WIFEXITED(s) && WEXITSTATUS(s) == 0}]`: what `wait4` wrote.
pub fn status(status: c_int) -> String {
    if libc::WIFEXITED(status) {
        return format!("[{{WIFEXITED(s) && WEXITSTATUS(s) == {}}}]", libc::WEXITSTATUS(status));
    }
    if libc::WIFSIGNALED(status) {
        let core = if libc::WCOREDUMP(status) { " && WCOREDUMP(s)" } else { "" };
        let signal = signal(libc::WTERMSIG(status));
        return format!("[{{WIFSIGNALED(s) && WTERMSIG(s) == {signal}{core}}}]");
    }
    if libc::WIFCONTINUED(status) {
        return "[{WIFCONTINUED(s)}]".into();
    }
    format!("[{{WIFSTOPPED(s) && WSTOPSIG(s) == {}}}]", signal(libc::WSTOPSIG(status)))
}

/// Why a signal was sent: `SI_USER`, `CLD_EXITED`, … siginfo(2)
pub fn code(signal: c_int, code: c_int) -> String {
    let general: Names = &[
        (0, "SI_USER"),
        (0x80, "SI_KERNEL"),
        (-1, "SI_QUEUE"),
        (-2, "SI_TIMER"),
        (-3, "SI_MESGQ"),
        (-4, "SI_ASYNCIO"),
        (-5, "SI_SIGIO"),
        (-6, "SI_TKILL"),
    ];
    let own: &[&str] = match signal {
        libc::SIGCHLD => &[
            "CLD_EXITED",
            "CLD_KILLED",
            "CLD_DUMPED",
            "CLD_TRAPPED",
            "CLD_STOPPED",
            "CLD_CONTINUED",
        ],
        libc::SIGSEGV => &["SEGV_MAPERR", "SEGV_ACCERR"],
        libc::SIGBUS => &["BUS_ADRALN", "BUS_ADRERR", "BUS_OBJERR"],
        libc::SIGFPE => &["FPE_INTDIV", "FPE_INTOVF"],
        _ => &[],
    };
    match own.get((code - 1) as usize) {
        Some(name) if code > 0 => name.to_string(),
        _ => {
            let known = general.iter().find(|(number, _)| *number == i64::from(code));
            known.map_or(format!("{code:#x}"), |(_, name)| name.to_string())
        }
    }
}

/// What an answer that is no success says.
pub struct Refusal {
    /// `None`: one of the kernel's restart codes, which no program sees.
    pub errno: Option<Errno>,
    /// Spelled whole: `-1 EEXIST (File exists)`.
    pub spelled: &'static str,
}

/// The error that a result is, if it is one.
pub fn error(result: i64) -> Option<Refusal> {
    if !(-4095..0).contains(&result) {
        return None;
    }
    if let Some((_, spelled)) = RESTARTS.iter().find(|(code, _)| *code == -result) {
        return Some(Refusal { errno: None, spelled });
    }
    let spelled = ERRORS.get(-result as usize).or_else(|| ERRORS.first())?;
    Some(Refusal { errno: Some(Errno::from_raw(-result as c_int)), spelled })
}

/// Every errno, by number: asking the C library for its text each time costs more than a trace line.
static ERRORS: LazyLock<Vec<String>> = LazyLock::new(|| {
    let spell = |number: c_int| match Errno::from_raw(number) {
        Errno::UnknownErrno => format!("-1 E{number}"),
        errno => format!("-1 {}", spell::errno(errno)),
    };
    (0..=133).map(spell).collect()
});
