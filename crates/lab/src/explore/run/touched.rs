//! What a move touches: the footprint of its calls, and the memory that others see.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use super::model::{Map, Model, State};
use crate::event::Command;
use crate::explore::calls::{FileId, descriptor, known};
use crate::explore::footprint::{Footprint, Thing};
use crate::explore::verdict::Kind;
use crate::syscalls;
use crate::syscalls::cells::{CallRow, Object, Touch};
use crate::tracer::memory::{bytes, string};
use crate::tracer::{Entry, Tid};

/// More shared memory than this is not compared: it counts as changed.
const COMPARED: usize = 1 << 20;

/// See the module.
#[derive(Default)]
pub struct Touched {
    /// What the move has touched so far.
    pub made: Footprint,
    /// A call of this move has changed something.
    pub changed: bool,
    /// What shared memory held after the last move.
    contents: HashMap<Part, u64>,
    /// Pipes by what their descriptors are links to.
    pipes: HashMap<String, u64>,
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
    /// What the call that is about to be made can touch: what its row says, applied to its
    /// arguments. The targets of signals are not part of this.
    pub fn call(&mut self, model: &Model, i: usize, entry: &Entry) {
        let row = known(entry);
        for touch in row.map_or(&[Touch::Everything][..], |row| row.touches) {
            self.touch(model, i, entry, *touch);
        }
    }

    /// A call has ended, with this result. One that failed, and a wait that found no child, have changed
    /// nothing.
    pub fn ended(&mut self, entry: &Entry, result: i64) {
        let waits = |row: &CallRow| row.touches.contains(&Touch::Children);
        let in_vain = result < 0 || result == 0 && known(entry).is_some_and(waits);
        self.changed |= !in_vain && self.made.changes();
    }

    fn touch(&mut self, model: &Model, i: usize, entry: &Entry, touch: Touch) {
        let (tid, process) = (model.tasks[i].tid, model.tasks[i].process as u32);
        match touch {
            Touch::Everything => self.made.add_everything(),
            Touch::Object => self.object(&model.process(i).maps, entry),
            Touch::Attached => self.maps(&model.process(i).maps),
            Touch::Addressee => {}
            Touch::Children => self.made.writes(Thing::Children(process)),
            Touch::Pids => self.made.writes(Thing::Pids),
            Touch::Descriptor => self.descriptor(tid, entry.args[0], true),
            Touch::Looked => self.descriptor(tid, entry.args[0], false),
            Touch::Descriptors => self.made.writes(Thing::Descriptors),
            Touch::Polled => self.made.reads(Thing::Descriptors),
            Touch::Files => self.made.writes(Thing::Files),
            Touch::FilesLooked => self.made.reads(Thing::Files),
            Touch::Parent => {
                if let Some(parent) = model.process(i).parent {
                    self.made.reads(Thing::Process(parent as u32));
                }
            }
            Touch::Proc(path) => {
                let path = string(tid, entry.args[path], 256).unwrap_or_default();
                if path.starts_with(b"/proc/") {
                    self.made.add_everything();
                }
            }
            Touch::Futexes => self.made.writes(Thing::Futexes),
            Touch::Time => self.made.reads(Thing::Time),
        }
    }

    fn object(&mut self, maps: &[Map], entry: &Entry) {
        let Some(row) = syscalls::row(entry.number) else { return };
        let id = entry.args[0] as i32;
        match row.object {
            Object::None => {}
            Object::Get { kind, .. } => self.made.writes(thing(kind, -1)),
            Object::Attach => self.made.writes(thing(Kind::Shm, id)),
            Object::Use(kind) => self.made.writes(thing(kind, id)),
            Object::Detach => match maps.iter().find(|map| map.start == entry.args[0]) {
                Some(map) => self.made.writes(Thing::Shm(map.memory as i32)),
                None => self.made.add_everything(),
            },
            Object::Control { kind, .. } => self.control(row, kind, id, entry),
        }
    }

    fn control(&mut self, row: &CallRow, kind: Kind, id: i32, entry: &Entry) {
        if row.command(entry) == Some(Command::Stat) {
            return self.made.reads(thing(kind, id));
        }
        self.made.writes(thing(kind, id));
        self.made.writes(thing(kind, -1));
    }

    /// The segments that a process has attached, as the kernel's rows.
    pub fn maps(&mut self, maps: &[Map]) {
        for map in maps.iter().filter(|map| map.is_segment()) {
            self.made.writes(Thing::Shm(map.memory as i32));
        }
    }

    fn descriptor(&mut self, tid: Tid, fd: u64, write: bool) {
        let thing = match descriptor(tid, fd) {
            // No process reads what is only printed.
            Some(link) if link == "/dev/null" => return,
            None => return,
            Some(link) if link.starts_with("pipe:") => match self.pipes.get(&link) {
                Some(&name) => Thing::Pipe(name),
                None => Thing::Descriptors,
            },
            Some(link) if link.starts_with("/proc/") => return self.made.add_everything(),
            Some(link) if link.starts_with('/') => Thing::Files,
            Some(_) => Thing::Descriptors,
        };
        if write { self.made.writes(thing) } else { self.made.reads(thing) }
    }

    /// A number for a file that is mapped, the same in every run; `new` if it was not mapped before.
    pub fn name_of(&mut self, file: FileId, new: u64) -> u64 {
        *self.files.entry(file).or_insert(new)
    }

    /// A pipe is new: what its descriptors are links to, and a number that it has in every run.
    pub fn add_pipe(&mut self, link: String, name: u64) {
        self.pipes.insert(link, name);
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
        for map in &process.maps {
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

/// A System V object; -1: the table of its kind.
fn thing(kind: Kind, id: i32) -> Thing {
    match kind {
        Kind::Shm => Thing::Shm(id),
        Kind::Msg => Thing::Msg(id),
        Kind::Sem => Thing::Sem(id),
    }
}
