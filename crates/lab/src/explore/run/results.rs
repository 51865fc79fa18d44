//! What the end of a call means: for what is known of its process, for others, and for the story.

use libc::c_int;

use super::Result;
use super::blocked;
use super::maps::Map;
use super::programs::Programs;
use super::shared::Shared;
use super::shared::learned::PAGE;
use crate::explore::calls::{self, Mapped};
use crate::explore::descriptors::descriptor;
use crate::explore::footprint::Thing;
use crate::explore::verdict::Kind;
use crate::syscalls::cells::{CallRow, Changes, Object, Sleep, Touch, Wakes};
use crate::tracer::Entry;
use crate::tracer::memory::record;

/// A call that a signal has interrupted, and that the kernel may make again. ERESTARTSYS
const RESTARTS: i64 = -512;

impl Programs<'_> {
    /// A call has ended: what that means for others, and what is printed of it.
    pub fn left(&mut self, i: usize, result: i64) -> Result<()> {
        let Some(entry) = self.model.tasks[i].entry else { return Ok(()) };
        let task = &mut self.model.tasks[i];
        (task.in_call, task.vfork) = (false, false);
        let (for_story, opened) =
            (std::mem::take(&mut task.for_story), std::mem::take(&mut task.opened));
        self.after_call(i, &entry, result, opened)?;
        self.heard_by(i, &entry);
        if for_story {
            self.narrator.call(&mut self.model, i, Some(result));
            return Ok(());
        }
        if std::mem::take(&mut self.model.tasks[i].passed) {
            self.touched.ended(&entry, result);
            return match calls::known(&entry).filter(|_| !(-4095..0).contains(&result)) {
                Some(row) => self.succeeded(i, &entry, row, result),
                None => Ok(()),
            };
        }
        if let Some(wait) = self.model.tasks[i].wait.take() {
            self.give_limit_back(i, &wait)?;
            // With a limit, a call on a socket is not made again. signal(7)
            if wait.limit.is_sockets() && result == RESTARTS {
                self.set_result(i, -i64::from(libc::EINTR))?;
            }
        }
        if let Some(kind) = calls::gets(entry.number).filter(|_| result >= 0) {
            self.world.room.tables.after_get(kind, result as c_int);
        }
        self.touched.ended(&entry, result);
        let Some(row) = calls::known(&entry) else { return Ok(()) };
        if !(-4095..0).contains(&result) {
            self.succeeded(i, &entry, row, result)?;
        }
        if blocked::came_too_late(&entry, result) {
            self.sleepers_matter();
        }
        self.judge.call(&self.model, i, &entry, result);
        if self.narrator.wanted {
            self.narrator.call(&mut self.model, i, Some(result));
        }
        Ok(())
    }

    /// Its call has ended: what others did with what it is about has reached it.
    fn heard_by(&mut self, i: usize, entry: &Entry) {
        let made = std::mem::take(&mut self.model.tasks[i].made);
        made.things().for_each(|(thing, _)| self.order.hears(i, thing));
        let waits = calls::known(entry).is_some_and(|row| matches!(row.sleep, Sleep::Signal(_)));
        if waits {
            self.hears_signal(i);
        }
    }

    /// A signal has come: what its sender did before has reached this one.
    pub fn hears_signal(&mut self, i: usize) {
        let process = self.model.tasks[i].process as u32;
        self.order.hears(i, Thing::Process(process));
        self.order.hears(i, Thing::Pending(process, 0));
    }

    /// A call has succeeded: what is known of its process changes.
    fn succeeded(&mut self, i: usize, entry: &Entry, row: &CallRow, result: i64) -> Result<()> {
        let (args, tid) = (entry.args, self.model.tasks[i].tid);
        match (row.object, row.changes) {
            (Object::Attach, _) => {
                let id = args[0] as i32;
                let map = Map {
                    start: result as u64,
                    len: calls::size(id),
                    memory: id as u64,
                    from: 0,
                    reads: true,
                    writes: args[2] as c_int & libc::SHM_RDONLY == 0,
                    watched: false,
                };
                self.watch(i, map, Shared::Segment(id))?;
                self.model.attached_last(&[map], self.model.pid(i));
            }
            (Object::Detach, _) => {
                let pid = self.model.pid(i);
                let is_gone = |map: &Map| map.is_segment() && map.base() == args[0];
                let maps = &mut self.model.process_mut(i).maps;
                let gone: Vec<Map> = maps.extract_if(.., |map| is_gone(map)).collect();
                for map in &gone {
                    self.model.process_mut(i).unmap(map.start, map.end());
                }
                self.model.attached_last(&gone, pid);
                self.give_up_objects();
            }
            (_, Changes::Mapping)
                if args[3] & libc::MAP_TYPE as u64 == libc::MAP_PRIVATE as u64 =>
            {
                let end = result as u64 + args[1].next_multiple_of(PAGE);
                self.model.process_mut(i).unmap(result as u64, end);
            }
            (_, Changes::Unmaps) => {
                let end = args[0] + args[1].next_multiple_of(PAGE);
                self.model.process_mut(i).unmap(args[0], end);
                self.give_up_objects();
            }
            (_, Changes::Moves) => self.moved(i, entry, result as u64)?,
            (_, Changes::Protects) => self.protected(i, entry)?,
            (_, Changes::Mapping) => {
                let product = self.model.name_for_product(i);
                let memory = match calls::mapped_file(tid, entry) {
                    Mapped::Anonymous => 1 << 40 | product,
                    Mapped::File(file) => self.touched.name_of(file, 1 << 41 | product),
                    Mapped::Everybodys => return Ok(()),
                };
                let (shared, from) = match args[3] & libc::MAP_ANONYMOUS as u64 {
                    0 => (Shared::File(args[4] as c_int), args[5]),
                    _ => (Shared::Anonymous, 0),
                };
                let map = Map {
                    start: result as u64,
                    len: args[1] as usize,
                    memory,
                    from,
                    reads: args[2] as c_int & (libc::PROT_READ | libc::PROT_WRITE) != 0,
                    writes: args[2] as c_int & libc::PROT_WRITE != 0,
                    watched: false,
                };
                self.watch(i, map, shared)?;
            }
            (_, Changes::Pipe) => {
                let ends: Option<[i32; 2]> = record(tid, args[0]);
                let link = ends.and_then(|ends| descriptor(tid, ends[0] as u64));
                let name = self.model.name_for_product(i);
                if let Some(link) = link {
                    self.touched.add_pipe(link, name);
                }
            }
            (Object::Use(Kind::Sem), _) => {
                let undone = calls::to_be_undone(tid, entry);
                self.model.process_mut(i).undone.extend(undone);
            }
            _ if row.touches == [Touch::Children] => {
                if let Some(child) = self.model.with_pid(result as i32) {
                    self.model.processes[child].reaped = true;
                }
            }
            _ if row.makes_child() && result > 0 => self.model.child_is_known(i, result as i32),
            _ => {}
        }
        Ok(())
    }

    /// Can a handler run before the program has stored what the call has answered: a pid, an id, a
    /// descriptor, an address, a count?
    pub fn is_to_be_stored(&self, i: usize, result: i64) -> Result<bool> {
        let handlers = self.model.process(i).handlers();
        let row = self.model.tasks[i].entry.as_ref().and_then(calls::known);
        let number = |row: &CallRow| matches!(row.object, Object::Get { .. }) && result == 0;
        let tells = result > 0 || row.is_some_and(number);
        Ok(tells && handlers != 0 && handlers & !self.tracees.standing(i)?.blocked() != 0)
    }

    /// Has the call passed something to another process, so that this may act before the caller's
    /// next store to memory that both share?
    pub fn is_heard(&self, i: usize, result: i64) -> bool {
        let shares = self.model.process(i).shares();
        let entry = self.model.tasks[i].entry.filter(|_| shares && result >= 0);
        let Some(entry) = entry else { return false };
        let Some(row) = calls::known(&entry) else { return true };
        match row.wakes {
            Wakes::Nobody => false,
            Wakes::Waiters | Wakes::Child(_) | Wakes::Addressee(_) => true,
            Wakes::Futex => !row.may_sleep(&entry),
            Wakes::Reader => {
                let link = descriptor(self.model.tasks[i].tid, entry.args[0]);
                link.is_some_and(|link| !link.starts_with('/'))
            }
        }
    }
}
