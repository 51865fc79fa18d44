//! How the arguments of calls are spelled, and what they mean.
//!
//! What a call takes is read at its entry, what it gives back at its exit.

use std::borrow::Cow;

use libc::{c_int, pollfd, sembuf, timespec};
use sysv::spell;
use sysv::tables::Kind;

use super::records::{self, literal, pointer};
use super::row;
use crate::event::{Command, Futex, Meaning, Operation};
use crate::tracer::memory::{self, record, string, strings};
use crate::tracer::{Entry, Tid, file_names, names};

/// How an argument is spelled. `Out` ones point at what the kernel fills.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum As {
    Int,
    Long,
    Unsigned,
    Size,
    Hex,
    Pointer,
    Key,
    GetFlags(Kind),
    Command(Kind),
    Attach,
    Message,
    Signal,
    Set,
    How,
    Action,
    Time,
    IdType,
    WaitOptions,
    ClockId,
    TimerFlags,
    CloneBits,
    Namespaces,
    Folder,
    AtFlags,
    CloneArgs,
    FutexOp,
    FutexValue,
    FutexValue2,
    FutexPointer2,
    FutexValue3,
    Path,
    Strings,
    Text,
    Vectors,
    Polled,
    MessageIn,
    Operations,
    Info,
    Records(Kind),
    Dir,
    OpenFlags,
    Mode,
    Access,
    Whence,
    Offset,
    LockOp,
    PipeFlags,
    FileCommand,
    OutText,
    OutPair,
    OutMessage,
    OutSet,
    OutAction,
    OutInfo,
    OutStatus,
}

use As::*;

/// An argument, spelled, and what it means.
pub struct Spelled {
    pub text: Cow<'static, str>,
    pub means: Option<Meaning>,
}

impl From<String> for Spelled {
    fn from(text: String) -> Spelled {
        Spelled { text: text.into(), means: None }
    }
}

impl From<&'static str> for Spelled {
    fn from(text: &'static str) -> Spelled {
        Spelled { text: text.into(), means: None }
    }
}

impl Spelled {
    fn meaning(text: String, means: Meaning) -> Option<Spelled> {
        Some(Spelled { text: text.into(), means: Some(means) })
    }
}

/// An argument at entry; `None` for one that this call does not have.
pub fn spell(tid: Tid, entry: &Entry, is: As, value: u64) -> Option<Spelled> {
    let args = &entry.args;
    let int = value as c_int;
    let text: String = match is {
        Int => int.to_string(),
        Long => (value as i64).to_string(),
        Unsigned => (value as u32).to_string(),
        Size => value.to_string(),
        Hex | Attach | Message if value == 0 => return Some("0".into()),
        Polled | Pointer | OutMessage | OutSet | OutAction | OutInfo | OutStatus | OutText
        | OutPair
            if value == 0 =>
        {
            return Some("NULL".into());
        }
        Mode if !may_make_a_file(entry) => return None,
        Dir if int == libc::AT_FDCWD => return Some("AT_FDCWD".into()),
        Dir => int.to_string(),
        OpenFlags => file_names::open_flags(int),
        // Without a mode of access.
        PipeFlags => {
            file_names::open_flags(int).trim_start_matches("O_RDONLY|").replace("O_RDONLY", "0")
        }
        Offset => (value as i64).to_string(),
        Mode => format!("0{value:03o}"),
        Access if int == 0 => return Some("F_OK".into()),
        Access => names::flags(value, &file_names::ACCESS),
        Whence => names::one(int.into(), file_names::WHENCE, "SEEK_"),
        LockOp => names::flags(value, &file_names::LOCK),
        FileCommand => names::one(int.into(), file_names::FILE_COMMANDS, "F_"),
        Hex => format!("{value:#x}"),
        Key => spell::key(int),
        GetFlags(kind) => names::get(kind, int),
        Command(kind) => {
            let command = Command::of(kind, int);
            return Spelled::meaning(names::command(kind, int), Meaning::Command(command));
        }
        Attach => names::flags(value as u32 as u64, &names::ATTACH),
        Message => names::flags(value as u32 as u64, &names::MESSAGE),
        Signal => names::signal(int),
        How => names::one(int.into(), names::MASK_HOW, "SIG_"),
        IdType => names::one(int.into(), names::ID_TYPE, "P_"),
        ClockId => names::one(int.into(), names::CLOCKS, "CLOCK_"),
        TimerFlags => names::flags(value as u32 as u64, &names::TIMER),
        WaitOptions => names::flags(value as u32 as u64, &names::WAIT),
        CloneBits => names::clone(value),
        Namespaces => names::namespaces(value as u32 as u64),
        CloneArgs => records::clone_args(tid, value, args[1]),
        Folder => match names::FOLDERS.iter().find(|(fd, _)| *fd == i64::from(int)) {
            Some((_, name)) => name.to_string(),
            None => int.to_string(),
        },
        AtFlags => names::flags(value as u32 as u64, &names::AT),
        Set => match record(tid, value).filter(|_| whole_sets(entry)) {
            Some(set) => return Spelled::meaning(names::set(set), Meaning::Signals(set)),
            None => pointer(value),
        },
        Action => match records::action(tid, value) {
            Some((text, action)) => return Spelled::meaning(text, Meaning::Action(action)),
            None => pointer(value),
        },
        Time => record::<timespec>(tid, value).map_or_else(
            || pointer(value),
            |time| format!("{{tv_sec={}, tv_nsec={}}}", time.tv_sec, time.tv_nsec as u64),
        ),
        FutexOp => return Spelled::meaning(names::futex(int), Meaning::Futex(Futex::of(int))),
        FutexValue | FutexValue2 | FutexPointer2 | FutexValue3 => {
            return futex_rest(tid, entry, is, value);
        }
        Path => match string(tid, value, 4096) {
            Some(path) => {
                let means = Meaning::Path(String::from_utf8_lossy(&path).into_owned());
                return Spelled::meaning(literal(&path, 4096), means);
            }
            None => pointer(value),
        },
        Strings if record::<u64>(tid, value).is_none() => pointer(value),
        Strings => {
            let list = strings(tid, value, 64);
            let list: Vec<String> = list.iter().map(|word| literal(word, 32)).collect();
            format!("[{}]", list.join(", "))
        }
        Text => literal(&memory::bytes(tid, value, args[2].min(33) as usize), 32),
        Vectors => vectors(tid, value, args[2]),
        Polled => polled(tid, value, args[1]),
        MessageIn => match records::message(tid, value, args[2]) {
            Some((text, kind)) => return Spelled::meaning(text, Meaning::MessageType(kind)),
            None => pointer(value),
        },
        Operations => return operations(tid, value, args[2]),
        Info => record(tid, value).map_or_else(|| pointer(value), |one| records::info(&one)),
        Records(kind) => return Some(taken_record(tid, entry, kind, value)),
        Pointer | OutMessage | OutSet | OutAction | OutInfo | OutStatus | OutText | OutPair => {
            pointer(value)
        }
    };
    Some(text.into())
}

/// What a call that succeeded wrote where an argument points; `None`: nothing.
pub fn given_back(tid: Tid, entry: &Entry, is: As, at: u64, result: i64) -> Option<String> {
    match is {
        _ if at == 0 => None,
        OutMessage => records::message(tid, at, result as u64).map(|(text, _)| text),
        OutSet => record(tid, at).map(names::set),
        OutText => Some(literal(&memory::bytes(tid, at, result.clamp(0, 33) as usize), 32)),
        OutPair => record::<[c_int; 2]>(tid, at).map(|[from, to]| format!("[{from}, {to}]")),
        OutAction => Some(records::action(tid, at).map_or_else(|| pointer(at), |(text, _)| text)),
        OutInfo => record(tid, at).map(|one| records::info(&one)),
        OutStatus if result > 0 => record(tid, at).map(names::status),
        Records(kind) => records::got(tid, kind, command_of(entry, kind), at),
        CloneArgs => {
            let parent = record::<[u64; 4]>(tid, at)?;
            (parent[0] & libc::CLONE_PARENT_SETTID as u64 != 0).then(|| {
                let taken = records::clone_args(tid, at, entry.args[1]);
                format!("{taken} => {{parent_tid=[{result}]}}")
            })
        }
        _ => None,
    }
}

/// Is the mode of a call that opens files looked at?
fn may_make_a_file(entry: &Entry) -> bool {
    let flags = match entry.number {
        #[cfg(target_arch = "x86_64")]
        libc::SYS_open => entry.args[1],
        libc::SYS_openat => entry.args[2],
        _ => return true,
    };
    flags as c_int & (libc::O_CREAT | libc::O_TMPFILE & !libc::O_DIRECTORY) != 0
}

/// The command that says what a record is.
fn command_of(entry: &Entry, kind: Kind) -> c_int {
    entry.args[if kind == Kind::Sem { 2 } else { 1 }] as c_int
}

/// A record that IPC_SET takes, or what else stands there.
fn taken_record(tid: Tid, entry: &Entry, kind: Kind, value: u64) -> Spelled {
    let number = command_of(entry, kind);
    match records::set(tid, kind, Command::of(kind, number), value) {
        Some((text, [uid, gid])) => {
            Spelled { text: text.into(), means: Some(Meaning::Owner { uid, gid }) }
        }
        // Also a value in a union: SETVAL's.
        None => pointer(value).into(),
    }
}

fn vectors(tid: Tid, at: u64, count: u64) -> String {
    let parts = memory::records::<libc::iovec>(tid, at, count.min(16) as usize);
    let parts = parts.iter().map(|part| {
        let text = memory::bytes(tid, part.iov_base as u64, part.iov_len.min(33));
        format!("{{iov_base={}, iov_len={}}}", literal(&text, 32), part.iov_len)
    });
    format!("[{}]", parts.collect::<Vec<_>>().join(", "))
}

fn polled(tid: Tid, at: u64, count: u64) -> String {
    let list = memory::records::<pollfd>(tid, at, count.min(32) as usize);
    let list = list.iter().map(|one| {
        if one.fd < 0 {
            return format!("{{fd={}}}", one.fd);
        }
        let events = names::flags(one.events as u16 as u64, &names::POLL);
        format!("{{fd={}, events={events}}}", one.fd)
    });
    format!("[{}]", list.collect::<Vec<_>>().join(", "))
}

/// Have the sets of this call the kernel's size? Else it takes none.
fn whole_sets(entry: &Entry) -> bool {
    let size = row(entry.number)
        .and_then(|row| row.params.iter().position(|param| param.name == "sigsetsize"));
    size.is_none_or(|at| entry.args[at] == 8)
}

fn operations(tid: Tid, at: u64, count: u64) -> Option<Spelled> {
    const MOST: u64 = 1024;
    let count = u64::from(count as u32);
    let list = memory::records::<sembuf>(tid, at, count.min(MOST) as usize);
    if at == 0 || list.is_empty() && count > 0 {
        return Some(pointer(at).into());
    }
    let means = if list.iter().any(|one| one.sem_op < 0) {
        Operation::Take
    } else if list.iter().any(|one| one.sem_op == 0) {
        Operation::Test
    } else {
        Operation::Post
    };
    let list = list.iter().map(|one| {
        let flags = names::flags(one.sem_flg as u16 as u64, &names::SEMAPHORE);
        format!("{{sem_num={}, sem_op={}, sem_flg={flags}}}", one.sem_num, one.sem_op)
    });
    let text = format!("[{}]", list.collect::<Vec<_>>().join(", "));
    Spelled::meaning(text, Meaning::Operation(means))
}

/// The arguments of futex from the third on, as far as its operation has them.
fn futex_rest(tid: Tid, entry: &Entry, is: As, value: u64) -> Option<Spelled> {
    let op = entry.args[1] as c_int & 0x7f;
    let unknown = op > libc::FUTEX_LOCK_PI2;
    let waits = [
        libc::FUTEX_WAIT,
        libc::FUTEX_LOCK_PI,
        libc::FUTEX_LOCK_PI2,
        libc::FUTEX_WAIT_BITSET,
        libc::FUTEX_WAIT_REQUEUE_PI,
    ]
    .contains(&op);
    let bitset = matches!(op, libc::FUTEX_WAIT_BITSET | libc::FUTEX_WAKE_BITSET);
    let requeue = matches!(
        op,
        libc::FUTEX_REQUEUE
            | libc::FUTEX_CMP_REQUEUE
            | libc::FUTEX_WAKE_OP
            | libc::FUTEX_CMP_REQUEUE_PI
    );
    let number = value as u32;
    match is {
        FutexValue => {
            let has = ![
                libc::FUTEX_LOCK_PI,
                libc::FUTEX_LOCK_PI2,
                libc::FUTEX_UNLOCK_PI,
                libc::FUTEX_TRYLOCK_PI,
            ]
            .contains(&op);
            has.then(|| number.to_string().into())
        }
        FutexValue2 if unknown => Some(pointer(value).into()),
        FutexValue2 if waits => spell(tid, entry, Time, value),
        FutexValue2 if requeue => Some(number.to_string().into()),
        FutexPointer2 if requeue || unknown || op == libc::FUTEX_WAIT_REQUEUE_PI => {
            Some(pointer(value).into())
        }
        FutexValue3 if unknown => Some(names::hexadecimal(number).into()),
        FutexValue3 if bitset && number == u32::MAX => Some("FUTEX_BITSET_MATCH_ANY".into()),
        FutexValue3 if bitset => Some(names::hexadecimal(number).into()),
        FutexValue3 if matches!(op, libc::FUTEX_CMP_REQUEUE | libc::FUTEX_CMP_REQUEUE_PI) => {
            Some(number.to_string().into())
        }
        FutexValue3 if op == libc::FUTEX_WAKE_OP => Some(names::futex_op(number).into()),
        _ => None,
    }
}
