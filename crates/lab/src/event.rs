//! What happens in the programs that are watched: one type of event, from which every view is made.
//! `notes/events.md` documents it as JSON; what stands there stays.

use std::borrow::Cow;
use std::rc::Rc;

use libc::c_int;
use nix::errno::Errno;
use serde::{Deserialize, Serialize, Serializer};
use sysv::spell::SHM_DEST;
use sysv::tables::{self, Kind};

mod stores;

use stores::by_digits;
pub use stores::{ChangedPart, HintSide, RaceHint};

/// One event, in the lane of the thread that it happened to.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Event {
    /// Counts from 1 in each run, in the order in which the tracer learned of the events.
    pub n: u64,
    /// When the tracer learned of it: microseconds since the trace began.
    pub us: u64,
    /// The process; 0 for the run as a whole.
    pub pid: i32,
    /// The thread; the main thread's number is its process's.
    pub tid: i32,
    /// What the process is called here: its program's file, or `child`.
    pub lane: Rc<str>,
    /// What happened.
    #[serde(flatten)]
    pub what: What,
    /// What it means, and the section of the workbook that explains it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<Note>,
}

/// A sentence about an event.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Note {
    /// The sentence.
    pub text: Cow<'static, str>,
    /// `4.5`
    pub section: &'static str,
}

impl Note {
    /// A sentence, and where it is explained.
    pub fn new(text: impl Into<Cow<'static, str>>, section: &'static str) -> Note {
        Note { text: text.into(), section }
    }
}

/// How a thread or a process was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)]
pub enum Birth {
    Fork,
    Vfork,
    Thread,
}

/// What a process does with a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// What the kernel does with it by default.
    Default,
    /// Nothing.
    Ignore,
    /// It runs a handler.
    Handler,
    /// The calls that set it are not looked at.
    Unknown,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum What {
    /// A program was started. `cpu`: the one that it and its tracer are pinned to.
    Start { command: Vec<String>, cpu: Option<usize> },
    /// Something that the reader of a trace has to know about it.
    Remark { text: String },
    /// A thread or a process was made: this lane's.
    Born { parent: i32, how: Birth },
    /// A call has begun and not ended, and something else is going to happen first.
    Enter { call: Call },
    /// A call has ended. It began at `entered`, in microseconds.
    Call { entered: u64, call: Call },
    /// The program has asked for a key: from a file that it looked at, and the key it used then.
    Ftok { path: String, proj_id: i32, key: i32 },
    /// A line, or a part of one, was written to standard output (1) or standard error (2): at most
    /// 4096 of the `bytes` that were written. `here`: to where the trace itself is written.
    Write { fd: i32, text: String, bytes: i64, here: bool },
    /// A signal is delivered. `address`: the one that was accessed, of SIGSEGV and its like.
    Signal {
        signal: String,
        code: String,
        from: Option<i32>,
        action: Action,
        #[serde(skip_serializing_if = "Option::is_none")]
        address: Option<u64>,
    },
    /// A signal has stopped the process.
    Stopped { signal: String },
    /// A stopped process goes on.
    Continued,
    /// A row of the kernel's table before and after the event before this one; `null`: no row.
    Table {
        #[serde(serialize_with = "by_name")]
        kind: Kind,
        id: i32,
        before: Option<Row>,
        after: Option<Row>,
    },
    /// Bytes of a segment are not what they were when they were compared last. `by`: the processes that
    /// may have written them; `others`: also one that is not watched. `more`: so many changes are left out.
    Changed { memory: String, parts: Vec<ChangedPart>, more: u64, by: Vec<i32>, others: bool },
    /// `lab trace --memory`, at its end: accesses that nothing orders, and bytes that are taken to order
    /// others. `complete`: all accesses that were seen were judged.
    Hints { races: Vec<RaceHint>, ordering: Vec<String>, complete: bool },
    /// `lab explore`: this one moves now. `taken`: from one that could have gone on. `time`: not it, but
    /// time, which ends its sleep. `could`: all that could have moved.
    /// `store`: not it, but its store buffer, whose oldest store reaches the memory.
    Move {
        taken: bool,
        time: bool,
        #[serde(skip_serializing_if = "is_false")]
        store: bool,
        could: Vec<Could>,
    },
    /// `lab explore`: what the passing of time has done.
    Time { passed: Passed },
    /// Bytes of shared memory were read or written. `holds`: the first of them then, in hex.
    Access {
        memory: String,
        at: u64,
        len: u64,
        #[serde(skip_serializing_if = "is_false")]
        writes: bool,
        #[serde(skip_serializing_if = "is_false")]
        locked: bool,
        /// What it has to do with the store buffer: `enters`, `leaves`, `seen`.
        #[serde(skip_serializing_if = "Option::is_none")]
        buffer: Option<&'static str>,
        /// `main.c:41`, where that is known.
        #[serde(skip_serializing_if = "Option::is_none")]
        source: Option<String>,
        #[serde(serialize_with = "by_digits")]
        holds: Vec<u8>,
    },
    /// `lab explore`: it makes no call and waits for memory to change.
    Spins,
    /// The process or thread has ended by itself.
    Exit { code: i32 },
    /// A signal has killed it.
    Killed { signal: String, core: bool },
    /// Made by these programs, and still there when all have ended.
    Left {
        #[serde(serialize_with = "by_name")]
        kind: Kind,
        id: i32,
        row: Row,
    },
    /// The end of the trace: how many events of each kind it has shown.
    Summary { processes: u64, threads: u64, calls: u64, signals: u64, left: u64 },
}

/// One that can move.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Could {
    /// Its lane.
    pub who: Rc<str>,
    /// Not it, but time, for it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub time: bool,
    /// Not it, but its store buffer.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub store: bool,
    /// The call that it is about to make.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub call: Option<String>,
}

/// What the passing of time does.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Passed {
    /// A sleep or a wait has reached its limit.
    Wait,
    /// An alarm has gone off.
    Alarm,
    /// Another timer has.
    Timer,
}

/// `shm`, `msg`, `sem`.
fn by_name<S: Serializer>(kind: &Kind, out: S) -> Result<S::Ok, S::Error> {
    out.serialize_str(kind.name())
}

/// A system call.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Call {
    /// Its name, as the kernel has it.
    pub name: Cow<'static, str>,
    /// Its number, on this architecture: what the table of calls is asked with.
    pub number: i64,
    /// Its arguments by the names that the manual gives them.
    pub args: Vec<Arg>,
    /// What it answered; `null` while it has not, and for one that a signal interrupted.
    pub result: Option<i64>,
    /// The same spelled: `3`, `0x7f0012340000`, `-1 EEXIST (File exists)`.
    pub answer: Cow<'static, str>,
    /// `EEXIST`, if it failed.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "by_symbol")]
    pub errno: Option<Errno>,
    /// A signal interrupted it, and the kernel may make it again.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub interrupted: bool,
    /// From where in the program's source it was made, `main.c:41`, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
}

/// `EEXIST`; `answer` shows one that has no name.
fn by_symbol<S: Serializer>(errno: &Option<Errno>, out: S) -> Result<S::Ok, S::Error> {
    match errno {
        None => out.serialize_none(),
        Some(Errno::UnknownErrno) => out.serialize_str("E0"),
        Some(errno) => out.collect_str(&format_args!("{errno:?}")),
    }
}

/// An argument of a call.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Arg {
    /// `shmid`, `shmaddr`, `shmflg`
    pub name: &'static str,
    /// `3`, `NULL`, `SHM_RDONLY`; what a pointer points at, where that is known.
    pub text: Cow<'static, str>,
    /// What the register held.
    pub value: i64,
    /// What that means, where the number does not say it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub means: Option<Meaning>,
}

/// What an argument means, so that no code has to read its spelling.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Meaning {
    /// Of `shmctl`, `msgctl`, `semctl`.
    Command(Command),
    /// What a signal will do.
    Action(Action),
    /// Signals, bit by bit; as JSON a list of their numbers.
    #[serde(serialize_with = "by_numbers")]
    Signals(u64),
    /// What is done with semaphores.
    Operation(Operation),
    /// What is done with the word of a futex.
    Futex(Futex),
    /// A file, without quotes and escapes.
    Path(String),
    /// The owner and the group that IPC_SET gives to an object.
    Owner { uid: u32, gid: u32 },
    /// The type of a message that is sent.
    MessageType(i64),
}

fn by_numbers<S: Serializer>(signals: &u64, out: S) -> Result<S::Ok, S::Error> {
    out.collect_seq((1..=64).filter(|n| signals >> (n - 1) & 1 == 1))
}

/// A command of `shmctl`, `msgctl` or `semctl`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Command {
    /// IPC_RMID
    Remove,
    /// IPC_STAT
    Stat,
    /// IPC_SET
    Set,
    /// SHM_LOCK
    Lock,
    /// SHM_UNLOCK
    Unlock,
    /// IPC_INFO, SHM_INFO, SHM_STAT and their like: those of ipcs.
    Walk,
    /// GETVAL, SETALL and their like, and those that do not exist.
    Other,
}

/// What `semop` does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Operation {
    /// Something goes down.
    Take,
    /// Nothing goes down, and something has to be 0.
    Test,
    /// Everything goes up.
    Post,
}

/// What `futex` does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Futex {
    /// Sleeps while the word has a value.
    Wait,
    /// Sleeps until the lock is free.
    Lock,
    /// Wakes sleepers.
    Wake,
    /// Moves sleepers to another word, unlocks, tries.
    Other,
}

impl Call {
    /// `shmat(3, NULL, 0)`
    pub fn line(&self) -> String {
        let mut line = String::with_capacity(80);
        line.push_str(&self.name);
        let mut between = '(';
        for arg in &self.args {
            line.push(between);
            if between == ',' {
                line.push(' ');
            }
            line.push_str(&arg.text);
            between = ',';
        }
        if self.args.is_empty() {
            line.push('(');
        }
        line.push(')');
        line
    }

    /// What the register of an argument held.
    pub fn value(&self, name: &str) -> Option<i64> {
        self.args.iter().find(|arg| arg.name == name).map(|arg| arg.value)
    }

    /// Has it ended well?
    pub fn succeeded(&self) -> bool {
        self.result.is_some() && self.errno.is_none()
    }

    fn meanings(&self) -> impl Iterator<Item = &Meaning> {
        self.args.iter().filter_map(|arg| arg.means.as_ref())
    }

    /// What a call that controls an object is to do.
    pub fn command(&self) -> Option<Command> {
        self.meanings()
            .find_map(|one| if let Meaning::Command(it) = one { Some(*it) } else { None })
    }

    /// What a signal will do, if this call sets it.
    pub fn action(&self) -> Option<Action> {
        self.meanings().find_map(|one| if let Meaning::Action(it) = one { Some(*it) } else { None })
    }

    /// The signals that it takes.
    pub fn signals(&self) -> Option<u64> {
        self.meanings()
            .find_map(|one| if let Meaning::Signals(it) = one { Some(*it) } else { None })
    }

    /// What it does with semaphores.
    pub fn operation(&self) -> Option<Operation> {
        self.meanings()
            .find_map(|one| if let Meaning::Operation(it) = one { Some(*it) } else { None })
    }

    /// What it does with a futex.
    pub fn futex(&self) -> Option<Futex> {
        self.meanings().find_map(|one| if let Meaning::Futex(it) = one { Some(*it) } else { None })
    }

    /// The owner and the group that it gives to an object.
    pub fn owner(&self) -> Option<(u32, u32)> {
        self.meanings().find_map(|one| match one {
            Meaning::Owner { uid, gid } => Some((*uid, *gid)),
            _ => None,
        })
    }

    /// The type of the message that it sends.
    pub fn message_type(&self) -> Option<i64> {
        self.meanings().find_map(|one| match one {
            Meaning::MessageType(kind) => Some(*kind),
            _ => None,
        })
    }

    /// The file that it names.
    pub fn path(&self) -> Option<&str> {
        self.meanings().find_map(|one| if let Meaning::Path(it) = one { Some(&**it) } else { None })
    }
}

impl Command {
    /// What a command is. <linux/ipc.h>, <linux/shm.h>, <linux/msg.h>, <linux/sem.h>
    pub fn of(kind: Kind, command: c_int) -> Command {
        const IPC_64: c_int = 0x100;
        match (kind, command & !IPC_64) {
            (_, libc::IPC_RMID) => Command::Remove,
            (_, libc::IPC_STAT) => Command::Stat,
            (_, libc::IPC_SET) => Command::Set,
            (Kind::Shm, libc::SHM_LOCK) => Command::Lock,
            (Kind::Shm, libc::SHM_UNLOCK) => Command::Unlock,
            (_, libc::IPC_INFO) => Command::Walk,
            (Kind::Shm, 13..=15) | (Kind::Msg, 11..=13) | (Kind::Sem, 18..=20) => Command::Walk,
            _ => Command::Other,
        }
    }
}

impl Futex {
    /// What an operation does. <linux/futex.h>
    pub fn of(op: c_int) -> Futex {
        match op & 0x7f {
            libc::FUTEX_WAIT | libc::FUTEX_WAIT_BITSET | libc::FUTEX_WAIT_REQUEUE_PI => Futex::Wait,
            libc::FUTEX_LOCK_PI | libc::FUTEX_LOCK_PI2 => Futex::Lock,
            libc::FUTEX_WAKE | libc::FUTEX_WAKE_OP | libc::FUTEX_WAKE_BITSET => Futex::Wake,
            _ => Futex::Other,
        }
    }
}

/// A row of the kernel's table, by the names of /proc/sysvipc, without those that say nothing about
/// its kind. Numbers; `key` is 0 for IPC_PRIVATE and for a segment that goes with its last detach.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct Row {
    pub key: i32,
    pub perms: u32,
    pub uid: u32,
    pub cuid: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nattch: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpid: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lpid: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub qnum: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cbytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nsems: Option<u64>,
}

impl Row {
    /// One of /proc/sysvipc.
    pub fn of(kind: Kind, row: &tables::Row) -> Row {
        let number = |name: &str| Some(row.get(name) as u64);
        let pid = |name: &str| Some(row.get(name) as i32);
        let (shm, msg, sem) = (kind == Kind::Shm, kind == Kind::Msg, kind == Kind::Sem);
        Row {
            key: row.key(),
            perms: row.get("perms") as u32,
            uid: row.get("uid") as u32,
            cuid: row.get("cuid") as u32,
            size: number("size").filter(|_| shm),
            nattch: number("nattch").filter(|_| shm),
            cpid: pid("cpid").filter(|_| shm),
            lpid: pid("lpid").filter(|_| shm),
            qnum: number("qnum").filter(|_| msg),
            cbytes: number("cbytes").filter(|_| msg),
            nsems: number("nsems").filter(|_| sem),
        }
    }

    /// Was this segment removed, and waits for its last detach?
    pub fn goes_with_last_detach(&self) -> bool {
        self.perms & SHM_DEST != 0
    }
}

fn is_false(value: &bool) -> bool {
    !value
}
