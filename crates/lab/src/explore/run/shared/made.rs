//! How an access is made: by the tracer, or by the processor with the memory open.

use std::hash::{DefaultHasher, Hash, Hasher};

use super::access::{Access, Watched};
use super::faults::others;
use super::learned::PAGE;
use super::order::Side;
use super::protection;
use crate::explore::Trouble;
use crate::explore::footprint::Bytes;
use crate::explore::run::Result;
use crate::explore::run::programs::Programs;
use crate::explore::run::tracees::Heard;
use crate::explore::verdict::{Buffered, Touched};
use crate::memory::SPINS;
use crate::tracer::instruction::Plain;
use crate::tracer::memory;
use crate::tracer::source::Code;

/// What a store changes is compared up to so many bytes.
const COMPARED: usize = 1 << 16;

impl Programs<'_> {
    /// Makes an access.
    pub fn make(&mut self, i: usize, access: Access, code: Code) -> Result<()> {
        let read = |all: &Programs, part: &Watched| {
            if part.bytes.len() <= COMPARED { all.objects.read(part.bytes) } else { None }
        };
        let memory: Vec<_> = access.parts.iter().map(|part| read(self, part)).collect();
        let waits: Vec<bool> =
            access.parts.iter().map(|part| self.is_put_off(i, &access, part)).collect();
        let before = self.lay_over(i, &access, &memory);
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
        let done = done || self.step_over(i, &access)?;
        let after: Vec<_> = access.parts.iter().map(|part| read(self, part)).collect();
        for (n, part) in access.parts.iter().enumerate() {
            // What waits in the buffer is not in the memory yet.
            if let Some(memory) = memory[n].as_ref().filter(|_| !done || waits[n] || !part.writes)
                && after[n].as_ref() != Some(memory)
            {
                self.objects.write(part.bytes.memory, part.bytes.from, memory);
            }
        }
        if !done {
            return Ok(());
        }
        let all = access.parts.iter().zip(memory).zip(before.into_iter().zip(after));
        for (n, ((part, memory), (before, after))) in all.enumerate() {
            let changed = part.writes && (before.is_none() || before != after);
            self.touched.changed |= changed;
            if changed {
                self.model.tasks[i].read_again.clear();
                self.model.tasks[i].looks.changed();
            }
            let writes = if access.next.locked { changed } else { part.writes };
            let reads = part.reads && access.had.is_none();
            if part.reads || !waits[n] {
                self.touched.made.bytes(part.bytes, writes && !waits[n]);
            }
            self.model.tasks[i].looks.touches(part.bytes);
            self.noted(i, part, code, access.next.locked, [reads, part.writes, waits[n]]);
            if let Some(after) = after.as_ref().filter(|_| waits[n]) {
                self.put_off(i, part.bytes, after.clone(), code);
            }
            if !changed && access.had.is_none() && self.world.learned.is_point(part.bytes) {
                let is = after.clone().unwrap_or_default();
                self.model.tasks[i].looks.found(access.hash(), part.bytes, is);
            }
            if reads && !part.writes {
                self.spins_on(i, part, code, after.as_deref());
            }
            let how = match (waits[n], before == memory) {
                (true, _) => Buffered::Enters,
                (false, false) => Buffered::Seen,
                (false, true) => Buffered::No,
            };
            let bytes = after.unwrap_or_default();
            self.tell_touch(i, part, (part.writes, access.next.locked, how), code, bytes);
        }
        Ok(())
    }

    /// The memory as the thread sees it, with the stores in its buffer, while it makes an access. Answers what is
    /// there.
    fn lay_over(
        &self,
        i: usize,
        access: &Access,
        memory: &[Option<Vec<u8>>],
    ) -> Vec<Option<Vec<u8>>> {
        if self.model.tasks[i].buffer.is_empty() {
            return memory.to_vec();
        }
        let one = |(part, memory): (&Watched, &Option<Vec<u8>>)| {
            let memory = memory.as_ref()?;
            let seen = self.seen(i, part.bytes)?;
            if seen != *memory {
                self.objects.write(part.bytes.memory, part.bytes.from, &seen);
            }
            Some(seen)
        };
        access.parts.iter().zip(memory).map(one).collect()
    }

    /// The first half of an access that reads and writes and does not lock: what it finds.
    pub fn reads(&mut self, i: usize, part: &Watched, code: Code) -> Vec<u8> {
        self.touched.made.bytes(part.bytes, false);
        self.noted(i, part, code, false, [true, false, false]);
        let is = self.seen(i, part.bytes).unwrap_or_default();
        let waits = self.model.tasks[i].buffer.meets(part.bytes);
        let how = if waits { Buffered::Seen } else { Buffered::No };
        self.tell_touch(i, part, (false, false, how), code, is.clone());
        is
    }

    pub fn tell_touch(
        &mut self,
        i: usize,
        part: &Watched,
        (writes, locked, buffered): (bool, bool, Buffered),
        code: Code,
        is: Vec<u8>,
    ) {
        if self.narrator.wanted {
            let (bytes, source) = (part.bytes, self.world.sources.line(code));
            let told = Touched { bytes, writes, locked, buffered, source, is };
            self.narrator.touches(&self.model, i, told);
        }
    }

    /// A store has left the buffer.
    pub fn tell_of_store(&mut self, i: usize, bytes: Bytes, code: Code, is: Vec<u8>) {
        let part = Watched { at: 0, bytes, reads: false, writes: true };
        self.tell_touch(i, &part, (true, false, Buffered::Leaves), code, is);
    }

    /// What the access means for the order of the rest, and whether it races. A store orders others when it has
    /// left the buffer.
    fn noted(&mut self, i: usize, part: &Watched, code: Code, locked: bool, does: [bool; 3]) {
        let [reads, writes, waits] = does;
        let side = Side { bytes: part.bytes, who: i, writes, coarse: false, code };
        if locked || self.world.learned.is_ordering(part.bytes) {
            return self.order.orders(Side { writes: writes && !waits, ..side }, reads);
        }
        self.look_for_races(side);
    }

    /// Where only pages are known of two that race, the next run looks closer.
    pub fn look_for_races(&mut self, side: Side) {
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
