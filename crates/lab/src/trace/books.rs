//! The books: which processes and threads there are, and what is known of each.

use say::tell;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use libc::c_int;
use nix::errno::Errno;

use super::doing::Doing;
use super::journal::Lane;
use super::process::{Process, Segment, mapped_segments};
use crate::event::{Action, Birth, Call, What};
use crate::syscalls;
use crate::syscalls::cells::{Changes, Object, Shown};
use crate::syscalls::decode;
use crate::syscalls::world::Source;
use crate::tracer::program::file_name;
use crate::tracer::{Tid, names};

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

/// All of them.
#[derive(Default)]
pub struct Books {
    threads: BTreeMap<Tid, Thread>,
    processes: BTreeMap<i32, Process>,
    /// What threads and processes were called that have ended.
    ended: BTreeMap<Tid, String>,
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
        let process = Process::new(pid, name);
        self.processes.insert(pid, process);
        self.threads.insert(pid, Thread::new(pid));
    }

    pub fn thread(&self, tid: Tid) -> Option<&Thread> {
        self.threads.get(&tid)
    }

    pub fn thread_mut(&mut self, tid: Tid) -> Option<&mut Thread> {
        self.threads.get_mut(&tid)
    }

    /// The pid of a thread's process.
    pub fn pid_of(&self, tid: Tid) -> Option<i32> {
        self.threads.get(&tid).map(|thread| thread.pid)
    }

    /// A thread's process.
    pub fn process_of(&self, tid: Tid) -> Option<&Process> {
        self.processes.get(&self.threads.get(&tid)?.pid)
    }

    /// A thread's process.
    pub fn process_of_mut(&mut self, tid: Tid) -> Option<&mut Process> {
        self.processes.get_mut(&self.threads.get(&tid)?.pid)
    }

    /// All processes, by their pids.
    pub fn processes(&self) -> impl Iterator<Item = (i32, &Process)> {
        self.processes.iter().map(|(pid, process)| (*pid, process))
    }

    /// The threads of a process.
    pub fn threads_of(&self, pid: i32) -> Vec<Tid> {
        let its = self.threads.iter().filter(|(_, thread)| thread.pid == pid);
        its.map(|(tid, _)| *tid).collect()
    }

    /// Is there only one process?
    pub fn one_process(&self) -> bool {
        self.processes.len() == 1
    }

    /// A process or thread, for a sentence.
    pub fn who(&self, tid: Tid) -> String {
        let lane = self.lane(tid);
        match self.ended.get(&tid) {
            _ if self.threads.contains_key(&tid) && lane.pid != tid => {
                tell!("thread {tid} of {} {}", lane.name, lane.pid)
            }
            _ if self.threads.contains_key(&tid) => format!("{} {tid}", lane.name),
            Some(name) => name.clone(),
            None => tell!("process {tid} (not watched)"),
        }
    }

    /// What one was called that has ended.
    pub fn ended(&self, tid: Tid) -> Option<&str> {
        self.ended.get(&tid).map(String::as_str)
    }

    /// The threads that sleep for a mutex, and its word.
    pub fn for_mutexes(&self) -> Vec<(Tid, u64)> {
        let told = self.all_doing().filter(|(_, doing)| doing.told);
        told.filter_map(|(tid, doing)| Some((tid, doing.mutex()?))).collect()
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

    /// The event `enter` of the call that a thread is in.
    pub fn enter(&mut self, tid: Tid) -> Option<What> {
        let doing = self.threads.get_mut(&tid)?.doing.as_mut()?;
        doing.told = true;
        Some(What::Enter { call: doing.call.clone()? })
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

    /// The segment that a call is going to change.
    pub fn segment_of(&self, tid: Tid, doing: &Doing) -> Option<c_int> {
        let process = self.process_of(tid).filter(|process| !process.elsewhere)?;
        match doing.row.object {
            Object::Detach => {
                let at = doing.entry.args[0];
                process.attached_at(at).or_else(|| moved_to(tid, at))
            }
            _ if doing.changes_segment() => Some(doing.entry.args[0] as c_int),
            _ => None,
        }
    }

    /// A call has succeeded: what has it changed in its process?
    pub fn account(&mut self, tid: Tid, doing: &Doing, call: &Call, result: i64) {
        let flags = match doing.row.changes {
            Changes::Action => decode::action_flags(tid, &doing.entry),
            _ => 0,
        };
        let Some(process) = self.process_of_mut(tid) else { return };
        let args = &doing.entry.args;
        match (doing.row.object, doing.row.changes) {
            (Object::Attach, _) => {
                let read_only = args[2] as c_int & libc::SHM_RDONLY != 0;
                let segment = Segment { id: args[0] as c_int, size: doing.size, read_only };
                process.attach(result as u64, segment);
            }
            (Object::Detach, _) => process.detach(args[0], doing.segment),
            (_, Changes::Action) if args[1] != 0 => {
                let action = call.action().unwrap_or(Action::Handler);
                process.set_action(args[0] as c_int, action, flags);
            }
            _ => {}
        }
    }

    /// A call has failed: its -1 may be passed on to another.
    pub fn failed(&mut self, tid: Tid, doing: &Doing, call: &Call, errno: Errno) {
        let source = match doing.row.object {
            Object::Get { kind, .. } => Source::Get(kind),
            Object::Attach => Source::Attach,
            _ if doing.row.makes_child() => Source::Fork,
            _ => return,
        };
        if let Some(process) = self.process_of_mut(tid) {
            process.fails(source, call.name.to_string(), errno);
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
        let inherits = process.has_attached() && !has(libc::CLONE_VM);
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
        process.renamed(name);
    }

    /// Its former memory is gone, and what was attached there.
    pub fn forgets(&mut self, pid: Tid) {
        let Some(process) = self.processes.get_mut(&pid) else { return };
        process.forgets();
    }

    /// A thread has ended; with the main one its process.
    pub fn remove(&mut self, tid: Tid) {
        let name = self.who(tid);
        self.ended.insert(tid, name);
        self.processes.remove(&tid);
        self.threads.remove(&tid);
    }
}

/// The segment that shmdt finds by this address though shmat did not answer it: mremap moved it.
fn moved_to(tid: Tid, at: u64) -> Option<c_int> {
    mapped_segments(tid).into_iter().find(|one| one.base == at).map(|one| one.id)
}
