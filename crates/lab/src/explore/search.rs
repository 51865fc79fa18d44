//! The search: which order to try next. It knows nothing of processes; [`Guide`] is all that the
//! code that runs them sees of it, and a model in memory stands in for them in its tests.
//!
//! Depth first. The first try lets each process go on as long as it can. Each later try repeats the
//! one before up to the last place with another choice, and makes that choice.
//!
//! *Bound.* Taking the turn from a process that could go on is a preemption; so is time that passes
//! although a process could move. A schedule has at most N. Most known races need one or two. The bound
//! is 0 first, then 1, and so on: what needs the fewest preemptions is found first.
//!
//! *Races* (Abdulla, Aronis, Jonsson, Sagonas: Optimal dynamic partial order reduction): at a place
//! another choice is only tried where a race was seen, two moves of which the second could have come
//! first. Right before the first, that may be a preemption too many. So it is also tried where the
//! first one's process took its turn (Coons, Musuvathi, McKinley: Bounded partial-order reduction).
//!
//! With a bound it is not enough that somebody comes first who leads to the other order: his own preemption may be one
//! too many. So only those are tried who have to; also where the process slept since; and where time would have
//! to pass although others can move, all of them, for after them it passes for nothing.
//!
//! *Sleep sets* (Godefroid): when move u was tried at a place and now t is tried there, and the two
//! cannot tell who came first, then u after t leads to what t after u led to. So u sleeps until
//! something that it conflicts with has moved. With a bound this is only true if the schedule
//! already tried had at least as many preemptions left; [`Tried`] keeps the account.
//!
//! *Delays* are stricter, for programs with many threads: when the process that moved last sleeps,
//! choosing any other than the first in line also counts. Then every order is tried.

use super::footprint::Footprint;
use super::schedule::Who;

pub mod graph;
mod place;
pub mod records;
#[cfg(test)]
mod tests;
mod trace;
mod ways;

use place::in_order;
pub use place::{Bound, Guide, Mover, Place, cost, first};
use trace::{Race, Trace, is_free};
pub use ways::{Replay, Way};

/// A move that was tried before at a place on our way, and could not be told from what came since.
#[derive(Clone, Debug)]
struct Tried {
    mover: Mover,
    footprint: Footprint,
    /// The preemptions that the schedule that tried it would have left, if it had then moved as we did.
    left: u32,
    /// Which process moved last in that schedule, and could it go on?
    last: (Mover, bool),
}

#[derive(Clone)]
struct Node {
    place: Place,
    sleepers: Vec<Tried>,
    chosen: usize,
    /// Of the chosen move, once it is known.
    footprint: Option<Footprint>,
    tried: Vec<Tried>,
    /// Who has to be tried, too.
    wanted: Vec<Mover>,
    /// Everybody has.
    all: bool,
    /// Could the chosen process go on afterwards?
    goes_on: bool,
    /// The preemptions that are left here.
    left: u32,
}

/// So many preemptions are counted one by one; then all are allowed, if that was asked for.
const COUNTED: u32 = 3;

/// The whole search. Between two runs, [`Search::next`].
#[derive(Clone)]
pub struct Search {
    bound: Bound,
    reduce: bool,
    /// How many preemptions the orders may have that are tried now.
    limit: u32,
    /// Those with fewer were tried before.
    widened: bool,
    stack: Vec<Node>,
    trace: Trace,
    depth: usize,
    /// Something was left out that more preemptions would allow.
    pub cut: bool,
    /// The programs did not do again what they had done.
    pub diverged: bool,
}

/// What a search tries at its first places.
pub struct Branch {
    limit: u32,
    chosen: Vec<usize>,
}

/// What a run that has ended counts for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Counts {
    /// It is a new one, with so many preemptions, and these move.
    New(u32, Vec<Mover>),
    /// It was counted before.
    Before,
}

impl Search {
    /// Starts one. Without `reduce` every order is tried, also those that cannot differ.
    pub fn new(bound: Bound, reduce: bool) -> Search {
        let reduce = reduce && !matches!(bound, Bound::Delays(_));
        Search {
            bound,
            reduce,
            limit: if reduce { 0 } else { bound.limit() },
            widened: false,
            stack: vec![],
            trace: Trace::default(),
            depth: 0,
            cut: false,
            diverged: false,
        }
    }

    /// A run has ended and was not let go of. To be asked before [`Search::next`]. `whole`: nobody could have
    /// gone on.
    pub fn counts(&mut self, whole: bool) -> Counts {
        if !whole {
            // Races that would have come are not known.
            self.stack.iter_mut().for_each(|node| node.all = true);
        }
        let costs = |node: &Node| self.bound.cost(&node.place, node.chosen);
        let paid = self.stack.iter().map(costs).sum();
        let movers = self.stack.iter().map(|n| n.place.movers[n.chosen]).collect();
        let new = if self.limit == u32::MAX { COUNTED + 1 } else { self.limit };
        if paid < new && self.widened { Counts::Before } else { Counts::New(paid, movers) }
    }

    /// A run has ended: is there another one to be made?
    pub fn next(&mut self) -> bool {
        if self.reduce {
            self.push(None);
        }
        self.depth = 0;
        while !self.stack.is_empty() {
            if self.next_at_the_last() {
                return true;
            }
            self.stack.pop();
        }
        self.trace.truncate(0);
        self.widen()
    }

    /// What was chosen at the last place has been tried: is there another choice?
    fn next_at_the_last(&mut self) -> bool {
        let at = self.stack.len() - 1;
        self.trace.truncate(at);
        let node = &mut self.stack[at];
        let mover = node.place.movers[node.chosen];
        let footprint = node.footprint.take().unwrap_or_else(Footprint::everything);
        let left = pay(node.left, self.bound.cost(&node.place, node.chosen)).unwrap_or(0);
        node.tried.push(Tried { mover, footprint, left, last: (mover, node.goes_on) });
        node.goes_on = false;
        let next = self.pick();
        next.inspect(|next| self.stack[at].chosen = *next).is_some()
    }

    /// The search as it will go on when a branch of it has been tried, the one that it is in now. Of the places
    /// where something else is known to be tried later, the branch begins at the last, or so many before it.
    pub fn ahead(&self, back: usize) -> Option<(Search, Branch)> {
        let (mut ahead, mut found) = (self.clone(), vec![]);
        // What the last choice touches is not known yet.
        for at in (0..self.stack.len().saturating_sub(1)).rev() {
            ahead.stack.truncate(at + 1);
            if ahead.next_at_the_last() {
                found.push(at);
            }
            if found.len() > back {
                break;
            }
        }
        let at = *found.last()?;
        let mut ahead = self.clone();
        ahead.stack.truncate(at + 1);
        ahead.depth = 0;
        let chosen = self.stack[..=at].iter().map(|node| node.chosen).collect();
        ahead.next_at_the_last().then_some((ahead, Branch { limit: self.limit, chosen }))
    }

    /// Is it still in this branch?
    pub fn is_in(&self, branch: &Branch) -> bool {
        let here = self.stack.iter().map(|node| node.chosen).take(branch.chosen.len());
        self.limit == branch.limit && here.eq(branch.chosen.iter().copied())
    }

    /// Everything within this limit was tried: one preemption more.
    fn widen(&mut self) -> bool {
        if !self.reduce || !self.cut || self.limit >= self.bound.limit() {
            return false;
        }
        self.widened = true;
        self.limit = if self.limit < COUNTED || self.bound != Bound::Unbounded {
            self.limit + 1
        } else {
            u32::MAX
        };
        self.cut = false;
        true
    }

    /// Will it ask again for the runs that it asks for now?
    pub fn asks_again(&self) -> bool {
        self.reduce && self.limit < self.bound.limit()
    }

    /// The programs did not do what they had done before: the same plan is tried again.
    pub fn again(&mut self) {
        self.diverged = false;
        self.depth = 0;
    }

    /// They never do: what was planned from there on is given up.
    pub fn give_up(&mut self) -> bool {
        self.stack.truncate(self.depth);
        self.trace.truncate(self.depth.saturating_sub(1));
        self.diverged = false;
        self.next()
    }

    /// The moves that sleep at the place to which the chosen move of `node` leads.
    fn sleepers(node: &Node) -> Vec<Tried> {
        let nothing = Footprint::everything();
        let made = node.footprint.as_ref().unwrap_or(&nothing);
        let mover = node.place.movers[node.chosen];
        let followed = |one: &Tried| {
            if one.mover == mover || !is_free(one.mover, mover) && one.footprint.conflicts(made) {
                return None;
            }
            let (last, goes_on) = one.last;
            let turn = u32::from(mover.who.is_time() || goes_on && last.id != mover.id);
            let left = pay(one.left, turn)?;
            Some(Tried { left, last: (mover, node.goes_on), ..one.clone() })
        };
        node.sleepers.iter().chain(&node.tried).filter_map(followed).collect()
    }

    // ---- races

    /// The last move is known: its races are looked at.
    fn push(&mut self, after: Option<&Place>) {
        let Some(at) = self.stack.len().checked_sub(1).filter(|at| *at == self.trace.len()) else {
            return;
        };
        let node = &self.stack[at];
        let footprint = node.footprint.clone().unwrap_or_else(Footprint::everything);
        let place = |at: usize| &self.stack[at].place;
        self.trace.push(node.place.movers[node.chosen], footprint, place);
        for race in self.trace.races() {
            self.reverse(&race);
        }
        self.let_time_pass(at, after);
    }

    /// Somebody has ended a sleep that time could have ended, too: that is tried before.
    fn let_time_pass(&mut self, at: usize, after: Option<&Place>) {
        let place = &self.stack[at].place;
        let id = place.movers[self.stack[at].chosen].id;
        let woken = |mover: &&Mover| {
            let sleeps_on = after.is_some_and(|place| place.movers.contains(mover));
            mover.who.is_time() && mover.id != id && !sleeps_on
        };
        for mover in place.movers.iter().filter(woken).copied().collect::<Vec<_>>() {
            self.want(at, &[mover]);
            self.turns_taken(at).into_iter().for_each(|at| self.want(at, &[mover]));
        }
    }

    /// Where the process that moved at a place took its turn, and where it slept since and could be overtaken
    /// for nothing.
    fn turns_taken(&self, at: usize) -> Vec<usize> {
        let mover = |at: usize| self.stack[at].place.movers[self.stack[at].chosen].id;
        let its: Vec<usize> = (0..at).rev().take_while(|one| mover(*one) == mover(at)).collect();
        let begin = its.last().copied().unwrap_or(at);
        let sleeps = |one: &usize| *one == begin || self.stack[*one].place.current.is_none();
        its.into_iter().filter(sleeps).collect()
    }

    /// The second move of a race is to come first, too: right before the first, and, because that may cost a
    /// preemption more, before the first one's process took its turn.
    fn reverse(&mut self, race: &Race) {
        if self.limit == u32::MAX {
            return self.want(race.at, &race.first);
        }
        // Whoever need not come before the second one would cost a preemption of his own.
        let first = self.trace.begins(race);
        self.want(race.at, &first);
        self.turns_taken(race.at).into_iter().for_each(|at| self.want(at, &first));
        // Who takes the turn later is paid for; where he takes it now, the second move may come first for nothing.
        if let Some(taker) = self.taker(race.at) {
            self.want(race.at, &[taker]);
        }
        // A store can wait until its thread has gone on, and that costs nothing.
        let node = &self.stack[race.at];
        let mover = node.place.movers[node.chosen];
        if mover.who == Who::Buffer {
            self.want(race.at, &[Mover::itself(mover.id)]);
        }
    }

    /// Who takes the turn, and pays for it, from the process that moves at a place.
    fn taker(&self, at: usize) -> Option<Mover> {
        let mover = |at: usize| self.stack[at].place.movers[self.stack[at].chosen];
        let next = (at + 1..self.stack.len()).find(|next| mover(*next).id != mover(at).id)?;
        let node = &self.stack[next];
        (self.bound.cost(&node.place, node.chosen) > 0).then(|| mover(next))
    }

    /// A run is let go of, and races that it would have had are not seen: where the turn was last free, nobody is
    /// left out.
    fn let_go(&mut self) {
        let free = self.stack.iter_mut().rev().find(|node| node.place.current.is_none());
        if let Some(node) = free.filter(|_| self.limit != u32::MAX) {
            node.all = true;
        }
    }

    /// One of these has to be tried at a place.
    fn want(&mut self, at: usize, first: &[Mover]) {
        let bounded = self.limit != u32::MAX;
        let (node, bound) = (&mut self.stack[at], self.bound);
        let known = |mover: &Mover| {
            let tried = node.tried.iter().any(|one| one.mover == *mover);
            tried || node.place.movers[node.chosen] == *mover || node.wanted.contains(mover)
        };
        if first.iter().any(known) {
            return;
        }
        let here = |mover: &Mover| node.place.movers.iter().position(|one| one == mover);
        let can = first.iter().filter_map(here).min_by_key(|i| bound.cost(&node.place, *i));
        match can {
            // Time passes for nothing when nobody else can move: all others may have to go first.
            Some(i) if bounded && node.place.movers[i].who.is_time() => node.all = true,
            Some(i) => node.wanted.push(node.place.movers[i]),
            // It could not have begun there: what came first made it possible.
            None if first.len() <= 1 => {}
            None => node.all = true,
        }
    }

    /// What has blocked one is to come after it, too.
    fn let_blocked_go_first(&mut self, place: &Place) {
        for (mover, footprint) in &place.blocked {
            for race in self.trace.races_of_blocked(*mover, footprint) {
                self.reverse(&race);
            }
        }
    }

    /// The next choice at the last node: the process that moved last goes on first; then those that
    /// cost nothing.
    fn pick(&mut self) -> Option<usize> {
        let (at, bound) = (self.stack.len() - 1, self.bound);
        let node = &self.stack[at];
        let fresh = node.tried.is_empty();
        let (mut slept, mut chosen) = (false, None);
        for i in in_order(&node.place) {
            let mover = node.place.movers[i];
            let wanted = fresh || node.all || node.wanted.contains(&mover);
            if !wanted || node.tried.iter().any(|one| one.mover == mover) {
                continue;
            }
            let Some(left) = pay(node.left, bound.cost(&node.place, i)) else {
                self.cut = true;
                continue;
            };
            // The schedule that tried it before could do afterwards everything that we could, if it has
            // enough preemptions left to take the turn from the process that moved last.
            let covers = |one: &Tried| {
                let (last, goes_on) = one.last;
                let turn = u32::from(goes_on && last.id != mover.id);
                one.mover == mover && pay(one.left, turn).is_some_and(|theirs| theirs >= left)
            };
            if !(self.reduce && node.sleepers.iter().any(covers)) {
                chosen = Some(i);
                break;
            }
            slept |= bound.cost(&node.place, i) == 0;
        }
        // One who would move for nothing was tried before, and now this one takes the turn: perhaps nobody can any
        // more afterwards, and no race is seen with what others would have done.
        let pays = chosen.is_some_and(|i| bound.cost(&node.place, i) > 0);
        self.stack[at].all |= fresh && slept && pays && self.limit != u32::MAX;
        chosen
    }
}

fn pay(left: u32, cost: u32) -> Option<u32> {
    if left == u32::MAX { Some(left) } else { left.checked_sub(cost) }
}

impl Guide for Search {
    fn choose(&mut self, place: &Place) -> Option<usize> {
        if place.movers.is_empty() {
            self.diverged |= self.depth < self.stack.len();
            if self.reduce && !self.diverged {
                self.push(Some(place));
                self.let_blocked_go_first(place);
            }
            return None;
        }
        if let Some(known) = self.stack.get(self.depth) {
            if known.place.is(place) {
                self.depth += 1;
                return Some(known.chosen);
            }
            self.diverged = true;
            return None;
        }
        let mut new = Node {
            place: place.clone(),
            sleepers: vec![],
            chosen: 0,
            footprint: None,
            tried: vec![],
            wanted: vec![],
            all: !self.reduce,
            goes_on: false,
            left: self.limit,
        };
        if self.reduce {
            self.push(Some(place));
        }
        if let Some(before) = self.stack.last_mut() {
            // One that is blocked here would not be, perhaps, if another had moved first.
            let id = before.place.movers[before.chosen].id;
            let blocked = place.blocked.iter().any(|(mover, _)| mover.id == id);
            before.goes_on = place.current.is_some() || blocked;
            new.left = pay(before.left, self.bound.cost(&before.place, before.chosen)).unwrap_or(0);
            new.sleepers = if self.reduce { Search::sleepers(before) } else { vec![] };
        }
        self.stack.push(new);
        if self.reduce {
            if place.hidden {
                self.stack.iter_mut().for_each(|node| node.all = true);
            }
            self.let_blocked_go_first(place);
        }
        let Some(chosen) = self.pick() else {
            self.stack.pop();
            self.let_go();
            return None;
        };
        let at = self.stack.len() - 1;
        self.stack[at].chosen = chosen;
        self.depth += 1;
        Some(chosen)
    }

    fn moved(&mut self, footprint: Footprint) {
        if let Some(at) = self.depth.checked_sub(1) {
            self.stack[at].footprint = Some(footprint);
        }
    }
}
