//! One access to memory that is closed: the thread is held before it where others may move, and then it is
//! made.

use std::hash::{DefaultHasher, Hash, Hasher};

use libc::{c_int, siginfo_t};

use super::Open;
use super::learned::{PAGE, pages};
use super::order::Side;
use crate::explore::footprint::{Bytes, Footprint};
use crate::explore::run::Result;
use crate::explore::run::model::{Process, State};
use crate::explore::run::moves::Moves;
use crate::explore::run::programs::Programs;
use crate::explore::verdict::Buffered;
use crate::tracer::fault;
use crate::tracer::instruction::{Next, Part};
use crate::tracer::source::Code;

/// SEGV_ACCERR: the memory is there, and closed. <asm-generic/siginfo.h>
const CLOSED: c_int = 2;
/// So many accesses of a run are told one by one, where they need not be looked at.
const TOLD: usize = 1000;

/// An access that is about to be made.
#[derive(Clone, Debug)]
pub struct Access {
    pub next: Next,
    pub parts: Vec<Watched>,
    /// What the bytes held when they were read, by an instruction that reads and writes and does not lock:
    /// others may move between the two.
    pub had: Option<Vec<Vec<u8>>>,
}

/// A part of an instruction's memory that is watched.
#[derive(Clone, Copy, Debug)]
pub struct Watched {
    pub at: u64,
    pub bytes: Bytes,
    pub reads: bool,
    pub writes: bool,
}

impl Access {
    fn is_in_two(&self) -> bool {
        !self.next.locked && self.parts.iter().any(|part| part.reads && part.writes)
    }

    /// Does it only store now? Of one that reads and writes, the second half does.
    pub fn only_stores(&self) -> bool {
        self.parts.iter().all(|part| part.writes && (!part.reads || self.had.is_some()))
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
        let thread = self.all.tracees.standing(i)?;
        let Some(mut next) = self.all.world.instructions.next(thread) else { return Ok(None) };
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
        let (mut fine, mut coarse) = (false, vec![]);
        for part in &parts {
            for page in pages(part.bytes) {
                let close = self.all.looks_closely()
                    || self.all.world.learned.is_fine(part.bytes.memory, page);
                fine |= close;
                if !close {
                    coarse.extend(self.all.touches_page(i, part, page, code));
                }
            }
        }
        for open in in_a_row(coarse) {
            self.all.open(i, open)?;
        }
        if !fine {
            self.all.model.tasks[i].looks.does_not_spin();
            return self.goes_on(i).map(Some);
        }
        let access = Access { next, parts, had: None };
        let again = std::mem::take(&mut self.all.model.tasks[i].rewound);
        if self.is_held_before(i, &access, again)? {
            self.hold_before(i, access);
            return Ok(Some(true));
        }
        self.all.make(i, access, code)?;
        self.goes_on(i).map(Some)
    }

    /// May others move before an access? `again`: they could already.
    fn is_held_before(&mut self, i: usize, access: &Access, again: bool) -> Result<bool> {
        if self.all.waits_for_stores(i, access) {
            return Ok(true);
        }
        if !access.parts.iter().any(|part| self.all.world.learned.is_point(part.bytes)) {
            self.all.model.tasks[i].buffer.counts();
            return Ok(false);
        }
        let loads = access.parts.iter().any(|part| part.reads);
        let patient = self.all.world.learned.patient;
        let early = self.all.model.tasks[i].buffer.counts_anew(patient, loads);
        if early && !patient {
            self.all.world.learned.becomes_patient();
        }
        self.all.world.early.limit |= early && patient;
        let looks = !again || access.is_in_two();
        let put_off = self.all.is_put_off_whole(i, access);
        Ok(looks && self.is_a_move(i, access, !put_off)?)
    }

    fn hold_before(&mut self, i: usize, access: Access) {
        self.all.model.is_held(i, State::Touching);
        self.all.model.tasks[i].access = Some(access);
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
            if !self.all.is_put_off_whole(i, &access) || self.all.waits_for_stores(i, &access) {
                self.hold_before(i, access);
                return Ok(true);
            }
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

    /// For a story: from which line of its program is the call made before which one stands?
    pub fn find_line_of_call(&mut self, i: usize) {
        let task = &mut self.model.tasks[i];
        let (Some(call), Ok(thread)) = (&mut task.call, self.tracees.standing(i)) else { return };
        let file = &mut self.model.processes[task.process].file;
        call.at = self.world.sources.line_of_call(thread, file);
    }

    /// A coarse page is to be opened until the move ends, which has touched all of it. `None`: it is open.
    fn touches_page(&mut self, i: usize, part: &Watched, page: u64, code: Code) -> Option<Open> {
        let Bytes { memory, from, .. } = part.bytes;
        // Where the page begins in the address space.
        let start = (part.at - from % PAGE) + (page - from / PAGE) * PAGE;
        let bytes = Bytes { memory, from: page * PAGE, to: (page + 1) * PAGE };
        let open = Open { from: start, to: start + PAGE, writes: part.writes };
        let covers =
            |one: &Open| one.from <= open.from && open.to <= one.to && (one.writes || !open.writes);
        if self.model.process(i).open.iter().any(covers) {
            return None;
        }
        self.touched.made.bytes(bytes, part.writes);
        self.touched.changed |= part.writes;
        self.model.tasks[i].looks.touches(bytes);
        let side = Side { bytes, who: i, writes: part.writes, coarse: true, code };
        self.look_for_races(side);
        let page = Watched { bytes, ..*part };
        self.tell_touch(i, &page, (part.writes, false, Buffered::No), code, vec![]);
        Some(open)
    }
}

/// Pages that follow each other are opened at once.
fn in_a_row(pages: Vec<Open>) -> Vec<Open> {
    let mut all: Vec<Open> = vec![];
    for one in pages {
        match all.last_mut().filter(|last| last.to == one.from && last.writes == one.writes) {
            Some(last) => last.to = one.to,
            None => all.push(one),
        }
    }
    all
}
