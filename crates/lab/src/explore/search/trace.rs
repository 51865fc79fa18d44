//! What a run leaves of its order: which move came before which because one could tell. All orders
//! that keep this lead to the same; they are one *trace*. Its price is the number of preemptions of
//! the cheapest of them.

use std::collections::HashMap;

use super::super::footprint::Footprint;
use super::{Mover, Place};
use crate::explore::schedule::Who;

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
    /// Since which move it could move by itself; `None`: it slept, and time passed for it.
    ready: Option<Since>,
    /// The moves without which it could not have been made: that in which its store was put into the buffer,
    /// and the last store before an instruction that waits for the buffer.
    needs: Vec<usize>,
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
    /// Of each process, its moves; its buffer's are others.
    chains: Vec<Vec<usize>>,
    /// Its place among them.
    chain_of: HashMap<(u32, bool), usize>,
}

/// A thread and its buffer touch the same bytes, and cannot tell which of them did so first: the thread sees
/// what waits in its buffer.
pub fn is_free(one: Mover, other: Mover) -> bool {
    let pair = [one.who, other.who];
    one.id == other.id && (pair == [Who::Itself, Who::Buffer] || pair == [Who::Buffer, Who::Itself])
}

/// Whose moves certainly follow each other.
fn name(mover: Mover) -> (u32, bool) {
    (mover.id, mover.who == Who::Buffer)
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
                let chain = self.chain_of[&name(step.mover)];
                self.chains[chain].pop();
            }
        }
    }

    fn chain(&mut self, mover: Mover) -> usize {
        let next = self.chains.len();
        let chain = *self.chain_of.entry(name(mover)).or_insert(next);
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
    ) {
        let chain = self.chain(mover);
        let ready = self.ready(chain, mover, place);
        let mut after_these = self.conflicting(mover, &footprint, &self.known(chain));
        let needs = self.needs(mover, &footprint);
        after_these.extend(
            needs.iter().filter(|at| !after_these.contains(at)).copied().collect::<Vec<_>>(),
        );
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
        after_these.retain(|&before| name(self.steps[before].mover) != name(mover));
        self.steps.push(Step { mover, footprint, at, clock, after: after_these, ready, needs });
        self.chains[chain].push(index);
    }

    /// Since when a process that is about to move could.
    fn ready<'a>(
        &self,
        chain: usize,
        mover: Mover,
        place: impl Fn(usize) -> &'a Place,
    ) -> Option<Since> {
        let who = if mover.who == Who::Buffer { Who::Buffer } else { Who::Itself };
        let itself = Mover { who, ..mover };
        let here = self.steps.len();
        place(here).movers.contains(&itself).then_some(())?;
        let last = self.chains[chain].last().copied();
        let from = last.map_or(0, |last| last + 1);
        let first = (from..=here).find(|at| place(*at).movers.contains(&itself))?;
        Some(first.checked_sub(1).map_or(Since::Start, Since::Move))
    }

    /// See [`Step::needs`].
    fn needs(&self, mover: Mover, footprint: &Footprint) -> Vec<usize> {
        let of = |who: Who| {
            let chain = self.chain_of.get(&name(Mover { who, ..mover }));
            let moves = chain.map_or(&[][..], |chain| &self.chains[*chain]);
            moves.iter().rev().copied()
        };
        let puts = |at: &usize| self.steps[*at].footprint.puts(footprint);
        match mover.who {
            Who::Buffer => of(Who::Itself).find(puts).into_iter().collect(),
            _ if footprint.waits_for_stores => of(Who::Buffer).take(1).collect(),
            _ => vec![],
        }
    }

    /// What a process that has not moved since is certainly after.
    fn known(&self, chain: usize) -> Vec<usize> {
        self.chains[chain].last().map_or(vec![], |last| self.steps[*last].clock.clone())
    }

    /// Of each other process, the last move that conflicts, unless it is known to be before.
    fn conflicting(&self, mover: Mover, footprint: &Footprint, known: &[usize]) -> Vec<usize> {
        let of = |(other, moves): (usize, &Vec<usize>)| {
            let known = known.get(other).copied().unwrap_or(0);
            let mut new = moves[known.min(moves.len())..].iter().rev().copied();
            new.find(|at| self.steps[*at].footprint.conflicts(footprint))
        };
        let whose = |moves: &Vec<usize>| moves.first().map(|at| self.steps[*at].mover);
        let is_other = |one: Mover| name(one) != name(mover) && !is_free(one, mover);
        let others = self.chains.iter().enumerate();
        let others = others.filter(|(_, moves)| whose(moves).is_some_and(is_other));
        others.filter_map(of).collect()
    }

    /// Does the move at `one` certainly come before the one at `other`?
    fn precedes(&self, one: usize, other: usize) -> bool {
        let step = &self.steps[one];
        let chain = self.chain_of[&name(step.mover)];
        self.steps[other].clock.get(chain).is_some_and(|count| *count > step.at)
    }

    /// The races of the last move with those before it.
    pub fn races(&self) -> Vec<Race> {
        let Some(last) = self.steps.len().checked_sub(1) else { return vec![] };
        let step = &self.steps[last];
        let mut firsts = step.after.clone();
        // Time may have passed for it before it moved by itself, and the other way round.
        let own = &self.chains[self.chain_of[&name(step.mover)]];
        let before = own.len().checked_sub(2).map(|at| own[at]);
        firsts.extend(before.filter(|at| self.steps[*at].mover.who != step.mover.who));
        let woke = |at: &usize| {
            let made_ready = step.ready == Some(Since::Move(*at)) && !step.mover.who.is_time();
            made_ready || step.needs.contains(at)
        };
        let adjacent = |at: &usize| {
            !firsts.iter().any(|other| other != at && self.precedes(*at, *other)) && !woke(at)
        };
        let all = firsts.iter().filter(|at| adjacent(at));
        all.map(|at| self.race(*at, last, step.mover, &step.after)).collect()
    }

    /// The races of a move that cannot be made yet, with those before it that it would conflict with.
    pub fn races_of_blocked(&mut self, mover: Mover, footprint: &Footprint) -> Vec<Race> {
        let chain = self.chain(mover);
        let firsts = self.conflicting(mover, footprint, &self.known(chain));
        let end = self.steps.len();
        let after = [self.needs(mover, footprint), firsts.clone()].concat();
        firsts.iter().map(|at| self.race(*at, end, mover, &after)).collect()
    }

    /// A race of the move at `at` with the one at `end`, which `mover` makes.
    fn race(&self, at: usize, end: usize, mover: Mover, after: &[usize]) -> Race {
        let between: Vec<usize> = (at + 1..end).filter(|one| !self.precedes(at, *one)).collect();
        let begins = |one: usize, until: &[usize]| {
            !until.iter().any(|other| *other < one && self.precedes(*other, one))
        };
        let mut first: Vec<Mover> = vec![];
        // The second move itself, if nothing of what lies between has to come before it.
        let chain = self.chain_of[&name(mover)];
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
