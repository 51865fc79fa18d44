//! Recognises a process that only checks again what it has checked already: it polls, or it spins.

use std::hash::{DefaultHasher, Hash, Hasher};

use crate::tracer::Entry;

/// So many times in a row when no other process can move: we do not wait longer.
const SPINS: u32 = 2000;
/// So often in a state that it was in before: it does.
const CIRCLES: u32 = 3;
/// So often the same call from the same place: it polls.
const POLLS: u32 = 2;
/// So often in a row one that sleeps in a loop may wake up although others could move.
const SLEEPS: u32 = 4;

/// What one thread looked at last, and how often in a row with the same answer.
#[derive(Default)]
pub struct Looks {
    at: Option<At>,
    times: u32,
    /// Where it was found spinning.
    spots: Vec<Spot>,
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

struct Spot {
    state: u64,
    times: u32,
}

/// What was found of one that spins.
pub struct Spin {
    /// It did not before.
    pub new: bool,
    /// It always will: nothing changes.
    pub for_ever: bool,
    /// Nobody knows.
    pub too_long: bool,
}

impl Looks {
    /// It is held before a call. One that does nothing but sleep is no look.
    pub fn at_call(&mut self, entry: &Entry, sleeps: bool) {
        let mut hasher = DefaultHasher::new();
        (entry.number, entry.args, entry.place).hash(&mut hasher);
        let at = Some(At::Call(hasher.finish()));
        self.times = if self.at == at { self.times + 1 } else { 0 };
        self.at = at;
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

    /// It used its time without a visible call: a loop, or a long computation. `alone`: no other
    /// process can move, and no time can pass. `state`: its registers and its memory. A state that
    /// it was in before is a loop in which nothing changes.
    pub fn at_memory(&mut self, state: u64, alone: bool) -> Spin {
        let known = self.at == Some(At::Memory);
        self.times = if known && alone { self.times + 1 } else { 1 };
        self.at = Some(At::Memory);
        self.yields = true;
        if self.times == 1 {
            self.spots.clear();
        }
        match self.spots.iter_mut().find(|spot| spot.state == state) {
            Some(spot) => spot.times += 1,
            None => self.spots.push(Spot { state, times: 1 }),
        }
        let circle = self.spots.iter().any(|spot| spot.times >= CIRCLES);
        Spin { new: !known, for_ever: circle && alone, too_long: self.times > SPINS }
    }

    /// Something came: what it looks at next is new.
    pub fn forget(&mut self) {
        self.at = None;
        self.times = 0;
    }

    /// May time pass for it although others could move?
    pub fn is_patient(&self) -> bool {
        self.times.max(self.naps) < SLEEPS
    }
}
