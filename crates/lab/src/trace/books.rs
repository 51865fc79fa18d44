//! The books: which processes and threads there are, and what is known of each.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::rc::Rc;

use libc::c_int;

use super::doing::Doing;
use super::journal::Lane;
use crate::event::{Action, Birth, Call, Note, What};
use crate::syscalls;
use crate::syscalls::cells::{Addressee, Changes, LetsIn, Object, Shown, Sleep, Wakes};
use crate::syscalls::decode::KeyFile;
use crate::syscalls::notes::Target;
use crate::tracer::program::file_name;
use crate::tracer::{Tid, names};

/// A file that ftok looks at was looked at shortly before.
const FILES: usize = 8;
/// A poll is shown if it has taken so long. Microseconds.
const BLOCKED: u64 = 1000;

/// A thread, and the call that it is in.
pub struct Thread {
    pub pid: i32,
    pub doing: Option<Doing>,
    pub stopped: bool,
    /// The signals that it blocks, as far as that was seen.
    blocked: u64,
    /// The C library has blocked all signals for a moment.
    masked: bool,
}

impl Thread {
    fn new(pid: i32) -> Thread {
        Thread { pid, doing: None, stopped: false, blocked: 0, masked: false }
    }

    /// It has changed its mask. Is that the C library's own affair, around fork, say?
    fn set_mask(&mut self, how: c_int, set: u64) -> bool {
        match how {
            libc::SIG_BLOCK => self.blocked |= set,
            libc::SIG_UNBLOCK => self.blocked &= !set,
            _ => self.blocked = set,
        }
        // The C library's own signals: 32 and 33.
        const OWN: [u64; 2] = [0b11 << 31, 0b10 << 31];
        let all = names::is_nearly_all(set);
        let restores = std::mem::replace(&mut self.masked, all);
        all || restores || OWN.contains(&set)
    }
}

/// What a process has, as far as it matters here.
#[derive(Clone)]
pub struct Process {
    name: Rc<str>,
    actions: BTreeMap<c_int, Action>,
    /// Segments by the addresses where they are attached.
    attached: BTreeMap<u64, c_int>,
    /// Files that it looked up last.
    files: Vec<KeyFile>,
    /// It runs in its parent's memory, until it calls exec: vfork.
    borrowed: bool,
    /// It is in another IPC namespace, whose tables we do not see.
    pub elsewhere: bool,
}

impl Process {
    /// What it does with a signal, as far as that was seen: calls that set it for the signals by
    /// which programs wake each other are, others are not.
    pub fn action(&self, signal: c_int) -> Action {
        let seen = syscalls::handler_is_seen(signal);
        let unset = if seen { Action::Default } else { Action::Unknown };
        self.actions.get(&signal).copied().unwrap_or(unset)
    }

    /// It has looked a file up.
    pub fn looked_up(&mut self, file: KeyFile) {
        self.files.retain(|known| known.path != file.path);
        self.files.push(file);
        if self.files.len() > FILES {
            self.files.remove(0);
        }
    }

    /// The file of which this key was made, if it was looked at shortly before.
    pub fn file_of(&mut self, key: c_int) -> Option<KeyFile> {
        let made_of = |file: &KeyFile| {
            let (device, inode) = (file.device & 0xff, file.inode & 0xffff);
            key as u32 & 0xff_ffff == (device << 16 | inode) as u32
        };
        let at = self.files.iter().rposition(made_of).filter(|_| key != libc::IPC_PRIVATE)?;
        Some(self.files.remove(at))
    }

    /// The segments that it has attached itself and whose tables we see.
    pub fn segments(&self) -> BTreeSet<c_int> {
        if self.borrowed || self.elsewhere {
            return BTreeSet::new();
        }
        self.attached.values().copied().collect()
    }

    /// Does its end detach something?
    pub fn detaches(&self) -> bool {
        !self.attached.is_empty() && !self.borrowed
    }
}

/// All of them.
#[derive(Default)]
pub struct Books {
    threads: BTreeMap<Tid, Thread>,
    processes: BTreeMap<i32, Process>,
}

/// A process or thread that was just made.
pub struct Newborn {
    pub how: Birth,
    /// It has what its parent has attached.
    pub inherits: bool,
    /// It may be in a new IPC namespace.
    pub moves: bool,
}

impl Books {
    /// A program was started, in a process of its own.
    pub fn add(&mut self, pid: Tid, name: String) {
        let process = Process {
            name: name.into(),
            actions: ignored(pid),
            attached: BTreeMap::new(),
            files: vec![],
            borrowed: false,
            elsewhere: false,
        };
        self.processes.insert(pid, process);
        self.threads.insert(pid, Thread::new(pid));
    }

    pub fn thread(&self, tid: Tid) -> Option<&Thread> {
        self.threads.get(&tid)
    }

    pub fn thread_mut(&mut self, tid: Tid) -> Option<&mut Thread> {
        self.threads.get_mut(&tid)
    }

    /// A thread's process.
    pub fn process_of(&self, tid: Tid) -> Option<&Process> {
        self.processes.get(&self.threads.get(&tid)?.pid)
    }

    /// A thread's process.
    pub fn process_of_mut(&mut self, tid: Tid) -> Option<&mut Process> {
        self.processes.get_mut(&self.threads.get(&tid)?.pid)
    }

    /// The call that a thread is in.
    pub fn doing(&self, tid: Tid) -> Option<&Doing> {
        self.threads.get(&tid)?.doing.as_ref()
    }

    /// The process, thread and lane of this thread's events; 0: the run as a whole.
    pub fn lane(&self, tid: Tid) -> Lane {
        let pid = self.threads.get(&tid).map_or(tid, |thread| thread.pid);
        let name = self.processes.get(&pid).map_or_else(|| "".into(), |one| one.name.clone());
        Lane { pid, tid, name }
    }

    fn all_doing(&self) -> impl Iterator<Item = (Tid, &Doing)> {
        self.threads.iter().filter_map(|(tid, thread)| Some((*tid, thread.doing.as_ref()?)))
    }

    /// A thread that may be asleep since before `moment`, and was not reported yet.
    pub fn asleep_since(&self, moment: u64) -> Vec<Tid> {
        let asleep = |doing: &Doing| doing.may_be_asleep() && doing.began <= moment;
        self.all_doing().filter(|(_, doing)| asleep(doing)).map(|(tid, _)| tid).collect()
    }

    /// May a thread be asleep that was not reported yet?
    pub fn anybody_asleep(&self) -> bool {
        self.all_doing().any(|(_, doing)| doing.may_be_asleep())
    }

    /// The threads whose calls must be shown before an event of `tid`, in the order in which the
    /// calls began.
    pub fn before(&self, tid: Tid) -> Vec<Tid> {
        if self.threads.len() < 2 {
            return vec![];
        }
        let first = |&(other, doing): &(Tid, &Doing)| other != tid && doing.comes_first();
        let mut all: Vec<(Tid, &Doing)> = self.all_doing().filter(first).collect();
        all.sort_unstable_by_key(|(tid, doing)| (doing.began, *tid));
        all.into_iter().map(|(tid, _)| tid).collect()
    }

    /// The event `enter` of the call that a thread is in, and what it means.
    pub fn enter(&mut self, tid: Tid) -> Option<(What, Option<Note>)> {
        let doing = self.threads.get_mut(&tid)?.doing.as_mut()?;
        doing.told = true;
        Some((What::Enter { call: doing.call.clone()? }, doing.note()))
    }

    /// What the C library does for itself, around fork and in a vfork child, and a poll that did not
    /// wait: not shown.
    pub fn is_internal(&mut self, tid: Tid, doing: &Doing, call: &Call, now: u64) -> bool {
        let Some(thread) = self.threads.get_mut(&tid) else { return false };
        let borrowed = self.processes.get(&thread.pid).is_some_and(|process| process.borrowed);
        let args = &doing.entry.args;
        match doing.row.shown {
            Shown::Handlers => borrowed || args[1] == 0,
            Shown::Masks if args[1] == 0 => true,
            Shown::Masks => {
                thread.set_mask(args[0] as c_int, call.signals().unwrap_or(0)) || borrowed
            }
            Shown::Futex => call.result == Some(0) && call.value("val") == Some(i32::MAX.into()),
            Shown::Long => !doing.told && now - doing.began < BLOCKED,
            Shown::Never | Shown::Always | Shown::Output | Shown::File | Shown::FileAt => false,
        }
    }

    /// For a signal that was sent: what its target is doing.
    pub fn target(&self, tid: Tid, doing: &Doing) -> Target {
        let Wakes::Addressee(to) = doing.row.wakes else { return Target::Unknown };
        let args = &doing.entry.args;
        let signal = args[to.signal()] as c_int;
        let to = match to {
            Addressee::Process | Addressee::Thread => args[0] as Tid,
            Addressee::ThreadOf => args[1] as Tid,
            Addressee::Pidfd => return Target::Unknown,
        };
        let Some(thread) =
            self.threads.get(&to).filter(|_| to != tid && (1..=64).contains(&signal))
        else {
            return Target::Unknown;
        };
        let process = self.processes.get(&thread.pid);
        let handled = process.is_some_and(|process| process.action(signal) == Action::Handler);
        let blocked = thread.blocked >> (signal - 1) & 1 == 1;
        let waits = thread.doing.as_ref().filter(|doing| doing.waits()).map(|doing| doing.row);
        match waits {
            // These two have a say of their own in what is blocked.
            Some(row) if row.sleep == Sleep::Signal(LetsIn::ByMask) && handled => {
                Target::Waits(row.name)
            }
            Some(row) if row.sleep == Sleep::Signal(LetsIn::Taken) => Target::Waits(row.name),
            _ if blocked => Target::Blocks,
            Some(row) if handled => Target::Waits(row.name),
            None if handled => Target::Runs,
            _ => Target::Unknown,
        }
    }

    /// The segment that a call is going to change.
    pub fn segment_of(&self, tid: Tid, doing: &Doing) -> Option<c_int> {
        let process = self.process_of(tid).filter(|process| !process.elsewhere)?;
        match doing.row.object {
            Object::Detach => process.attached.get(&doing.entry.args[0]).copied(),
            _ if doing.changes_segment() => Some(doing.entry.args[0] as c_int),
            _ => None,
        }
    }

    /// A call has succeeded: what has it changed in its process?
    pub fn account(&mut self, tid: Tid, doing: &Doing, call: &Call, result: i64) {
        let Some(process) = self.process_of_mut(tid) else { return };
        let args = &doing.entry.args;
        match (doing.row.object, doing.row.changes) {
            (Object::Attach, _) => _ = process.attached.insert(result as u64, args[0] as c_int),
            (Object::Detach, _) => _ = process.attached.remove(&args[0]),
            (_, Changes::Action) => {
                let action = call.action().unwrap_or(Action::Handler);
                process.actions.insert(args[0] as c_int, action);
            }
            _ => {}
        }
    }

    /// A thread has made a child. `None`: its maker ended before this could be reported.
    pub fn born(&mut self, tid: Tid, child: Tid) -> Option<Newborn> {
        let Some(parent) = self.threads.get(&tid) else {
            self.threads.insert(child, Thread::new(child));
            return None;
        };
        let (pid, blocked, masked) = (parent.pid, parent.blocked, parent.masked);
        let flags = parent.doing.as_ref().map_or(0, |it| syscalls::clone_flags(tid, &it.entry));
        let has = |flag: c_int| flags & flag as u64 != 0;
        let is_thread = fs::exists(format!("/proc/{pid}/task/{child}")).unwrap_or(false);
        let mut process = self.processes.get(&pid)?.clone();
        let of = if is_thread { pid } else { child };
        self.threads.insert(child, Thread { blocked, masked, ..Thread::new(of) });
        let inherits = !process.attached.is_empty() && !has(libc::CLONE_VM);
        if !is_thread {
            process.name = "child".into();
            process.borrowed = has(libc::CLONE_VM);
            self.processes.insert(child, process);
        }
        let how = match (is_thread, has(libc::CLONE_VFORK)) {
            (true, _) => Birth::Thread,
            (_, true) => Birth::Vfork,
            _ => Birth::Fork,
        };
        Some(Newborn { how, inherits, moves: !is_thread && has(libc::CLONE_NEWIPC) })
    }

    /// A thread has called exec: it is its process's main thread now, and its only one.
    pub fn alone(&mut self, pid: Tid, former: Tid) {
        if let Some(thread) = self.threads.remove(&former) {
            self.threads.retain(|_, other| other.pid != pid);
            self.threads.insert(pid, Thread { pid, ..thread });
        }
    }

    /// It is the program now that its call names.
    pub fn renamed(&mut self, pid: Tid) {
        let call = self.doing(pid).and_then(|doing| doing.call.as_ref());
        let name = call.and_then(Call::path).map(|path| file_name(Path::new(path)));
        let Some(process) = self.processes.get_mut(&pid) else { return };
        if let Some(name) = name {
            process.name = name.into();
        }
        process.actions.retain(|_, action| *action == Action::Ignore);
    }

    /// Its former memory is gone, and what was attached there.
    pub fn forgets(&mut self, pid: Tid) {
        let Some(process) = self.processes.get_mut(&pid) else { return };
        process.borrowed = false;
        process.attached.clear();
        process.files.clear();
    }

    /// A thread has ended; with the main one its process.
    pub fn remove(&mut self, tid: Tid) {
        self.processes.remove(&tid);
        self.threads.remove(&tid);
    }
}

/// The signals that a program ignores from its start, because we were started so.
fn ignored(pid: i32) -> BTreeMap<c_int, Action> {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let mask = text.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
    (1..=64).filter(|n| mask >> (n - 1) & 1 == 1).map(|n| (n, Action::Ignore)).collect()
}
