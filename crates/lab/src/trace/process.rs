//! What is known of a process.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::rc::Rc;

use libc::c_int;
use nix::errno::Errno;
use sysv::process::segments;

use crate::event::Action;
use crate::syscalls;
use crate::syscalls::decode::KeyFile;
use crate::syscalls::world::{Attached, Source};
use crate::tracer::Tid;

/// A file that ftok looks at was looked at shortly before.
const FILES: usize = 8;

/// What a process has, as far as it matters here.
#[derive(Clone)]
pub struct Process {
    pub name: Rc<str>,
    actions: BTreeMap<c_int, Disposition>,
    /// Segments by the addresses where they are attached.
    attached: BTreeMap<u64, Segment>,
    /// Segments by the addresses where they were attached.
    detached: BTreeMap<u64, Segment>,
    /// Files that it looked up last.
    files: Vec<KeyFile>,
    /// The file that it looked up last, if that failed.
    no_file: Option<(String, Errno)>,
    /// Calls that failed, and whose answer may be passed on.
    failed: Vec<(Source, String, Errno)>,
    /// Where its program and its libraries are, as [`crate::tracer::source::Sources`] has it.
    pub layout: Option<usize>,
    /// It runs in its parent's memory, until it calls exec: vfork.
    pub borrowed: bool,
    /// It is in another IPC namespace, whose tables we do not see.
    pub elsewhere: bool,
}

/// A segment in the memory of a process.
#[derive(Clone, Copy)]
pub struct Segment {
    pub id: c_int,
    /// In bytes; 0: not known.
    pub size: u64,
    /// The process cannot write there.
    pub read_only: bool,
}

/// What a process does with a signal.
#[derive(Clone, Copy)]
pub struct Disposition {
    pub action: Action,
    pub flags: u64,
    /// How a handler that it had was lost.
    pub reset: Option<Reset>,
}

/// How a signal has lost its handler.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reset {
    /// By a call of the process.
    Itself,
    /// Because it ran: SA_RESETHAND.
    Once,
    /// By exec.
    Exec,
}

impl Disposition {
    fn of(action: Action) -> Disposition {
        Disposition { action, flags: 0, reset: None }
    }

    /// Is a call made again that its handler has interrupted?
    pub fn restarts(&self) -> bool {
        self.flags & libc::SA_RESTART as u64 != 0
    }
}

impl Process {
    /// A program that was just started.
    pub fn new(pid: i32, name: String) -> Process {
        Process {
            name: name.into(),
            actions: ignored(pid),
            attached: BTreeMap::new(),
            detached: BTreeMap::new(),
            files: vec![],
            no_file: None,
            failed: vec![],
            layout: None,
            borrowed: false,
            elsewhere: false,
        }
    }

    /// What it does with a signal, as far as that was seen: calls that set it for the signals by
    /// which programs wake each other are, others are not.
    pub fn action(&self, signal: c_int) -> Action {
        let seen = syscalls::handler_is_seen(signal);
        let unset = if seen { Action::Default } else { Action::Unknown };
        self.disposition(signal).map_or(unset, |one| one.action)
    }

    /// The same, with all that is known.
    pub fn disposition(&self, signal: c_int) -> Option<&Disposition> {
        self.actions.get(&signal)
    }

    /// A call of its own has set what a signal does.
    pub fn set_action(&mut self, signal: c_int, action: Action, flags: u64) {
        let before = self.actions.get(&signal);
        let had = before.is_some_and(|one| one.action == Action::Handler);
        let reset = match action {
            Action::Default if had => Some(Reset::Itself),
            Action::Default => before.and_then(|one| one.reset),
            _ => None,
        };
        self.actions.insert(signal, Disposition { action, flags, reset });
    }

    /// A signal is delivered: one of its handlers may be for once.
    pub fn handles(&mut self, signal: c_int) {
        let once = |one: &Disposition| {
            one.action == Action::Handler && one.flags & libc::SA_RESETHAND as u64 != 0
        };
        if let Some(one) = self.actions.get_mut(&signal).filter(|one| once(one)) {
            *one = Disposition { reset: Some(Reset::Once), ..Disposition::of(Action::Default) };
        }
    }

    /// It has looked a file up.
    pub fn looked_up(&mut self, file: KeyFile) {
        self.no_file = None;
        self.files.retain(|known| known.path != file.path);
        self.files.push(file);
        if self.files.len() > FILES {
            self.files.remove(0);
        }
    }

    /// It could not look a file up.
    pub fn looked_in_vain(&mut self, path: String, errno: Errno) {
        self.no_file = Some((path, errno));
    }

    /// The file that it looked up last, if that failed.
    pub fn no_file(&self) -> Option<(String, Errno)> {
        self.no_file.clone()
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

    /// A call has failed whose answer may be passed on.
    pub fn fails(&mut self, source: Source, call: String, errno: Errno) {
        self.failed.retain(|one| one.0 != source);
        self.failed.push((source, call, errno));
    }

    /// Its last call of this sort that failed.
    pub fn failed(&self, source: Source) -> Option<(String, Errno)> {
        let one = self.failed.iter().find(|one| one.0 == source)?;
        Some((one.1.clone(), one.2))
    }

    /// It has attached a segment. One that stood there before is gone (SHM_REMAP).
    pub fn attach(&mut self, at: u64, segment: Segment) {
        self.detached.remove(&at);
        self.attached.insert(at, segment);
    }

    /// It has detached a segment; mremap may have moved it from where it was attached.
    pub fn detach(&mut self, at: u64, id: Option<c_int>) {
        let moved = || self.attached.iter().find(|one| Some(one.1.id) == id).map(|one| *one.0);
        let from = if self.attached.contains_key(&at) { Some(at) } else { moved() };
        if let Some(segment) = from.and_then(|from| self.attached.remove(&from)) {
            self.detached.insert(at, segment);
        }
    }

    /// The segment that it has attached at this address.
    pub fn attached_at(&self, at: u64) -> Option<c_int> {
        self.attached.get(&at).map(|one| one.id)
    }

    /// The segment that it has attached around this address.
    pub fn attached_around(&self, at: u64) -> Option<c_int> {
        around(&self.attached, at)
    }

    /// The segment that it had attached around this address.
    pub fn detached_around(&self, at: u64) -> Option<c_int> {
        around(&self.detached, at)
    }

    /// The segments that it has attached itself and whose tables we see.
    pub fn segments(&self) -> BTreeSet<c_int> {
        if self.borrowed || self.elsewhere {
            return BTreeSet::new();
        }
        self.attached.values().map(|one| one.id).collect()
    }

    /// Where it has a segment attached, and what: also one that its parent has attached. None in another
    /// namespace, whose tables we do not see.
    pub fn attachments(&self) -> impl Iterator<Item = (u64, Segment)> {
        self.attached.iter().filter(|_| !self.elsewhere).map(|(at, segment)| (*at, *segment))
    }

    /// Has it attached something?
    pub fn has_attached(&self) -> bool {
        !self.attached.is_empty()
    }

    /// Does its end detach something?
    pub fn detaches(&self) -> bool {
        self.has_attached() && !self.borrowed
    }

    /// It is another program now: of its signals the ignored ones stay so.
    pub fn renamed(&mut self, name: Option<String>) {
        if let Some(name) = name {
            self.name = name.into();
        }
        for one in self.actions.values_mut().filter(|one| one.action == Action::Handler) {
            *one = Disposition { reset: Some(Reset::Exec), ..Disposition::of(Action::Default) };
        }
    }

    /// Its former memory is gone, and what was attached there.
    pub fn forgets(&mut self) {
        self.borrowed = false;
        self.layout = None;
        self.attached.clear();
        self.detached.clear();
        self.files.clear();
        self.failed.clear();
        self.no_file = None;
    }
}

fn around(segments: &BTreeMap<u64, Segment>, at: u64) -> Option<c_int> {
    let (start, one) = segments.range(..=at).next_back()?;
    let pages = one.size.max(1).next_multiple_of(4096);
    (at - start < pages).then_some(one.id)
}

/// The segments that a process has mapped now, or parts of them: munmap and mremap are not seen.
pub fn mapped_segments(tid: Tid) -> Vec<Attached> {
    let maps = segments(&tid.to_string());
    let segments = maps.iter().filter_map(|map| {
        // 7ffff7f9a000-7ffff7f9c000 rw-s 00001000 00:01 7 /SYSV00000051
        let mut words = map.line.split(' ').skip(1);
        let read_only = words.next()?.starts_with("r-");
        let offset = u64::from_str_radix(words.next()?, 16).ok()?;
        let (start, end) = (map.start as u64, map.end as u64);
        Some(Attached { id: map.shmid()?, base: start.wrapping_sub(offset), start, end, read_only })
    });
    segments.collect()
}

/// The signals that a program ignores from its start, because we were started so.
fn ignored(pid: i32) -> BTreeMap<c_int, Disposition> {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let mask = text.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
    let ignored = (1..=64).filter(|n| mask >> (n - 1) & 1 == 1);
    ignored.map(|n| (n, Disposition::of(Action::Ignore))).collect()
}
