//! What a run leaves of its order: which move came before which because one could tell. All orders
//! that keep this lead to the same; they are one *trace*. Its price is the number of preemptions of
//! the cheapest of them.

use std::collections::HashMap;

use super::super::footprint::Footprint;
use super::{Mover, Place};

/// A move of a trace.
#[derive(Clone, Debug)]
struct Step {
    mover: Mover,
    footprint: Footprint,
    /// Among the moves of its process, from 0.
    at: usize,
    /// Of each process, how many moves are certainly before this one or are it.
    clock: Vec<usize>,
    /// The moves of other processes that it directly follows.
    after: Vec<usize>,
    /// The process could go on afterwards.
    goes_on: bool,
    /// Since which move it could move by itself; `None`: it slept, and time passed for it.
    ready: Option<Since>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Since {
    Start,
    Move(usize),
}

/// See the module.
#[derive(Clone, Default)]
pub struct Trace {
    steps: Vec<Step>,
    /// Of each process, its moves.
    chains: Vec<Vec<usize>>,
    /// Its place among them.
    chain_of: HashMap<u32, usize>,
}

/// Two moves of which the second could also have come first.
pub struct Race {
    /// Where the first was made.
    pub at: usize,
    /// Who can begin, so that the second comes first.
    pub first: Vec<Mover>,
    /// The moves, but for the first, that have to come before the second.
    before: Vec<usize>,
    second: Mover,
}

impl Trace {
    /// How many moves there are.
    pub fn len(&self) -> usize {
        self.steps.len()
    }

    /// Forgets the moves from this one on.
    pub fn truncate(&mut self, len: usize) {
        while self.steps.len() > len {
            if let Some(step) = self.steps.pop() {
                let chain = self.chain_of[&step.mover.id];
                self.chains[chain].pop();
            }
        }
    }

    fn chain(&mut self, id: u32) -> usize {
        let next = self.chains.len();
        let chain = *self.chain_of.entry(id).or_insert(next);
        if chain == next {
            self.chains.push(vec![]);
        }
        chain
    }

    /// A move more. `place`: where each of the moves was made, with its own.
    pub fn push<'a>(
        &mut self,
        mover: Mover,
        footprint: Footprint,
        place: impl Fn(usize) -> &'a Place,
        after: Option<&Place>,
    ) {
        let chain = self.chain(mover.id);
        let ready = self.ready(chain, mover.id, place);
        let mut after_these = self.conflicting(chain, &footprint, &self.known(chain));
        if let Some(Since::Move(waker)) = ready {
            after_these.push(waker);
        }
        let index = self.steps.len();
        let mut clock = self.known(chain);
        for &before in &after_these {
            join(&mut clock, &self.steps[before].clock);
        }
        let at = self.chains[chain].len();
        clock.resize(clock.len().max(chain + 1), 0);
        clock[chain] = at + 1;
        let goes_on = after.is_some_and(|place| place.current.is_some());
        after_these.retain(|&before| self.chain_of[&self.steps[before].mover.id] != chain);
        self.steps.push(Step { mover, footprint, at, clock, after: after_these, goes_on, ready });
        self.chains[chain].push(index);
    }

    /// Since when a process that is about to move could.
    fn ready<'a>(
        &self,
        chain: usize,
        id: u32,
        place: impl Fn(usize) -> &'a Place,
    ) -> Option<Since> {
        let itself = Mover { id, time: false };
        let here = self.steps.len();
        place(here).movers.contains(&itself).then_some(())?;
        let last = self.chains[chain].last().copied();
        if let Some(last) = last.filter(|last| self.steps[*last].goes_on) {
            return Some(Since::Move(last));
        }
        let from = last.map_or(0, |last| last + 1);
        let first = (from..=here).find(|at| place(*at).movers.contains(&itself))?;
        Some(first.checked_sub(1).map_or(Since::Start, Since::Move))
    }

    /// What a process that has not moved since is certainly after.
    fn known(&self, chain: usize) -> Vec<usize> {
        self.chains[chain].last().map_or(vec![], |last| self.steps[*last].clock.clone())
    }

    /// Of each other process, the last move that conflicts, unless it is known to be before.
    fn conflicting(&self, chain: usize, footprint: &Footprint, known: &[usize]) -> Vec<usize> {
        let of = |(other, moves): (usize, &Vec<usize>)| {
            let known = known.get(other).copied().unwrap_or(0);
            let mut new = moves[known.min(moves.len())..].iter().rev().copied();
            new.find(|at| self.steps[*at].footprint.conflicts(footprint))
        };
        let others = self.chains.iter().enumerate().filter(|(other, _)| *other != chain);
        others.filter_map(of).collect()
    }

    /// Does the move at `one` certainly come before the one at `other`?
    fn precedes(&self, one: usize, other: usize) -> bool {
        let step = &self.steps[one];
        let chain = self.chain_of[&step.mover.id];
        self.steps[other].clock.get(chain).is_some_and(|count| *count > step.at)
    }

    /// The races of the last move with those before it.
    pub fn races(&self) -> Vec<Race> {
        let Some(last) = self.steps.len().checked_sub(1) else { return vec![] };
        let step = &self.steps[last];
        let mut firsts = step.after.clone();
        // Time may have passed for it before it moved by itself, and the other way round.
        let own = &self.chains[self.chain_of[&step.mover.id]];
        let before = own.len().checked_sub(2).map(|at| own[at]);
        firsts.extend(before.filter(|at| self.steps[*at].mover.time != step.mover.time));
        let woke = |at: &usize| step.ready == Some(Since::Move(*at)) && !step.mover.time;
        let adjacent = |at: &usize| {
            !firsts.iter().any(|other| other != at && self.precedes(*at, *other)) && !woke(at)
        };
        let all = firsts.iter().filter(|at| adjacent(at));
        all.map(|at| self.race(*at, last, step.mover, &step.after)).collect()
    }

    /// The races of a move that cannot be made yet, with those before it that it would conflict with.
    pub fn races_of_blocked(&mut self, mover: Mover, footprint: &Footprint) -> Vec<Race> {
        let chain = self.chain(mover.id);
        let firsts = self.conflicting(chain, footprint, &self.known(chain));
        let end = self.steps.len();
        firsts.iter().map(|at| self.race(*at, end, mover, &firsts)).collect()
    }

    /// A race of the move at `at` with the one at `end`, which `mover` makes.
    fn race(&self, at: usize, end: usize, mover: Mover, after: &[usize]) -> Race {
        let between: Vec<usize> = (at + 1..end).filter(|one| !self.precedes(at, *one)).collect();
        let begins = |one: usize, until: &[usize]| {
            !until.iter().any(|other| *other < one && self.precedes(*other, one))
        };
        let mut first: Vec<Mover> = vec![];
        // The second move itself, if nothing of what lies between has to come before it.
        let chain = self.chain_of[&mover.id];
        let own = self.chains[chain].iter().rev().find(|one| **one < end).copied();
        let comes_after = |one: &usize| {
            let by_others = after.iter().any(|b| b != &at && (b == one || self.precedes(*one, *b)));
            by_others || own.is_some_and(|own| own == *one || self.precedes(*one, own))
        };
        if !between.iter().any(comes_after) {
            first.push(mover);
        }
        for &one in &between {
            if begins(one, &between) && !first.contains(&self.steps[one].mover) {
                first.push(self.steps[one].mover);
            }
        }
        let before = (0..end).filter(|one| *one != at && comes_after(one)).collect();
        Race { at, first, before, second: mover }
    }

    /// Who can begin where the process that made the first move of a race took its turn, so that the second
    /// move comes before all of that.
    pub fn begins(&self, race: &Race) -> Vec<Mover> {
        let later: Vec<usize> = race.before.iter().copied().filter(|one| *one > race.at).collect();
        let begins =
            |one: &&usize| !later.iter().any(|other| other < *one && self.precedes(*other, **one));
        let first = later.iter().filter(begins).map(|one| self.steps[*one].mover);
        let first: Vec<Mover> = first.collect();
        if first.is_empty() { vec![race.second] } else { first }
    }
}

fn join(clock: &mut Vec<usize>, other: &[usize]) {
    clock.resize(clock.len().max(other.len()), 0);
    clock.iter_mut().zip(other).for_each(|(one, other)| *one = (*one).max(*other));
}
