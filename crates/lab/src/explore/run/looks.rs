//! Recognises a process that only checks again what it has checked already: it polls, or it spins.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use crate::explore::footprint::Bytes;
use crate::tracer::Entry;

/// So often the same call from the same place: it polls.
const POLLS: u32 = 2;
/// So often one that counts may look at the same bytes in one move.
pub const LOOKS: u32 = 10_000;
/// So often one may come by an access in the same way, and change something on the way, before that is looked at.
const ROUNDS: u32 = 4;
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
    /// It goes round in its circle once more, for others to see what it writes there.
    pub goes_round: bool,
    /// Its looks at memory that is watched, since it has changed something.
    accesses: HashMap<u64, Look>,
    /// What it has found there, in order.
    found: Vec<(u64, Bytes, Vec<u8>)>,
    /// The accesses to which it has come, with which registers, since it has the turn; whatever it has changed.
    rounds: HashMap<(u64, u64), Round>,
    /// How often to each of them, with any registers.
    visits: HashMap<u64, u32>,
    /// What they have touched, in order.
    touched: Vec<Bytes>,
}

/// How often it came by, and how it was then.
#[derive(Default)]
struct Round {
    times: u32,
    state: Option<(u64, u64)>,
    /// So much had been touched before.
    touched: usize,
}

#[derive(Default)]
struct Look {
    times: u32,
    registers: u64,
    state: Option<u64>,
}

/// Did it look there before, and nothing has changed?
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Again {
    New,
    /// For the second time, with the same registers.
    Second,
    /// With the same registers.
    Same,
    /// With others: it counts, or comes by with something else in mind.
    Other,
    /// And so often that we do not wait for its end.
    Much,
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
        self.goes_round = false;
    }

    /// It is about to make this access, with these registers. How often did it look there so, since something
    /// changed?
    pub fn at_access(&mut self, access: u64, registers: u64) -> Again {
        let look = self.accesses.entry(access).or_default();
        look.times += 1;
        let same = std::mem::replace(&mut look.registers, registers) == registers;
        match (look.times > POLLS, same) {
            (false, true) if look.times == POLLS => Again::Second,
            (false, _) => Again::New,
            (true, true) => Again::Same,
            (true, false) if look.times < LOOKS => Again::Other,
            (true, false) => Again::Much,
        }
    }

    /// What else of its process's state was the same when it looked there last?
    pub fn state_at(&mut self, access: u64, state: Option<u64>) -> bool {
        let look = self.accesses.entry(access).or_default();
        let before = std::mem::replace(&mut look.state, state);
        state.is_some() && before == state
    }

    /// It is about to make this access, with these registers, and may have changed something since it did so
    /// last. How often, since it has the turn, and how often with any registers?
    pub fn comes_round(&mut self, access: u64, registers: u64) -> (u32, u32) {
        let visits = self.visits.entry(access).or_default();
        *visits += 1;
        let touched = self.touched.len();
        let round = self.rounds.entry((access, registers)).or_default();
        round.times += 1;
        if round.state.is_none() {
            round.touched = touched;
        }
        (round.times, *visits)
    }

    /// This is the state of all that it can see. Was it the same when it came by last? Then: what it has touched
    /// since.
    pub fn comes_back(
        &mut self,
        access: u64,
        registers: u64,
        state: Option<(u64, u64)>,
    ) -> Option<&[Bytes]> {
        let round = self.rounds.get_mut(&(access, registers))?;
        let before = round.state.take();
        if before.is_none() {
            round.state = state;
        }
        (state.is_some() && before == state).then(|| &self.touched[round.touched..])
    }

    /// It has touched this.
    pub fn touches(&mut self, bytes: Bytes) {
        self.touched.push(bytes);
    }

    /// It takes the turn: others have moved since.
    pub fn takes_turn(&mut self) {
        self.rounds.clear();
        self.visits.clear();
        self.touched.clear();
    }

    /// It has found this there.
    pub fn found(&mut self, access: u64, bytes: Bytes, is: Vec<u8>) {
        self.found.push((access, bytes, is));
    }

    /// What it has found since it came by this access last.
    pub fn found_since(&self, access: u64) -> Vec<(Bytes, Vec<u8>)> {
        let last = self.found.iter().rposition(|one| one.0 == access).unwrap_or(0);
        let same = self.found[..last].iter().rev().take_while(|one| one.0 == access).count();
        let all = self.found[last - same..].iter();
        all.map(|(_, bytes, is)| (*bytes, is.clone())).collect()
    }

    /// It has touched memory that it had not touched before in this move.
    pub fn does_not_spin(&mut self) {
        if self.at == Some(At::Memory) {
            self.times = 0;
        }
    }

    /// It looks at something else than memory: that may change, too.
    pub fn looks_elsewhere(&mut self) {
        self.takes_turn();
        self.forget_accesses();
    }

    fn forget_accesses(&mut self) {
        self.accesses.clear();
        self.found.clear();
    }

    /// Its last call has changed something: the next one does not only check again.
    pub fn changed(&mut self) {
        self.times = 0;
        self.naps = 0;
        self.yields = false;
        self.forget_accesses();
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
        self.looks_elsewhere();
    }

    /// May time pass for it although others could move?
    pub fn is_patient(&self) -> bool {
        self.times.max(self.naps) < SLEEPS
    }
}

/// A comparison costs something: it is made at the 4th, the 8th, the 16th time and so on, and right after each.
pub fn is_compared(times: u32) -> bool {
    let first = |times: u32| times >= ROUNDS && times.is_power_of_two();
    first(times) || times > 0 && first(times - 1)
}
