//! Store buffers, as x86 has them: a store waits in a queue of its thread before it reaches the memory. (Owens,
//! Sarkar, Sewell: A better x86 memory model: x86-TSO.) The thread sees its own stores at once; others see each
//! when it leaves the queue, the oldest first. That is a move of its own: the search says when.
//!
//! To put a store into the buffer touches nothing that others see. So it is no move: it belongs to the move
//! before it, and there are as many moves as without a buffer.
//!
//! Only stores to bytes whose accesses are moves are put there, and to bytes that overlap with one that waits
//! there. All others reach the memory at once, and that loses nothing. Nobody touches their bytes unless something
//! orders the two: a call or a locked instruction, for which the buffer is emptied first; or a store to a byte
//! that orders others, which is in the buffer itself and counts with what its thread knew when it made the store.
//! So one that stores *after* such a byte is not taken to be ordered by it: that would be a race, and from then on
//! its bytes are put into the buffer, too.
//!
//! What empties the buffer: instructions that lock, fences and those that serialise, calls, signals, an end. Fences
//! may stand in code that touches no shared memory, so a thread with a store in its buffer makes one instruction
//! after the other; after [`STEPS`] of them the buffer is emptied. Where a load follows that a store could have waited
//! for, the search starts again with more patience; what is still emptied early then, the answer says.

use std::collections::VecDeque;
use std::hash::{Hash, Hasher};

use super::access::{Access, Watched};
use super::learned::PAGE;
use super::order::Clock;
use crate::explore::calls::{self, Visible};
use crate::explore::footprint::{Bytes, Footprint};
use crate::explore::run::model::State;
use crate::explore::run::moves::Moves;
use crate::explore::run::programs::Programs;
use crate::explore::run::{Result, World};
use crate::tracer::instruction::Next;
use crate::tracer::source::Code;
use crate::tracer::{How, registers};

/// So many instructions a thread makes between two accesses to bytes that matter while a store waits.
const STEPS: u32 = 48;
/// So many, where fewer were not enough: some calls of functions that are not optimised, in 10 ms.
const PATIENT: u32 = 1000;
/// So many stores wait at most. Processors have room for 40 to 70.
const ROOM: usize = 48;

/// A store that waits.
struct Store {
    /// Among those of its thread.
    number: u32,
    bytes: Bytes,
    is: Vec<u8>,
    /// What its thread knew of others when it made it.
    knew: Clock,
    code: Code,
}

/// Those of a thread, the oldest first.
#[derive(Default)]
pub struct Buffer {
    waiting: VecDeque<Store>,
    made: u32,
    /// So many instructions may follow.
    steps: u32,
    /// It was emptied because more did, and since then nothing else would have.
    early: bool,
}

/// Why stores left their buffer earlier than they would have had to.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Early {
    /// Too many instructions or stores came after them.
    pub limit: bool,
    /// Their thread loaded some of their bytes together with others.
    pub overlap: bool,
}

impl Hash for Buffer {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        for store in &self.waiting {
            (store.bytes, &store.is).hash(hasher);
        }
    }
}

impl Buffer {
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// An access to bytes that matter: from now on, instructions are counted anew. Is it a load that a store could
    /// have waited for which has not?
    pub fn counts_anew(&mut self, patient: bool, loads: bool) -> bool {
        self.steps = if patient { PATIENT } else { STEPS };
        loads && self.early
    }

    /// A call: it would be empty now in any case.
    pub fn at_call(&mut self) {
        self.early = false;
    }

    /// One was made.
    pub fn counts(&mut self) {
        self.steps = self.steps.saturating_sub(1);
    }

    /// What its thread sees there, of what is in the memory.
    fn over(&self, bytes: Bytes, memory: &mut [u8]) {
        for store in self.waiting.iter().filter(|store| store.bytes.meets(&bytes)) {
            let (from, to) = (store.bytes.from.max(bytes.from), store.bytes.to.min(bytes.to));
            let part = |all: Bytes| (from - all.from) as usize..(to - all.from) as usize;
            memory[part(bytes)].copy_from_slice(&store.is[part(store.bytes)]);
        }
    }

    /// Does the newest store there cover only a part of these bytes? The processor waits then.
    fn covers_a_part(&self, bytes: Bytes) -> bool {
        let newest = self.waiting.iter().rev().find(|store| store.bytes.meets(&bytes));
        newest.is_some_and(|store| store.bytes.from > bytes.from || store.bytes.to < bytes.to)
    }

    /// Do some of these wait here?
    pub fn meets(&self, bytes: Bytes) -> bool {
        self.waiting.iter().any(|store| store.bytes.meets(&bytes))
    }
}

impl World {
    /// Do stores wait in a buffer?
    pub fn buffers(&self) -> bool {
        self.asked.tso
    }
}

/// Why an access cannot be made while stores wait.
#[derive(PartialEq)]
enum Waits {
    /// The processor would wait, too.
    AsItIs,
    Overlaps,
    /// There is no room.
    Full,
}

impl Programs<'_> {
    /// Is this part of an access a store that waits in the buffer?
    pub fn is_put_off(&self, i: usize, access: &Access, part: &Watched) -> bool {
        let one_page = part.bytes.from / PAGE == (part.bytes.to - 1) / PAGE;
        self.world.buffers()
            && part.writes
            && one_page
            && !access.next.locked
            && (self.world.learned.is_point(part.bytes)
                || self.model.tasks[i].buffer.meets(part.bytes))
    }

    /// Does all that it does with bytes that matter wait in the buffer, so that nobody can tell when it is made?
    pub fn is_put_off_whole(&self, i: usize, access: &Access) -> bool {
        access.only_stores() && access.parts.iter().all(|part| self.is_put_off(i, access, part))
    }

    fn waits(&self, i: usize, access: &Access) -> Option<Waits> {
        let buffer = &self.model.tasks[i].buffer;
        if buffer.is_empty() {
            return None;
        }
        let parts = || access.parts.iter();
        let loads = |part: &&Watched| part.reads && access.had.is_none();
        if parts().filter(loads).any(|part| buffer.covers_a_part(part.bytes)) {
            return Some(Waits::Overlaps);
        }
        let puts = |part: &Watched| self.is_put_off(i, access, part);
        // Stores stay in their order.
        let matters =
            |part: &Watched| self.world.learned.is_point(part.bytes) || buffer.meets(part.bytes);
        if access.next.locked || parts().any(|part| part.writes && matters(part) && !puts(part)) {
            return Some(Waits::AsItIs);
        }
        (buffer.waiting.len() >= ROOM && parts().any(puts)).then_some(Waits::Full)
    }

    /// Has the buffer of a thread to be emptied before this access?
    pub fn waits_for_stores(&self, i: usize, access: &Access) -> bool {
        self.waits(i, access).is_some()
    }

    /// Before a place: has a thread that is held to wait until its stores have left the buffer?
    pub fn find_those_that_wait_for_stores(&mut self) {
        for i in 0..self.model.tasks.len() {
            let task = &self.model.tasks[i];
            let waits = match (&task.access, task.state) {
                _ if task.buffer.is_empty() => None,
                (Some(access), State::Touching) => self.waits(i, access),
                _ => Some(Waits::AsItIs),
            };
            match waits {
                Some(Waits::Overlaps) => self.world.early.overlap = true,
                Some(Waits::Full) => self.world.early.limit = true,
                _ => {}
            }
            let task = &self.model.tasks[i];
            let signalled = || self.model.is_signalled(i) && calls::pending(task.tid, None) != 0;
            let waits = waits.is_some() || !task.buffer.is_empty() && signalled();
            let task = &mut self.model.tasks[i];
            task.waits_for_stores = waits;
            task.waited_for_stores |= waits;
        }
    }

    /// Can a thread make its next move only when its stores have left the buffer?
    pub fn waits_for_its_stores(&self, i: usize) -> bool {
        let task = &self.model.tasks[i];
        match task.state {
            State::Touching => task.access.as_ref().is_some_and(|access| access.next.locked),
            State::Before | State::Fence => true,
            _ => false,
        }
    }

    /// What a thread sees of these bytes; `None`: they are not there.
    pub fn seen(&self, i: usize, bytes: Bytes) -> Option<Vec<u8>> {
        let mut seen = self.objects.read(bytes)?;
        self.model.tasks[i].buffer.over(bytes, &mut seen);
        Some(seen)
    }

    /// A number that is the same when all memory that a thread sees is; see [`super::objects::Objects::state`].
    pub fn state_seen(&self, i: usize) -> Option<u64> {
        let waiting = &self.model.tasks[i].buffer.waiting;
        let mut before = vec![];
        for Store { bytes, is, .. } in waiting {
            before.push((*bytes, self.objects.read(*bytes)?));
            self.objects.write(bytes.memory, bytes.from, is);
        }
        let state = self.objects.state();
        for (bytes, was) in before.iter().rev() {
            self.objects.write(bytes.memory, bytes.from, was);
        }
        state
    }

    /// Stores into the buffer.
    pub fn put_off(&mut self, i: usize, bytes: Bytes, is: Vec<u8>, code: Code) {
        let knew = self.order.knows(i);
        let buffer = &mut self.model.tasks[i].buffer;
        let number = buffer.made;
        buffer.made += 1;
        buffer.waiting.push_back(Store { number, bytes, is, knew, code });
        let stores = &mut self.touched.made.stores;
        let from = if stores.start == stores.end { number } else { stores.start };
        *stores = from..number + 1;
    }

    /// The oldest store of a thread reaches the memory. That is all that the move does.
    pub fn drain(&mut self, i: usize) {
        self.touched.made = Footprint::default();
        self.touched.made.drained = self.reach_memory(i);
    }

    /// All of them do, as a part of what happens to the thread.
    pub fn drain_all(&mut self, i: usize) {
        while self.reach_memory(i).is_some() {}
    }

    /// Answers the number of the store.
    fn reach_memory(&mut self, i: usize) -> Option<u32> {
        let Store { number, bytes, is, knew, code } =
            self.model.tasks[i].buffer.waiting.pop_front()?;
        self.objects.write(bytes.memory, bytes.from, &is);
        self.touched.made.bytes(bytes, true);
        if self.world.learned.is_ordering(bytes) {
            self.order.publishes(bytes, &knew);
        }
        self.tell_of_store(i, bytes, code, is);
        Some(number)
    }
}

impl Moves<'_> {
    /// Lets one go on that stands still in user mode. While a store waits in its buffer, it makes one instruction
    /// after the other. True: it is held before one for which the buffer is emptied first.
    pub fn goes_on(&mut self, i: usize) -> Result<bool> {
        while !self.all.model.tasks[i].buffer.is_empty() {
            // What has come instead was put back.
            let Ok(thread) = self.all.tracees.standing(i) else { break };
            let next = self.all.world.instructions.next(thread);
            let limit = self.all.model.tasks[i].buffer.steps == 0
                || next.as_ref().is_none_or(|next| next.is_long());
            if limit || next.as_ref().is_some_and(|next| self.is_a_fence(i, next)) {
                self.all.model.tasks[i].buffer.early |= limit;
                self.all.model.is_held(i, State::Fence);
                self.all.model.tasks[i].entry = None;
                return Ok(true);
            }
            let Some(()) = self.step(i)? else { break };
            // One that is repeated counts once.
            let stays = |next: &Next| {
                let thread = self.all.tracees.standing(i).ok();
                let after = thread.and_then(|thread| registers::all(thread).ok());
                after.is_some_and(|after| after.program_counter() == next.at)
            };
            if !next.filter(Next::is_repeated).is_some_and(|next| stays(&next)) {
                self.all.model.tasks[i].buffer.counts();
            }
        }
        self.all.tracees.go_on(i, How::Cont, 0)?;
        Ok(false)
    }

    /// Is the buffer emptied before this instruction, and does nothing else stop it there?
    fn is_a_fence(&self, i: usize, next: &Next) -> bool {
        let process = self.all.model.process(i);
        let is_closed = |at: u64| {
            let open = process.open.iter().any(|open| (open.from..open.to).contains(&at));
            process.watched_at(at).is_some() && !open
        };
        match next.call() {
            Some(entry) => {
                let tid = self.all.model.tasks[i].tid;
                let visible = calls::visible(tid, &entry, self.all.model.locks);
                !matches!(visible, Visible::Yes)
            }
            None if next.locked => !next.parts.iter().any(|part| is_closed(part.at)),
            None => next.is_fence(),
        }
    }
}
