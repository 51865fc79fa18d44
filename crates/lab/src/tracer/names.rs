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

/// Names of bits, in strace's order, and what a value is called that has none of them.
pub struct Bits(pub &'static [(u64, &'static str)], pub &'static str);

/// The flags of `msgget` and `semget`.
pub const GET: Bits = Bits(
    &[
        (libc::IPC_CREAT as u64, "IPC_CREAT"),
        (libc::IPC_EXCL as u64, "IPC_EXCL"),
        (libc::IPC_NOWAIT as u64, "IPC_NOWAIT"),
    ],
    "",
);
/// The flags of `shmat`.
pub const ATTACH: Bits = Bits(
    &[
        (libc::SHM_RDONLY as u64, "SHM_RDONLY"),
        (libc::SHM_RND as u64, "SHM_RND"),
        (libc::SHM_REMAP as u64, "SHM_REMAP"),
        (libc::SHM_EXEC as u64, "SHM_EXEC"),
    ],
    "SHM_???",
);
/// The flags of `msgsnd` and `msgrcv`. <linux/msg.h>
pub const MESSAGE: Bits = Bits(
    &[
        (libc::MSG_NOERROR as u64, "MSG_NOERROR"),
        (0o20000, "MSG_EXCEPT"),
        (0o40000, "MSG_COPY"),
        (libc::IPC_NOWAIT as u64, "IPC_NOWAIT"),
    ],
    "MSG_???",
);
/// The flags of a semaphore operation.
pub const SEMAPHORE: Bits = Bits(
    &[(libc::SEM_UNDO as u64, "SEM_UNDO"), (libc::IPC_NOWAIT as u64, "IPC_NOWAIT")],
    "SEM_???",
);
/// `rt_sigprocmask`'s `how`.
pub const MASK_HOW: Names = &[(0, "SIG_BLOCK"), (1, "SIG_UNBLOCK"), (2, "SIG_SETMASK")];
/// `waitid`'s `idtype`.
pub const ID_TYPE: Names = &[(0, "P_ALL"), (1, "P_PID"), (2, "P_PGID"), (3, "P_PIDFD")];
/// `clock_nanosleep`'s clocks.
pub const CLOCKS: Names = &[
    (0, "CLOCK_REALTIME"),
    (1, "CLOCK_MONOTONIC"),
    (2, "CLOCK_PROCESS_CPUTIME_ID"),
    (3, "CLOCK_THREAD_CPUTIME_ID"),
    (4, "CLOCK_MONOTONIC_RAW"),
    (5, "CLOCK_REALTIME_COARSE"),
    (6, "CLOCK_MONOTONIC_COARSE"),
    (7, "CLOCK_BOOTTIME"),
    (8, "CLOCK_REALTIME_ALARM"),
    (9, "CLOCK_BOOTTIME_ALARM"),
    (10, "CLOCK_SGI_CYCLE"),
    (11, "CLOCK_TAI"),
];
/// The folder of a path that is not absolute.
pub const FOLDERS: Names = &[(libc::AT_FDCWD as i64, "AT_FDCWD")];
/// `execveat`'s flags.
pub const AT: Bits = Bits(
    &[
        (libc::AT_SYMLINK_NOFOLLOW as u64, "AT_SYMLINK_NOFOLLOW"),
        (libc::AT_REMOVEDIR as u64, "AT_REMOVEDIR"),
        (libc::AT_SYMLINK_FOLLOW as u64, "AT_SYMLINK_FOLLOW"),
        (libc::AT_NO_AUTOMOUNT as u64, "AT_NO_AUTOMOUNT"),
        (libc::AT_EMPTY_PATH as u64, "AT_EMPTY_PATH"),
    ],
    "AT_???",
);
/// `clock_nanosleep`'s flags.
pub const TIMER: Bits = Bits(&[(libc::TIMER_ABSTIME as u64, "TIMER_ABSTIME")], "TIMER_???");
/// The options of `wait4` and `waitid`.
pub const WAIT: Bits = Bits(
    &[
        (libc::WNOHANG as u64, "WNOHANG"),
        (libc::WEXITED as u64, "WEXITED"),
        (libc::WSTOPPED as u64, "WSTOPPED"),
        (libc::WCONTINUED as u64, "WCONTINUED"),
        (libc::WNOWAIT as u64, "WNOWAIT"),
        (0x8000_0000, "__WCLONE"),
        (libc::__WALL as u64, "__WALL"),
        (libc::__WNOTHREAD as u64, "__WNOTHREAD"),
    ],
    "W???",
);
/// `poll`'s events.
pub const POLL: Bits = Bits(
    &[
        (0x1, "POLLIN"),
        (0x2, "POLLPRI"),
        (0x4, "POLLOUT"),
        (0x8, "POLLERR"),
        (0x10, "POLLHUP"),
        (0x20, "POLLNVAL"),
        (0x40, "POLLRDNORM"),
        (0x80, "POLLRDBAND"),
        (0x100, "POLLWRNORM"),
        (0x200, "POLLWRBAND"),
        (0x400, "POLLMSG"),
        (0x1000, "POLLREMOVE"),
        (0x2000, "POLLRDHUP"),
    ],
    "POLL???",
);
/// `clone`'s flags, in strace's order.
const CLONE: Bits = Bits(
    &[
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
        (0x8000_0000, "CLONE_IO"),
        (1 << 32, "CLONE_CLEAR_SIGHAND"),
        (1 << 33, "CLONE_INTO_CGROUP"),
    ],
    "CLONE_???",
);
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
const ACTION: Bits = Bits(
    &[
        (0x0400_0000, "SA_RESTORER"),
        (libc::SA_ONSTACK as u64, "SA_ONSTACK"),
        (libc::SA_RESTART as u64, "SA_RESTART"),
        (0x2000_0000, "SA_INTERRUPT"),
        (libc::SA_NODEFER as u64, "SA_NODEFER"),
        (0x8000_0000, "SA_RESETHAND"),
        (libc::SA_SIGINFO as u64, "SA_SIGINFO"),
        (libc::SA_NOCLDSTOP as u64, "SA_NOCLDSTOP"),
        (libc::SA_NOCLDWAIT as u64, "SA_NOCLDWAIT"),
    ],
    "SA_???",
);
/// What FUTEX_WAKE_OP does with the second word, and how it compares it.
const FUTEX_OP: Names = &[
    (0, "FUTEX_OP_SET"),
    (1, "FUTEX_OP_ADD"),
    (2, "FUTEX_OP_OR"),
    (3, "FUTEX_OP_ANDN"),
    (4, "FUTEX_OP_XOR"),
];
const FUTEX_COMPARE: Names = &[
    (0, "FUTEX_OP_CMP_EQ"),
    (1, "FUTEX_OP_CMP_NE"),
    (2, "FUTEX_OP_CMP_LT"),
    (3, "FUTEX_OP_CMP_LE"),
    (4, "FUTEX_OP_CMP_GT"),
    (5, "FUTEX_OP_CMP_GE"),
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
    known.map_or_else(
        || format!("{:#x} /* {what}??? */", value as u32),
        |(_, name)| name.to_string(),
    )
}

/// `SHM_RDONLY|SHM_RND`: bits by their names, the rest in hexadecimal; `0x8 /* SHM_??? */` where none
/// has a name.
pub fn flags(value: u64, Bits(names, what): &Bits) -> String {
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
        (_, true) if what.is_empty() => format!("{rest:#x}"),
        (_, true) => format!("{rest:#x} /* {what} */"),
        (_, false) => format!("{text}|{rest:#x}"),
    }
}

/// `IPC_CREAT|IPC_EXCL|0600`: the flags of `shmget`, `msgget`, `semget`, which differ.
pub fn get(kind: Kind, value: c_int) -> String {
    if kind == Kind::Shm {
        return spell::get(value);
    }
    let (above, mode) = (value as u32 & !0o777, value & 0o777);
    let above = if above == 0 { String::new() } else { format!("{}|", flags(above.into(), &GET)) };
    format!("{above}0{mode:02o}")
}

/// A command of `shmctl`, `msgctl` or `semctl`.
pub fn command(kind: Kind, command: c_int) -> String {
    let names = match kind {
        Kind::Sem => SEM_COMMANDS,
        Kind::Msg => MSG_COMMANDS,
        Kind::Shm => &[],
    };
    let plain = command & !IPC_64;
    let known = names.iter().find(|(number, _)| *number == i64::from(plain));
    let name = match known {
        Some((_, name)) => name.to_string(),
        None if kind != Kind::Shm && !(0..=3).contains(&plain) => {
            format!("{plain:#x} /* {}_??? */", kind.name().to_uppercase())
        }
        None => return spell::command(command),
    };
    if command & IPC_64 != 0 { format!("IPC_64|{name}") } else { name }
}

/// Is there a command of this number?
pub fn is_command(kind: Kind, command: c_int) -> bool {
    let own = |names: Names| names.iter().any(|(number, _)| *number == i64::from(command));
    match kind {
        _ if (0..=3).contains(&command) => true,
        Kind::Shm => (11..=15).contains(&command),
        Kind::Msg => own(MSG_COMMANDS),
        Kind::Sem => own(SEM_COMMANDS),
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
    let plain = op & !(libc::FUTEX_PRIVATE_FLAG | REALTIME);
    // Only these have a clock.
    let clocks = [libc::FUTEX_WAIT, libc::FUTEX_WAIT_BITSET, libc::FUTEX_WAIT_REQUEUE_PI];
    let realtime = op & REALTIME != 0;
    let known = FUTEX.get(plain as usize).filter(|_| !realtime || clocks.contains(&plain));
    let Some(name) = known else { return format!("{op:#x} /* FUTEX_??? */") };
    let private = if op & libc::FUTEX_PRIVATE_FLAG != 0 { "_PRIVATE" } else { "" };
    let clock = if realtime { "|FUTEX_CLOCK_REALTIME" } else { "" };
    format!("{name}{private}{clock}")
}

/// `FUTEX_OP_SET<<28|0<<12|FUTEX_OP_CMP_GT<<24|0x1`: the last argument of FUTEX_WAKE_OP.
pub fn futex_op(value: u32) -> String {
    let name = |names: Names, number: u32| {
        names.iter().find(|(known, _)| *known == i64::from(number)).map(|(_, name)| *name)
    };
    let op = value >> 28 & 7;
    let by_shift = if value >> 31 == 1 { "FUTEX_OP_OPARG_SHIFT<<28|" } else { "" };
    let op = match name(FUTEX_OP, op) {
        Some(name) => format!("{name}<<28"),
        None => format!("{op:#x}<<28 /* FUTEX_OP_??? */"),
    };
    let compare = value >> 24 & 0xf;
    let compare = match name(FUTEX_COMPARE, compare) {
        Some(name) => format!("{name}<<24"),
        None => format!("{compare:#x}<<24 /* FUTEX_OP_CMP_??? */"),
    };
    let (operand, other) = (hexadecimal(value >> 12 & 0xfff), hexadecimal(value & 0xfff));
    format!("{by_shift}{op}|{operand}<<12|{compare}|{other}")
}

/// As C's `%#x` has it: 0 without `0x`.
pub fn hexadecimal(value: u32) -> String {
    if value == 0 { "0".into() } else { format!("{value:#x}") }
}

/// `CLONE_CHILD_CLEARTID|CLONE_CHILD_SETTID`, without the signal in the lowest byte.
pub fn clone(value: u64) -> String {
    flags(value & !0xff, &CLONE)
}

/// The flags of unshare and setns, which have no signal.
pub fn namespaces(value: u64) -> String {
    flags(value, &CLONE)
}

/// `SA_RESTORER|SA_RESTART`
pub fn action(value: u64) -> String {
    flags(value, &ACTION)
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
        (-7, "SI_DETHREAD"),
        (-60, "SI_ASYNCNL"),
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
