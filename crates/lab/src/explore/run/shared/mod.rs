//! Memory that processes share is kept closed (PROT_NONE): each access to it stops the one that makes it.
//!
//! | module | what it holds |
//! |---|---|
//! | [`access`], [`made`] | one access: held before it, made |
//! | [`buffer`] | stores that wait |
//! | [`attached`] | how often a segment is attached, without the tracer |
//! | [`circles`] | threads that wait for memory to change |
//! | [`faults`] | SIGSEGV, which is the tracer's |
//! | [`locks`] | robust locks of threads that end |
//! | [`objects`] | the same memory, as the tracer has it |
//! | [`learned`] | what stays from run to run |
//!
//! A page is *coarse* at first: the first touch of a move opens it until the move ends, and the move has
//! touched all of it. Where a race was seen it is *fine*: each access stops, and only the bytes that race, or that
//! order others, are moves of their own. Coarse pages cost little when much is copied.
//!
//! The kernel finds closed memory closed, too: for a call that points there it is opened, and for one that
//! fails with EFAULT it is opened and the call made again. mprotect(2)

pub mod access;
pub mod attached;
pub mod buffer;
pub mod circles;
mod faults;
pub mod learned;
pub mod locks;
mod made;
pub mod objects;
pub use crate::memory::order;

use std::fs::File;

use libc::c_int;
use nix::errno::Errno;
use sysv::spell;

use super::maps::Map;
use super::programs::Programs;
use super::tracees::Heard;
use super::{Result, World};
use crate::explore::Trouble;
use crate::explore::calls;
use crate::explore::footprint::Bytes;
use crate::syscalls::cells::Changes;
use crate::syscalls::{OURS, pointers};
use crate::tracer::memory::{self, record};
use crate::tracer::{Entry, How, Stop, registers};
use faults::others;
use learned::{PAGE, Ranges};

/// Where one of these lies open in an address space.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Open {
    pub from: u64,
    pub to: u64,
    pub writes: bool,
}

/// Which memory a program has mapped.
pub enum Shared {
    Segment(c_int),
    /// By a descriptor of the program.
    File(c_int),
    Anonymous,
}

impl World {
    /// Are accesses to shared memory looked at?
    pub fn watches(&self) -> bool {
        !self.asked.calls_only
    }
}

/// That of pages that are open.
fn protection(writes: bool) -> c_int {
    libc::PROT_READ | if writes { libc::PROT_WRITE } else { 0 }
}

impl Programs<'_> {
    // ---- calls of ours

    /// Lets a thread that stands still in user mode, or at a call's end, make a call of ours. `None`: it
    /// was killed, and the next wait reports that.
    pub fn inject(&mut self, i: usize, number: i64, args: [u64; 5]) -> Result<Option<i64>> {
        let at = self.model.process(i).call_at;
        let thread = self.tracees.standing(i)?;
        let before = registers::all(thread).map_err(Trouble::of("ptrace"))?;
        let mask = thread.blocked();
        thread.set_blocked(others()).map_err(Trouble::of("ptrace"))?;
        let call = before.for_call_at(at, number, args);
        registers::set_all(thread, &call).map_err(Trouble::of("ptrace"))?;
        if let Some(other) = self.one_step(i)? {
            if let Heard::Stop(_) = other {
                let thread = self.tracees.standing(i)?;
                registers::set_all(thread, &before).map_err(Trouble::of("ptrace"))?;
                thread.set_blocked(mask).map_err(Trouble::of("ptrace"))?;
            }
            self.tracees.put_back(i, other);
            return Ok(None);
        }
        let thread = self.tracees.standing(i)?;
        let after = registers::all(thread).map_err(Trouble::of("ptrace"))?;
        registers::set_all(thread, &before).map_err(Trouble::of("ptrace"))?;
        thread.set_blocked(mask).map_err(Trouble::of("ptrace"))?;
        Ok(Some(after.result()))
    }

    /// One instruction, and a call that it makes. Or what else has come.
    pub fn one_step(&mut self, i: usize) -> Result<Option<Heard>> {
        loop {
            self.tracees.go_on(i, How::Step, 0)?;
            match self.tracees.wait(i)? {
                Heard::Stop(Stop::Entry(_) | Stop::Started) => {}
                Heard::Stop(stop) if stop.is_step() => return Ok(None),
                other => return Ok(Some(other)),
            }
        }
    }

    fn protect(&mut self, i: usize, from: u64, to: u64, protection: c_int) -> Result<()> {
        let args = [from, to - from, protection as u64, OURS.into(), 0];
        match self.inject(i, libc::SYS_mprotect, args)? {
            // The next access would stop there again, and for ever.
            Some(answer) if answer < 0 => {
                let errno = spell::errno(Errno::from_raw(-answer as i32));
                Err(Trouble::because(format!(
                    "mprotect() of its shared memory is refused: {errno}"
                )))
            }
            _ => Ok(()),
        }
    }

    // ---- maps

    /// A thread that stands at the end of a call has mapped this: from now on it is watched, if it can be.
    pub fn watch(&mut self, i: usize, mut map: Map, shared: Shared) -> Result<()> {
        let pages = (map.len as u64).checked_next_multiple_of(PAGE).unwrap_or(u64::MAX);
        let end = map.start.saturating_add(pages);
        self.model.process_mut(i).unmap(map.start, end);
        if self.world.watches() {
            let thread = self.tracees.standing(i)?;
            let registers = registers::all(thread).map_err(Trouble::of("ptrace"))?;
            self.model.process_mut(i).call_at = registers.call_instruction();
            if let (Shared::Segment(_), true) = (&shared, self.world.looks_at_ends) {
                self.world.learned.looks_at_the_end(map.memory, map.len as u64);
            }
            map.watched = self.has(i, &map, shared)?;
            self.world.unwatched |= !map.watched;
        }
        if map.watched {
            self.protect(i, map.start, end, libc::PROT_NONE)?;
        }
        self.model.process_mut(i).maps.push(map);
        self.keep_faults_open(i)
    }

    /// Has the tracer the same memory now?
    fn has(&mut self, i: usize, map: &Map, shared: Shared) -> Result<bool> {
        let tid = self.model.tasks[i].tid;
        Ok(match shared {
            Shared::Segment(id) => self.objects.attach(map.memory, id, map.len),
            Shared::File(_) | Shared::Anonymous if self.objects.has(map.memory) => true,
            Shared::File(fd) => {
                let path = format!("/proc/{tid}/fd/{fd}");
                let file = File::options().read(true).write(map.writes).open(path);
                file.map(|file| self.objects.open(map.memory, file)).is_ok()
            }
            // It has no name: it gets a file that is like it.
            Shared::Anonymous => match self.named(i, map)? {
                Some(file) => {
                    self.objects.open(map.memory, file);
                    true
                }
                None => false,
            },
        })
    }

    /// Puts a file without a name in the place of memory without one.
    fn named(&mut self, i: usize, map: &Map) -> Result<Option<File>> {
        let tid = self.model.tasks[i].tid;
        let thread = self.tracees.standing(i)?;
        let scratch = registers::scratch(thread).map_err(Trouble::of("ptrace"))?;
        let name = u64::from_ne_bytes(*b"shared\0\0");
        let kept = record::<u64>(tid, scratch).unwrap_or(0);
        let write = |thread: &_, word: u64| {
            memory::write(thread, scratch, &[word]).map_err(Trouble::of("process_vm_writev"))
        };
        write(self.tracees.standing(i)?, name)?;
        let fd = self.inject(i, libc::SYS_memfd_create, [scratch, 0, 0, 0, 0])?;
        if let Ok(thread) = self.tracees.standing(i) {
            write(thread, kept)?;
        }
        let Some(fd) = fd.filter(|fd| *fd >= 0) else { return Ok(None) };
        let file = File::options().read(true).write(true).open(format!("/proc/{tid}/fd/{fd}"));
        let len = (map.len as u64).next_multiple_of(PAGE);
        let sized = file.as_ref().is_ok_and(|file| file.set_len(len).is_ok());
        let mut mapped = false;
        if sized {
            let flags = (libc::MAP_SHARED | libc::MAP_FIXED) as u64;
            let args = [map.start, len, protection(map.writes) as u64, flags, fd as u64];
            mapped = self.inject(i, libc::SYS_mmap, args)? == Some(map.start as i64);
        }
        self.inject(i, libc::SYS_close, [fd as u64, 0, 0, 0, 0])?;
        Ok(file.ok().filter(|_| mapped))
    }

    /// What no process has mapped any more, the tracer does not keep either: it may end with its last detach.
    pub fn give_up_objects(&mut self) {
        let model = &self.model;
        self.objects.keep(|memory| {
            let lives = model.processes.iter().filter(|process| process.end.is_none());
            lives.flat_map(|process| &process.maps).any(|map| map.memory == memory)
        });
    }

    // ---- pages

    /// Opens pages of a watched map for the one that moves.
    fn open(&mut self, i: usize, open: Open) -> Result<()> {
        self.protect(i, open.from, open.to, protection(open.writes))?;
        self.model.process_mut(i).open.push(open);
        Ok(())
    }

    /// What was opened in its address space is closed again.
    pub fn close_all(&mut self, i: usize) -> Result<()> {
        // Pages that follow each other are closed at once.
        let mut open = Ranges::default();
        for Open { from, to, .. } in std::mem::take(&mut self.model.process_mut(i).open) {
            open.add(Bytes { memory: 0, from, to });
        }
        for Bytes { from, to, .. } in open.all() {
            self.protect(i, from, to, libc::PROT_NONE)?;
        }
        Ok(())
    }

    /// The pages that are open there are looked at closely from now on. False: none is.
    pub fn looks_closer(&mut self, i: usize) -> bool {
        let process = &self.model.processes[self.model.tasks[i].process];
        for open in &process.open {
            if let Some(map) = process.map_at(open.from) {
                let (from, to) = (map.inside(open.from), map.inside(open.to));
                let bytes = Bytes { memory: map.memory, from, to };
                self.world.learned.looks_closer_at(bytes);
            }
        }
        !process.open.is_empty()
    }

    /// Is the memory of its process as it has to be for this call?
    pub fn is_ready_for(&self, i: usize, entry: &Entry) -> bool {
        let process = self.model.process(i);
        self.model.tasks[i].opened || process.open.is_empty() && !self.points_at_watched(i, entry)
    }

    /// One stands at the end of a call that was skipped: its memory is made as the call needs it.
    pub fn make_ready_for(&mut self, i: usize, entry: &Entry) -> Result<()> {
        self.close_all(i)?;
        if self.points_at_watched(i, entry) {
            self.open_for_call(i)?;
        }
        Ok(())
    }

    /// All that is watched is opened until the end of the call.
    pub fn open_for_call(&mut self, i: usize) -> Result<()> {
        let watched = self.model.process(i).maps.iter().filter(|map| map.watched);
        let all: Vec<Open> = watched
            .map(|map| Open { from: map.start, to: map.end(), writes: map.writes })
            .collect();
        for one in all {
            self.open(i, one)?;
        }
        self.model.tasks[i].opened = true;
        Ok(())
    }

    /// Does the kernel look into watched memory, or write there, in this call?
    pub fn points_at_watched(&self, i: usize, entry: &Entry) -> bool {
        let process = self.model.process(i);
        let watched = |at: u64| process.watched_at(at).is_some();
        process.watches() && pointers::point_at(self.model.tasks[i].tid, entry, watched)
    }

    // ---- calls of the program

    /// Does the end of this call matter for memory that is watched?
    pub fn has_to_end(&self, i: usize, entry: &Entry) -> bool {
        let watches = self.model.process(i).watches();
        let of_maps = calls::known(entry).is_some_and(|row| row.changes.maps());
        let looks = matches!(entry.number, libc::SYS_shmctl | libc::SYS_read | libc::SYS_pread64);
        looks && !self.model.last_attached.is_empty()
            || self.is_about_faults(i, entry)
            || watches && (self.model.tasks[i].opened || of_maps)
    }

    /// A call has ended: memory that was opened for it is closed, and what the kernel has told of our own part
    /// in it is put right.
    pub fn after_call(&mut self, i: usize, entry: &Entry, result: i64, opened: bool) -> Result<()> {
        if result >= 0 && calls::known(entry).is_some_and(|row| row.changes == Changes::Moves) {
            // What was opened for the call is somewhere else now.
            let (from, to) = (entry.args[0], entry.args[0] + entry.args[1]);
            self.model.process_mut(i).open.retain(|open| open.to <= from || to <= open.from);
        }
        if opened && !calls::has_own_mask(entry) {
            self.close_all(i)?;
        }
        if !self.world.watches() || result < 0 {
            return Ok(());
        }
        match entry.number {
            libc::SYS_rt_sigprocmask if self.is_about_faults(i, entry) => self.masked(i, entry),
            libc::SYS_rt_sigaction if self.is_about_faults(i, entry) => {
                self.action_was_set(i, entry)
            }
            libc::SYS_shmctl => attached::in_record(self, i, entry, result),
            libc::SYS_read | libc::SYS_pread64 => attached::in_table(self, i, entry, result),
            _ => Ok(()),
        }
    }

    /// Has a call failed only because memory was closed?
    pub fn met_closed_memory(&self, i: usize, result: i64) -> bool {
        let task = &self.model.tasks[i];
        result == -i64::from(libc::EFAULT)
            && task.in_call
            && !task.opened
            && self.model.process(i).watches()
    }

    /// It has moved a map, open or closed.
    pub fn moved(&mut self, i: usize, entry: &Entry, to: u64) -> Result<()> {
        let [from, old, new, ..] = entry.args;
        let process = self.model.process_mut(i);
        let Some(map) = process.map_at(from).copied() else { return Ok(()) };
        process.unmap(from, from + old.next_multiple_of(PAGE));
        let map = Map { start: to, len: new as usize, from: map.inside(from), ..map };
        process.maps.push(map);
        if map.watched { self.protect(i, to, map.end(), libc::PROT_NONE) } else { Ok(()) }
    }

    /// It has changed what it may do with pages. Those that are watched stay closed.
    pub fn protected(&mut self, i: usize, entry: &Entry) -> Result<()> {
        let [from, len, protection, ..] = entry.args;
        let to = from + len.next_multiple_of(PAGE);
        let process = self.model.process_mut(i);
        let inside = |map: &Map| map.start < to && from < map.end() && map.watched;
        let parts: Vec<Map> = process.maps.iter().copied().filter(inside).collect();
        process.unmap(from, to);
        for map in parts {
            let (start, end) = (map.start.max(from), map.end().min(to));
            let new = Map {
                start,
                len: (end - start) as usize,
                from: map.inside(start),
                reads: protection as c_int & (libc::PROT_READ | libc::PROT_WRITE) != 0,
                writes: protection as c_int & libc::PROT_WRITE != 0,
                ..map
            };
            self.model.process_mut(i).maps.push(new);
            self.protect(i, start, end, libc::PROT_NONE)?;
        }
        Ok(())
    }

    /// Words for the program, where a call of its would have put them.
    pub fn write(&mut self, i: usize, at: u64, words: &[u64]) -> Result<()> {
        if self.model.process(i).watched_at(at).is_some() {
            let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_ne_bytes()).collect();
            return self.set_bytes_at(i, at, &bytes).map(drop);
        }
        let done = memory::write(self.tracees.standing(i)?, at, words);
        done.map_err(Trouble::of("process_vm_writev"))
    }
}
