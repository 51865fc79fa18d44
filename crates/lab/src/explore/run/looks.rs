//! Recognises a process that only checks again what it has checked already: it polls, or it spins.

use std::hash::{DefaultHasher, Hash, Hasher};

use crate::tracer::Entry;

/// So often the same call from the same place: it polls.
const POLLS: u32 = 2;
/// So often in a row one that sleeps in a loop may wake up although others could move.
const SLEEPS: u32 = 4;

/// What one thread looked at last, and how often in a row with the same answer.
#[derive(Default)]
pub struct Looks {
    at: Option<At>,
    times: u32,
    /// It was found spinning there.
    spins: bool,
    /// How often time has passed for it since another process moved.
    naps: u32,
    /// Another process first.
    pub yields: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum At {
    /// A call, its arguments and its place.
    Call(u64),
    /// Memory.
    Memory,
}

impl Looks {
    /// It is held before a call. One that does nothing but sleep is no look.
    pub fn at_call(&mut self, entry: &Entry, sleeps: bool) {
        let mut hasher = DefaultHasher::new();
        (entry.number, entry.args, entry.place).hash(&mut hasher);
        let at = Some(At::Call(hasher.finish()));
        self.times = if self.at == at { self.times + 1 } else { 0 };
        self.at = at;
        self.spins = false;
        self.yields = self.times > POLLS && !sleeps;
    }

    /// Its last call has changed something: the next one does not only check again.
    pub fn changed(&mut self) {
        self.times = 0;
        self.naps = 0;
        self.yields = false;
    }

    /// Time has passed for it.
    pub fn naps(&mut self) {
        self.naps += 1;
    }

    /// Another process has moved: what it looks at may have changed.
    pub fn may_look(&mut self) {
        self.naps = 0;
        self.yields = false;
    }

    /// It used its time without a visible call. How often in a row, in this move.
    pub fn at_memory(&mut self) -> u32 {
        self.times = if self.at == Some(At::Memory) { self.times + 1 } else { 1 };
        self.at = Some(At::Memory);
        self.times
    }

    /// It does that until something changes. True: it did not before.
    pub fn spins(&mut self) -> bool {
        self.times = 0;
        self.yields = true;
        !std::mem::replace(&mut self.spins, true)
    }

    /// Something came: what it looks at next is new.
    pub fn forget(&mut self) {
        self.at = None;
        self.times = 0;
        self.spins = false;
    }

    /// May time pass for it although others could move?
    pub fn is_patient(&self) -> bool {
        self.times.max(self.naps) < SLEEPS
    }
}
