//! One access to memory that is closed: the thread is held before it where others may move, and then it is
//! made.

use std::hash::{DefaultHasher, Hash, Hasher};

use libc::{c_int, siginfo_t};

use super::faults::others;
use super::learned::{PAGE, pages};
use super::order::Side;
use super::{Open, protection};
use crate::explore::Trouble;
use crate::explore::footprint::{Bytes, Footprint};
use crate::explore::run::Result;
use crate::explore::run::model::{Process, State};
use crate::explore::run::moves::Moves;
use crate::explore::run::programs::Programs;
use crate::explore::run::tracees::Heard;
use crate::explore::verdict::Touched;
use crate::tracer::instruction::{Next, Part, Plain};
use crate::tracer::source::Code;
use crate::tracer::{How, fault, memory};

/// SEGV_ACCERR: the memory is there, and closed. <asm-generic/siginfo.h>
const CLOSED: c_int = 2;
/// So often the same look at the same bytes, in one move: it waits for them to change.
const SPINS: u32 = 16;
/// So many accesses of a run are told one by one, where they need not be looked at.
const TOLD: usize = 1000;
/// What a store changes is compared up to so many bytes.
const COMPARED: usize = 1 << 16;

/// An access that is about to be made.
#[derive(Clone, Debug)]
pub struct Access {
    next: Next,
    parts: Vec<Watched>,
    /// What the bytes held when they were read, by an instruction that reads and writes and does not lock:
    /// others may move between the two.
    had: Option<Vec<Vec<u8>>>,
}

/// A part of an instruction's memory that is watched.
#[derive(Clone, Copy, Debug)]
struct Watched {
    at: u64,
    bytes: Bytes,
    reads: bool,
    writes: bool,
}

impl Access {
    fn is_in_two(&self) -> bool {
        !self.next.locked && self.parts.iter().any(|part| part.reads && part.writes)
    }

    /// What it will touch, for the search.
    pub fn footprint(&self, made: &mut Footprint) {
        for part in &self.parts {
            made.bytes(part.bytes, part.writes && !self.next.locked);
        }
    }

    /// The same, for people.
    pub fn spelled(&self) -> impl Iterator<Item = (Bytes, bool)> {
        let second = self.had.is_some();
        self.parts.iter().map(move |part| (part.bytes, part.writes && (second || !part.reads)))
    }

    /// A number that is the same for the same access from the same place.
    pub fn hash(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        let parts: Vec<u64> = self.parts.iter().map(|part| part.at).collect();
        (self.next.at, parts, self.had.is_some()).hash(&mut hasher);
        hasher.finish()
    }
}

impl Process {
    /// The parts of an instruction's memory that are watched here; `None`: one of them may not be touched
    /// so, and the program is to hear of it.
    fn watched(&self, parts: &[Part]) -> Option<Vec<Watched>> {
        let mut found = vec![];
        for part in parts {
            let end = part.at.saturating_add(part.len);
            for map in self.maps.iter().filter(|map| map.watched) {
                let (from, to) = (part.at.max(map.start), end.min(map.end()));
                if from >= to {
                    continue;
                }
                if part.writes && !map.writes || !map.reads {
                    return None;
                }
                let bytes =
                    Bytes { memory: map.memory, from: map.inside(from), to: map.inside(to) };
                found.push(Watched { at: from, bytes, reads: part.reads, writes: part.writes });
            }
        }
        Some(found)
    }
}

impl Moves<'_> {
    /// SIGSEGV is about to be delivered: was it an access to memory that we have closed? Then the signal is
    /// none. Some(true): it is held before the access, and its move is over.
    pub fn touches(&mut self, i: usize, info: &siginfo_t) -> Result<Option<bool>> {
        let at = fault(info).filter(|_| info.si_signo == libc::SIGSEGV && info.si_code == CLOSED);
        let process = self.all.model.process(i);
        let Some(at) = at.filter(|at| process.watched_at(*at).is_some()) else {
            return Ok(None);
        };
        let Some(mut next) = Next::of(self.all.tracees.standing(i)?) else { return Ok(None) };
        let covers = |part: &Part| (part.at..part.at.saturating_add(part.len)).contains(&at);
        if !next.parts.iter().any(covers) {
            // One that we do not read right: it may do anything there.
            next.parts.push(Part { at, len: 1, reads: true, writes: true });
        }
        let Some(parts) = process.watched(&next.parts) else { return Ok(None) };
        let code = self.all.code_of(i, &next)?;
        if next.locked {
            parts.iter().for_each(|part| self.all.world.learned.orders(part.bytes));
        }
        let mut fine = false;
        for part in &parts {
            for page in pages(part.bytes) {
                let close = self.all.looks_closely()
                    || self.all.world.learned.is_fine(part.bytes.memory, page);
                fine |= close;
                if !close {
                    self.all.open_page(i, part, page, code)?;
                }
            }
        }
        if !fine {
            self.all.model.tasks[i].looks.does_not_spin();
            self.all.tracees.go_on(i, How::Cont, 0)?;
            return Ok(Some(false));
        }
        let access = Access { next, parts, had: None };
        let point = access.parts.iter().any(|part| self.all.world.learned.is_point(part.bytes));
        let again = std::mem::take(&mut self.all.model.tasks[i].rewound);
        if point && (!again || access.is_in_two()) && self.is_a_move(i, &access)? {
            self.hold_before(i, access);
            return Ok(Some(true));
        }
        self.all.make(i, access, code)?;
        self.all.tracees.go_on(i, How::Cont, 0)?;
        Ok(Some(false))
    }

    fn hold_before(&mut self, i: usize, access: Access) {
        let signals = self.all.signals;
        let task = &mut self.all.model.tasks[i];
        (task.state, task.signals) = (State::Touching, signals);
        task.access = Some(access);
    }

    /// Makes the access before which one is held. True: its move is over: the rest of the access is another one.
    pub fn touch(&mut self, i: usize) -> Result<bool> {
        let task = &mut self.all.model.tasks[i];
        task.circle = None;
        let Some(mut access) = task.access.take() else { return Ok(false) };
        let code = self.all.code_of(i, &access.next)?;
        if access.is_in_two() && access.had.is_none() {
            let mut had = vec![];
            for part in &access.parts {
                had.push(self.all.reads(i, part, code));
            }
            access.had = Some(had);
            self.hold_before(i, access);
            return Ok(true);
        }
        self.all.make(i, access, code)?;
        Ok(false)
    }
}

impl Programs<'_> {
    /// Is each access looked at, wherever it goes? For a story, up to a length.
    fn looks_closely(&self) -> bool {
        self.narrator.wanted && self.narrator.touches < TOLD
    }

    /// By what in its program it is made.
    fn code_of(&mut self, i: usize, next: &Next) -> Result<Code> {
        let thread = self.tracees.standing(i)?;
        let process = &mut self.model.processes[self.model.tasks[i].process];
        Ok(self.world.sources.place(thread, &next.registers, &mut process.file))
    }

    /// A coarse page is opened until the move ends, which has touched all of it.
    fn open_page(&mut self, i: usize, part: &Watched, page: u64, code: Code) -> Result<()> {
        let Bytes { memory, from, .. } = part.bytes;
        // Where the page begins in the address space.
        let start = (part.at - from % PAGE) + (page - from / PAGE) * PAGE;
        let bytes = Bytes { memory, from: page * PAGE, to: (page + 1) * PAGE };
        let open = Open { from: start, to: start + PAGE, writes: part.writes };
        if self.model.process(i).open.contains(&open) {
            return Ok(());
        }
        self.touched.made.bytes(bytes, part.writes);
        self.touched.changed |= part.writes;
        self.model.tasks[i].looks.touches(bytes);
        let side = Side { bytes, who: i, writes: part.writes, coarse: true, code };
        self.look_for_races(side);
        self.tell_touch(i, bytes, part.writes, false, code, vec![]);
        self.open(i, open)
    }

    /// Makes an access.
    fn make(&mut self, i: usize, access: Access, code: Code) -> Result<()> {
        let read = |all: &Programs, part: &Watched| {
            if part.bytes.len() <= COMPARED { all.objects.read(part.bytes) } else { None }
        };
        let before: Vec<_> = access.parts.iter().map(|part| read(self, part)).collect();
        if let Some(had) = &access.had {
            // It writes what comes of what it has read.
            for (part, had) in
                access.parts.iter().zip(had).filter(|(part, _)| part.reads && part.writes)
            {
                self.objects.write(part.bytes.memory, part.bytes.from, had);
            }
        }
        let plain = if access.had.is_some() { None } else { access.next.plain() };
        let done = match plain {
            Some(plain) => self.emulate(i, &access, plain)?,
            None => false,
        };
        if !done && !self.step_over(i, &access)? {
            return Ok(());
        }
        for (part, before) in access.parts.iter().zip(before) {
            let after = read(self, part);
            let changed = part.writes && (before.is_none() || before != after);
            self.touched.changed |= changed;
            if changed {
                self.model.tasks[i].read_again.clear();
                self.model.tasks[i].looks.changed();
            }
            let writes = if access.next.locked { changed } else { part.writes };
            let reads = part.reads && access.had.is_none();
            self.touched.made.bytes(part.bytes, writes);
            self.model.tasks[i].looks.touches(part.bytes);
            self.noted(i, part, code, access.next.locked, (reads, part.writes));
            if !changed && access.had.is_none() && self.world.learned.is_point(part.bytes) {
                let is = after.clone().unwrap_or_default();
                self.model.tasks[i].looks.found(access.hash(), part.bytes, is);
            }
            if reads && !part.writes {
                self.spins_on(i, part, code, after.as_deref());
            }
            let bytes = after.unwrap_or_default();
            self.tell_touch(i, part.bytes, part.writes, access.next.locked, code, bytes);
        }
        Ok(())
    }

    /// The first half of an access that reads and writes and does not lock: what it finds.
    fn reads(&mut self, i: usize, part: &Watched, code: Code) -> Vec<u8> {
        self.touched.made.bytes(part.bytes, false);
        self.noted(i, part, code, false, (true, false));
        let is = self.objects.read(part.bytes).unwrap_or_default();
        self.tell_touch(i, part.bytes, false, false, code, is.clone());
        is
    }

    fn tell_touch(
        &mut self,
        i: usize,
        bytes: Bytes,
        writes: bool,
        locked: bool,
        code: Code,
        is: Vec<u8>,
    ) {
        if self.narrator.wanted {
            let source = self.world.sources.line(code);
            self.narrator.touches(&self.model, i, Touched { bytes, writes, locked, source, is });
        }
    }

    /// What the access means for the order of the rest, and whether it races.
    fn noted(&mut self, i: usize, part: &Watched, code: Code, locked: bool, does: (bool, bool)) {
        let (reads, writes) = does;
        let side = Side { bytes: part.bytes, who: i, writes, coarse: false, code };
        if locked || self.world.learned.is_ordering(part.bytes) {
            return self.order.orders(side, reads);
        }
        self.look_for_races(side);
    }

    /// Where only pages are known of two that race, the next run looks closer.
    fn look_for_races(&mut self, side: Side) {
        for race in self.order.access(side) {
            if race.sides.iter().any(|one| one.coarse) {
                race.sides.iter().for_each(|one| self.world.learned.looks_closer_at(one.bytes));
            } else {
                self.races.push(race);
                self.world.learned.race(race);
            }
        }
    }

    /// It looks at the same bytes again and again, and they are as they were: it waits for them.
    fn spins_on(&mut self, i: usize, part: &Watched, code: Code, is: Option<&[u8]>) {
        let mut hasher = DefaultHasher::new();
        is.hash(&mut hasher);
        let (seen, times) = self.model.tasks[i].read_again.entry((code, part.at)).or_default();
        *times = if *seen == hasher.finish() { *times + 1 } else { 1 };
        *seen = hasher.finish();
        if *times > SPINS {
            self.world.learned.orders(part.bytes);
        }
    }

    /// The tracer does it. False: it cannot, and has done nothing.
    fn emulate(&mut self, i: usize, access: &Access, plain: Plain) -> Result<bool> {
        let number = |bytes: &[u8]| {
            let mut word = [0; 8];
            word[..bytes.len()].copy_from_slice(bytes);
            u64::from_le_bytes(word)
        };
        let parts = &access.next.parts;
        let loaded = match plain {
            Plain::Load(len) => match self.bytes_at(i, parts[0].at, len) {
                Some(bytes) => number(&bytes),
                None => return Ok(false),
            },
            Plain::Store { value, len } => {
                if !self.set_bytes_at(i, parts[0].at, &value.to_le_bytes()[..len])? {
                    return Ok(false);
                }
                0
            }
            Plain::Fill { value, len } => {
                let Some(part) = parts.first() else { return Ok(false) };
                let one = &value.to_le_bytes()[..len];
                let all = one.repeat(part.len as usize / len);
                if !self.set_bytes_at(i, part.at, &all)? {
                    return Ok(false);
                }
                0
            }
            Plain::Copy => {
                let from = parts.iter().find(|part| part.reads);
                let to = parts.iter().find(|part| part.writes);
                let (Some(from), Some(to)) = (from, to) else { return Ok(false) };
                // Bytes that it writes it would read again.
                if from.at < to.at && to.at < from.at + from.len {
                    return Ok(false);
                }
                let Some(bytes) = self.bytes_at(i, from.at, from.len as usize) else {
                    return Ok(false);
                };
                if !self.set_bytes_at(i, to.at, &bytes)? {
                    return Ok(false);
                }
                0
            }
        };
        let done = access.next.done(self.tracees.standing(i)?, loaded);
        done.map_err(Trouble::of("ptrace"))?;
        Ok(true)
    }

    /// Bytes of a program's memory, watched or not, but not both; `None`: not all are there.
    fn bytes_at(&self, i: usize, at: u64, len: usize) -> Option<Vec<u8>> {
        let process = self.model.process(i);
        match process.watched_at(at) {
            Some(map) if at + len as u64 <= map.end() => {
                let from = map.inside(at);
                self.objects.read(Bytes { memory: map.memory, from, to: from + len as u64 })
            }
            Some(_) => None,
            None => {
                Some(memory::bytes(self.model.tasks[i].tid, at, len)).filter(|all| all.len() == len)
            }
        }
    }

    /// The same, to be written. False: nothing was.
    pub fn set_bytes_at(&self, i: usize, at: u64, bytes: &[u8]) -> Result<bool> {
        let process = self.model.process(i);
        Ok(match process.watched_at(at) {
            Some(map) if at + bytes.len() as u64 <= map.end() => {
                self.objects.write(map.memory, map.inside(at), bytes)
            }
            Some(_) => false,
            None => memory::write_bytes(self.tracees.standing(i)?, at, bytes),
        })
    }

    /// The processor does it, with the memory open. False: something else has come, which is put back.
    fn step_over(&mut self, i: usize, access: &Access) -> Result<bool> {
        let page = |at: u64| at / PAGE * PAGE;
        let of = |part: &Watched| {
            let last = part.at + part.bytes.len() as u64 - 1;
            (page(part.at), page(last) + PAGE, part.writes)
        };
        let pages: Vec<_> = access.parts.iter().map(of).collect();
        for (from, to, writes) in &pages {
            // Another part may lie on the same page.
            let writes = *writes || pages.iter().any(|one| one.2 && one.0 < *to && *from < one.1);
            self.protect(i, *from, *to, protection(writes))?;
        }
        let thread = self.tracees.standing(i)?;
        let mask = thread.blocked();
        thread.set_blocked(others()).map_err(Trouble::of("ptrace"))?;
        let other = self.one_step(i)?;
        if !matches!(other, Some(Heard::End(_))) {
            let thread = self.tracees.standing(i)?;
            thread.set_blocked(mask).map_err(Trouble::of("ptrace"))?;
            for (from, to, _) in &pages {
                self.protect(i, *from, *to, libc::PROT_NONE)?;
            }
        }
        let stepped = other.is_none();
        if let Some(other) = other {
            self.tracees.put_back(i, other);
        }
        Ok(stepped)
    }
}
