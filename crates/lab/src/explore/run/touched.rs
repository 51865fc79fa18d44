//! What a move touches: the footprint of its calls, and the memory that others see.

use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};

use libc::{GETALL, GETNCNT, GETPID, GETVAL, GETZCNT, SETALL, SETVAL};
use libc::{IPC_CREAT, IPC_PRIVATE, c_int};

use super::maps::Map;
use super::model::{Model, State};
use super::proc::{self, Proc, in_proc};
use crate::event::{Command, Futex};
use crate::explore::calls::{self, FileId, known};
use crate::explore::descriptors::{self, Leaves, PIDFD, descriptor};
use crate::explore::footprint::{Footprint, Thing};
use crate::explore::printed::is_printed;
use crate::explore::verdict::Kind;
use crate::syscalls;
use crate::syscalls::cells::{CallRow, Changes, Object, Sleep, Touch};
use crate::syscalls::pointers::holds_locks;
use crate::tracer::memory::{bytes, record, string};
use crate::tracer::{Entry, Tid};

/// More shared memory than this is not compared: it counts as changed.
const COMPARED: usize = 1 << 20;
/// More signals than this are any.
const FEW: u32 = 8;

/// See the module.
#[derive(Default)]
pub struct Touched {
    /// What the move has touched so far.
    pub made: Footprint,
    /// What its call touches is in there.
    pub has_call: bool,
    /// A call of this move has changed something.
    pub changed: bool,
    /// Somebody has looked at a segment's row in the kernel's table.
    pub looks_at_rows: bool,
    /// It counts who prints first.
    pub interleaving: bool,
    /// Somebody does: which process attached it last makes a difference.
    pub rows_matter: bool,
    /// The end of a thread may wake one of another process.
    pub wakes_any: bool,
    /// What shared memory held after the last move.
    contents: HashMap<Part, u64>,
    /// Pipes by what their descriptors are links to.
    pipes: HashMap<String, u64>,
    /// Pages of segments that were touched.
    pages: HashSet<(u64, u64)>,
    /// Files that are mapped.
    files: HashMap<FileId, u64>,
}

/// A part of shared memory, as somebody has mapped it.
#[derive(PartialEq, Eq, Hash)]
struct Part {
    memory: u64,
    len: usize,
}

impl Touched {
    /// For a new run.
    pub fn new(rows_matter: bool, interleaving: bool) -> Touched {
        Touched { rows_matter, interleaving, ..Touched::default() }
    }

    /// Nothing that came before matters.
    pub fn start(&mut self) {
        (self.made, self.changed, self.looks_at_rows) = (Footprint::default(), false, false);
    }

    /// What the call that is about to be made can touch: what its row says, applied to its
    /// arguments. The targets of signals are not part of this.
    pub fn call(&mut self, model: &Model, i: usize, entry: &Entry) {
        let row = known(entry);
        for touch in row.map_or(&[Touch::Everything][..], |row| row.touches) {
            self.touch(model, i, entry, *touch);
        }
        if row.is_none_or(asks_for_signals) {
            self.asks_for_signals(model, i, entry);
        }
    }

    /// What is pending for its process, or is blocked, makes a difference to a call.
    fn asks_for_signals(&mut self, model: &Model, i: usize, entry: &Entry) {
        let (tid, process) = (model.tasks[i].tid, model.tasks[i].process);
        match known(entry).map(|row| (row.changes, row.own_mask)) {
            // One that is ignored from now on is pending no more.
            Some((Changes::Action, _)) => {
                // One that does not exist is any.
                let bit = 1_u64.checked_shl((entry.args[0] as u32).wrapping_sub(1));
                self.blocks(process, bit.unwrap_or(u64::MAX));
            }
            Some((Changes::Mask, _)) if entry.args[0] as c_int != libc::SIG_SETMASK => {
                self.blocks(process, record(tid, entry.args[1]).unwrap_or(u64::MAX));
            }
            Some((Changes::Mask, _) | (_, true)) | None => self.blocks(process, u64::MAX),
            Some(_) => self.made.writes(Thing::Pending(process as u32, 0)),
        }
    }

    /// What becomes of these signals in a process may be something else from now on; bit n - 1 for signal n.
    pub fn blocks(&mut self, process: usize, signals: u64) {
        let number = process as u32;
        let has = |signal: &c_int| signals >> (signal - 1) & 1 == 1;
        if has(&libc::SIGCHLD) {
            self.made.writes(Thing::Heeds(number));
        }
        match signals.count_ones() {
            0 => {}
            1..=FEW => {
                let all = (1..=64).filter(has);
                all.for_each(|signal| self.made.writes(Thing::Pending(number, signal)));
            }
            _ => self.made.writes(Thing::Pending(number, 0)),
        }
    }

    /// A call has ended, with this result. One that failed, and a wait that found no child, have changed
    /// nothing.
    pub fn ended(&mut self, entry: &Entry, result: i64) {
        let waits = |row: &CallRow| row.touches.contains(&Touch::Children);
        let in_vain = result < 0 || result == 0 && known(entry).is_some_and(waits);
        // What is written where no other process looks is written all the same.
        let writes = [libc::SYS_write, libc::SYS_writev, libc::SYS_sendto, libc::SYS_sendmsg];
        let written = writes.contains(&(entry.number as libc::c_long));
        self.changed |= !in_vain && (written || self.made.changes());
    }

    fn touch(&mut self, model: &Model, i: usize, entry: &Entry, touch: Touch) {
        let (tid, process) = (model.tasks[i].tid, model.tasks[i].process as u32);
        match touch {
            Touch::Everything => self.made.add_everything(),
            Touch::Object => self.object(&model.process(i).maps, tid, entry),
            Touch::Attached => self.maps(&model.process(i).maps),
            // Whoever is meant here is looked up elsewhere.
            Touch::Addressee | Touch::Pending => {}
            Touch::Children => match calls::waits_for(entry).and_then(|pid| model.with_pid(pid)) {
                Some(child) => self.made.writes(Thing::Child(child as u32)),
                None => self.made.writes(Thing::Children(process)),
            },
            Touch::Pids => self.made.writes(Thing::Pids),
            Touch::Descriptor => match self.prints(tid, entry) {
                Some(bytes) => self.made.appends(Thing::Printed, bytes),
                None => self.descriptor(model, i, entry.args[0], true),
            },
            Touch::Looked => self.descriptor(model, i, entry.args[0], false),
            Touch::Closed => {
                if let Some(link) = descriptor(tid, entry.args[0]) {
                    self.closed(&link);
                }
            }
            Touch::Descriptors => self.made.writes(Thing::Descriptors),
            Touch::Polled => self.made.reads(Thing::Descriptors),
            Touch::Listed => self.listed(model, i, entry),
            Touch::Opened(path) => self.opened(model, i, entry, path),
            Touch::Files => self.made.writes(Thing::Files),
            Touch::FilesLooked => self.made.reads(Thing::Files),
            Touch::Parent => proc::parent(model, model.tasks[i].process, &mut self.made),
            Touch::Proc(path) => {
                let path = string(tid, entry.args[path], 256).unwrap_or_default();
                if let Some(proc) = in_proc(&path, model.pid(i)) {
                    self.looks_at_rows |= matches!(proc, Proc::Segments | Proc::Anything);
                    proc.read(model, i, &mut self.made);
                }
            }
            Touch::Futexes => self.made.writes(word(model, i, entry)),
            Touch::Time => {
                // One that waits for ever, or not at all, knows nothing of it.
                let limited = known(entry).is_none_or(|row| row.limit.is_none())
                    || calls::limit(tid, entry, &model.sockets).is_some();
                if limited {
                    self.made.reads(Thing::Time);
                }
            }
        }
    }

    /// What the descriptors stand for that a poll asks about.
    fn listed(&mut self, model: &Model, i: usize, entry: &Entry) {
        match descriptors::polled(model.tasks[i].tid, entry) {
            Some(list) => {
                list.iter().for_each(|one| self.descriptor(model, i, one.fd as u64, false))
            }
            None => self.made.reads(Thing::Descriptors),
        }
    }

    /// A path is opened. Which file it is, only those notice who make, move or remove files; a pipe or a
    /// device is more than a file.
    fn opened(&mut self, model: &Model, i: usize, entry: &Entry, path: usize) {
        let tid = model.tasks[i].tid;
        let name = string(tid, entry.args[path], 4096).unwrap_or_default();
        // What stands there is made when it is read.
        match in_proc(&name, model.pid(i)) {
            Some(Proc::Segments) => return self.looks_at_rows = true,
            Some(Proc::Pending | Proc::Own) => return,
            // There may be no such process any more.
            Some(proc @ Proc::Other(_)) => return proc.read(model, i, &mut self.made),
            Some(Proc::Anything) => {
                self.looks_at_rows = true;
                return self.made.add_everything();
            }
            None => {}
        }
        let folder = if path == 0 { libc::AT_FDCWD } else { entry.args[0] as c_int };
        let makes = entry.args[path + 1] & (libc::O_CREAT | libc::O_TRUNC) as u64 != 0;
        let special = descriptors::is_no_file(tid, folder, &name);
        if makes || special {
            self.made.writes(Thing::Files);
        } else {
            self.made.reads(Thing::Files);
        }
        if special {
            self.made.writes(Thing::Descriptors);
        }
    }

    fn object(&mut self, maps: &[Map], tid: Tid, entry: &Entry) {
        let Some(row) = syscalls::row(entry.number) else { return };
        let id = entry.args[0] as i32;
        match row.object {
            Object::None => {}
            // One that makes none looks whether there is one.
            Object::Get { kind, flags } => match entry.args[flags] as c_int & IPC_CREAT {
                0 if id != IPC_PRIVATE => self.made.reads(thing(kind, -1)),
                _ => {
                    // A new segment may have the id of one that was.
                    self.pages.clear();
                    self.made.writes(thing(kind, -1));
                }
            },
            Object::Attach => self.attached(id),
            Object::Use(Kind::Sem) => match calls::operations(tid, entry) {
                operations if operations.is_empty() => self.made.writes(Thing::Sem(id)),
                operations => operations
                    .iter()
                    .for_each(|one| self.made.writes(Thing::Semaphore(id, one.sem_num))),
            },
            Object::Use(kind) => self.made.writes(thing(kind, id)),
            Object::Detach => match maps.iter().find(|map| map.start == entry.args[0]) {
                Some(map) => self.attached(map.memory as i32),
                None => self.made.add_everything(),
            },
            Object::Control { kind, .. } => self.control(row, kind, id, entry),
        }
    }

    fn control(&mut self, row: &CallRow, kind: Kind, id: i32, entry: &Entry) {
        let command = row.command(entry);
        self.looks_at_rows |= kind == Kind::Shm && command != Some(Command::Remove);
        if command == Some(Command::Stat) {
            return self.made.reads(thing(kind, id));
        }
        if kind == Kind::Sem {
            let one = Thing::Semaphore(id, entry.args[1] as u16);
            match entry.args[2] as i32 {
                GETVAL | GETPID | GETNCNT | GETZCNT => return self.made.reads(one),
                GETALL => return self.made.reads(Thing::Sem(id)),
                SETVAL => return self.made.writes(one),
                SETALL => return self.made.writes(Thing::Sem(id)),
                _ => {}
            }
        }
        self.made.writes(thing(kind, id));
        self.made.writes(thing(kind, -1));
    }

    /// The segments that a process has attached, as the kernel's rows.
    pub fn maps(&mut self, maps: &[Map]) {
        for map in maps.iter().filter(|map| map.is_segment()) {
            self.attached(map.memory as i32);
        }
    }

    /// One attaches a segment, or detaches it. The last one that detaches it may end it; and who was
    /// the last is written in its row.
    fn attached(&mut self, id: i32) {
        match self.rows_matter || calls::goes_with_its_last_detach(id) {
            true => self.made.writes(Thing::Shm(id)),
            false => self.made.counts(Thing::Shm(id)),
        }
    }

    /// A process gets a signal; `waits`: it will not notice before it asks for it, or blocks it no more.
    pub fn signal(&mut self, process: usize, signal: c_int, waits: bool) {
        let number = process as u32;
        self.made.counts(Thing::Queued);
        if waits {
            self.made.reads(Thing::Process(number));
            self.made.writes(Thing::Pending(number, signal));
        } else {
            self.made.writes(Thing::Process(number));
        }
    }

    /// A process is about to end, by itself, or a thread of it alone: what that means for its descriptors and its
    /// locks.
    pub fn leaves(&mut self, model: &Model, i: usize, thread: bool) -> Leaves {
        let (tid, process) = (model.tasks[i].tid, model.process(i));
        let holds = |one: &usize| holds_locks(model.tasks[*one].tid);
        let mut siblings = model.siblings(i);
        if thread && !siblings.is_empty() {
            return Leaves { locks: holds(&i), ..Leaves::default() };
        }
        siblings.push(i);
        let locks = process.shares() && siblings.iter().any(holds);
        let unlocked = model.locks && !descriptors::has_locked_files(tid);
        let Some(links) = descriptors::descriptors(tid).filter(|_| !locks) else {
            return Leaves { known: false, unlocked, locks };
        };
        // A file that is closed matters to others only where it may hold a lock: all may, then.
        let no_file = |link: &&String| {
            !link.starts_with("/proc/") && self.at_descriptor(link) != Some(Thing::Files)
        };
        let links: Vec<&String> = links.iter().filter(no_file).collect();
        links.into_iter().for_each(|link| self.closed(link));
        Leaves { known: true, unlocked, locks }
    }

    /// A descriptor is closed: one less.
    fn closed(&mut self, link: &str) {
        if link == PIDFD || link.starts_with("/proc/") {
            return;
        }
        match self.at_descriptor(link) {
            Some(pipe @ Thing::Pipe(_)) => self.made.counts(pipe),
            Some(Thing::Printed) => {}
            Some(thing) => self.made.writes(thing),
            None => {}
        }
    }

    fn descriptor(&mut self, model: &Model, i: usize, fd: u64, write: bool) {
        let tid = model.tasks[i].tid;
        let Some(link) = descriptor(tid, fd) else { return };
        if let Some(proc) = in_proc(link.as_bytes(), model.pid(i)) {
            return proc.read(model, i, &mut self.made);
        }
        if link == PIDFD {
            if let Some(child) = descriptors::of_pidfd(tid, fd).and_then(|it| model.with_tgid(it)) {
                self.made.reads(Thing::Child(child as u32));
            }
            return;
        }
        // One of them may be a signalfd.
        if link.starts_with("anon_inode:") {
            self.made.writes(Thing::Pending(model.tasks[i].process as u32, 0));
        }
        match self.at_descriptor(&link) {
            Some(thing) if write => self.made.writes(thing),
            Some(thing) => self.made.reads(thing),
            None => {}
        }
    }

    /// Does the call print where it counts who prints first? What, as a hash.
    fn prints(&self, tid: Tid, entry: &Entry) -> Option<u64> {
        let counts = self.interleaving && entry.number == libc::SYS_write;
        let link = descriptor(tid, entry.args[0]).filter(|_| counts)?;
        is_printed(link.as_bytes()).then(|| {
            let mut hasher = DefaultHasher::new();
            (link, bytes(tid, entry.args[1], entry.args[2] as usize)).hash(&mut hasher);
            hasher.finish()
        })
    }

    /// What a descriptor stands for, by what it is a link to.
    fn at_descriptor(&self, link: &str) -> Option<Thing> {
        match link {
            // No process reads what is only printed.
            "/dev/null" => None,
            printed if is_printed(printed.as_bytes()) => {
                self.interleaving.then_some(Thing::Printed)
            }
            pipe if pipe.starts_with("pipe:") => {
                // One that we have not seen made was there before us: its number stays the same.
                let number = || pipe.trim_matches(|c: char| !c.is_ascii_digit()).parse::<u64>();
                let known = self.pipes.get(pipe).copied();
                let name = known.or_else(|| Some(1 << 62 | number().ok()?));
                Some(name.map_or(Thing::Descriptors, Thing::Pipe))
            }
            path if path.starts_with('/') => Some(Thing::Files),
            _ => Some(Thing::Descriptors),
        }
    }

    /// A number for a file that is mapped, the same in every run; `new` if it was not mapped before.
    pub fn name_of(&mut self, file: FileId, new: u64) -> u64 {
        *self.files.entry(file).or_insert(new)
    }

    /// A pipe is new: what its descriptors are links to, and a number that it has in every run.
    pub fn add_pipe(&mut self, link: String, name: u64) {
        self.pipes.insert(link, name);
    }

    /// After a move: of the segments, how much is in memory now that was not? Somebody has looked at that.
    pub fn resident(&mut self) {
        if !self.rows_matter {
            return;
        }
        for (memory, page) in self.made.pages().collect::<Vec<_>>() {
            match self.pages.insert((memory, page)) {
                true => self.made.writes(Thing::Page(memory, page)),
                false => self.made.reads(Thing::Page(memory, page)),
            }
        }
    }

    /// What a process that moves may look at, whatever it does.
    pub fn sees(&mut self, model: &Model, i: usize) {
        let (index, process) = (model.tasks[i].process, model.process(i));
        if process.threads > 1 {
            self.made.writes(Thing::Memory(1 << 48 | index as u64));
        }
        let others = process.maps.iter().filter(|map| !map.watched);
        others.for_each(|map| self.made.reads(Thing::Memory(map.memory)));
    }

    /// After a move: has the memory changed that others see?
    pub fn memory(&mut self, model: &Model, i: usize) {
        let (index, process) = (model.tasks[i].process, model.process(i));
        if process.threads > 1 {
            self.made.writes(Thing::Memory(1 << 48 | index as u64));
        }
        if model.tasks[i].state == State::Gone && process.end.is_some() {
            return;
        }
        for map in process.maps.iter().filter(|map| !map.watched) {
            if map.len > COMPARED {
                self.made.writes(Thing::Memory(map.memory));
                continue;
            }
            let mut hasher = DefaultHasher::new();
            bytes(model.tasks[i].tid, map.start, map.len).hash(&mut hasher);
            let now = hasher.finish();
            match self.contents.insert(Part { memory: map.memory, len: map.len }, now) {
                Some(before) if before != now => self.made.writes(Thing::Memory(map.memory)),
                _ => self.made.reads(Thing::Memory(map.memory)),
            }
        }
    }
}

/// May a call do or tell something else if a signal is pending that its process blocks?
fn asks_for_signals(row: &CallRow) -> bool {
    use Touch::*;
    let asks =
        |touch: &Touch| matches!(touch, Everything | Pending | Polled | Proc(_) | Descriptors);
    let waits = row.own_mask || matches!(row.sleep, Sleep::Signal(_));
    let sets = matches!(row.changes, Changes::Action | Changes::Mask);
    waits || sets || row.touches.iter().any(asks)
}

/// The word that a futex call is about.
fn word(model: &Model, i: usize, entry: &Entry) -> Thing {
    let (at, operation) = (entry.args[0], entry.args[1] as c_int);
    if Futex::of(operation) == Futex::Other {
        return Thing::Futexes;
    }
    let private = operation & libc::FUTEX_PRIVATE_FLAG != 0;
    let inside = |map: &&Map| (map.start..map.start + map.len as u64).contains(&at);
    match model.process(i).maps.iter().find(inside).filter(|_| !private) {
        Some(map) => Thing::Futex(map.memory, map.inside(at)),
        None => Thing::Futex(1 << 48 | model.tasks[i].process as u64, at),
    }
}

/// A System V object; -1: the table of its kind.
fn thing(kind: Kind, id: i32) -> Thing {
    match kind {
        Kind::Shm => Thing::Shm(id),
        Kind::Msg => Thing::Msg(id),
        Kind::Sem => Thing::Sem(id),
    }
}
