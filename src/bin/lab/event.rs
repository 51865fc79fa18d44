//! What happens in the programs that are watched: one type of event, from which every view is made.
//! `notes/events.md` documents it as JSON; what stands there stays.

use std::borrow::Cow;
use std::rc::Rc;

use serde::{Deserialize, Serialize};

/// One event, in the lane of the thread that it happened to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Counts from 1 in each run, in the order in which the tracer was told.
    pub n: u64,
    /// When the tracer was told: microseconds since the trace began.
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
    /// What it means, and the section of the notes that explains it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<Note>,
}

/// A sentence about an event.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Note {
    /// The sentence.
    pub text: Cow<'static, str>,
    /// `4.5`
    pub section: Cow<'static, str>,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum What {
    /// A program was started. `cpu`: the one that it and its tracer are pinned to.
    Start { command: Vec<String>, cpu: Option<usize> },
    /// Something that the reader of a trace has to know about it.
    Remark { text: String },
    /// A thread or a process was made: this lane's. `how`: `fork`, `vfork` or `thread`.
    Born { parent: i32, how: Cow<'static, str> },
    /// A call has begun and not ended, and something else is going to happen first.
    Enter { call: Call },
    /// A call has ended. It began at `entered`, in microseconds.
    Call { entered: u64, call: Call },
    /// The program has asked for a key: from a file that it looked at, and the key it used then.
    Ftok { path: String, proj_id: i32, key: i32 },
    /// A line, or a part of one, was written to standard output (1) or standard error (2): at most
    /// 4096 of the `bytes` that were written. `here`: to where the trace itself is written.
    Write { fd: i32, text: String, bytes: i64, here: bool },
    /// A signal is delivered. `action`: `handler`, `ignore`, `default`, or `unknown`.
    Signal { signal: String, code: String, from: Option<i32>, action: Cow<'static, str> },
    /// A signal has stopped the process.
    Stopped { signal: String },
    /// A stopped process goes on.
    Continued,
    /// A row of the kernel's table before and after the event before this one; `null`: no row.
    Table { kind: Cow<'static, str>, id: i32, before: Option<Row>, after: Option<Row> },
    /// The process or thread has ended by itself.
    Exit { code: i32 },
    /// A signal has killed it.
    Killed { signal: String, core: bool },
    /// Made by these programs, and still there when all have ended.
    Left { kind: Cow<'static, str>, id: i32, row: Row },
    /// The end of the trace: how many of what it has told.
    Summary { processes: u64, threads: u64, calls: u64, signals: u64, left: u64 },
}

/// A system call.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Call {
    /// Its name, as the kernel has it.
    pub name: Cow<'static, str>,
    /// Its arguments by the names that the manual gives them.
    pub args: Vec<Arg>,
    /// What it answered; `null` while it has not, and for one that a signal interrupted.
    pub result: Option<i64>,
    /// The same spelled: `3`, `0x7f0012340000`, `-1 EEXIST (File exists)`.
    pub answer: Cow<'static, str>,
    /// `EEXIST`, if it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub errno: Option<Cow<'static, str>>,
}

/// An argument of a call.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Arg {
    /// `shmid`, `shmaddr`, `shmflg`
    pub name: Cow<'static, str>,
    /// `3`, `NULL`, `SHM_RDONLY`; what a pointer points at, where that is known.
    pub text: Cow<'static, str>,
    /// What the register held.
    pub value: i64,
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
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nattch: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpid: Option<i32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lpid: Option<i32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub qnum: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cbytes: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nsems: Option<u64>,
}
