//! The search: which order to try next. It knows nothing of processes; [`Guide`] is all that the
//! code that runs them sees of it, and a model in memory stands in for them in its tests.
//!
//! Depth first. The first try lets each process go on as long as it can. Each later try repeats the
//! one before up to the last place with another choice, and makes that choice.
//!
//! *Bound.* Taking the turn from a process that could go on is a preemption; so is time that passes
//! although a process could move. Most known races need one or two. Orders that nobody can tell
//! apart are one [`trace::Trace`], and its price is that of the cheapest of them: so whether it is
//! within the bound does not depend on which of them is tried. The bound is 0 first, then 1, and so
//! on: what needs the fewest preemptions is found first.
//!
//! *Sleep sets* (Godefroid): when move u was tried at a place and now t is tried there, and the two
//! cannot tell who came first, then u after t leads to what t after u led to. So u sleeps until
//! something that it conflicts with has moved.
//!
//! *Races* (Abdulla, Aronis, Jonsson, Sagonas: Optimal dynamic partial order reduction): at a place
//! another choice is only tried where a race was seen, two moves of which the second could have come
//! first. A race may lie in an order that is beyond the bound and was not tried. So above such an
//! order, every choice is tried that does not sleep.
//!
//! With *delays* the order of those that wait for their turn counts, too, and then every order is
//! tried.

use super::footprint::Footprint;

mod place;
#[cfg(test)]
mod tests;
mod trace;
mod ways;

use place::in_order;
pub use place::{Bound, Guide, Mover, Place, cost};
use trace::{Race, Trace};
pub use ways::{Replay, Way};

/// A move that was tried before at a place on our way, and could not be told from what came since.
#[derive(Clone, Debug)]
struct Tried {
    mover: Mover,
    footprint: Footprint,
}

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
    /// Who would be beyond the bound.
    beyond: Vec<Mover>,
    /// The preemptions before it.
    paid: u32,
}

/// So many preemptions are counted one by one; then all are allowed, if that was asked for.
const COUNTED: u32 = 3;

/// The whole search. Between two runs, [`Search::next`].
pub struct Search {
    bound: Bound,
    reduce: bool,
    /// What the orders may cost that are tried now, and those that were before.
    limit: u32,
    before: Option<u32>,
    stack: Vec<Node>,
    trace: Trace,
    depth: usize,
    /// Something was left out that more preemptions would allow.
    pub cut: bool,
    /// The programs did not do again what they had done.
    pub diverged: bool,
}

/// What a run that has ended counts for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Counts {
    /// It is a new one, with so many preemptions where it has the fewest; then these move.
    New(u32, Vec<Mover>),
    /// It was counted before.
    Before,
    /// It is beyond the bound.
    Beyond,
}

impl Search {
    /// Starts one. Without `reduce` every order is tried, also those that cannot differ.
    pub fn new(bound: Bound, reduce: bool) -> Search {
        let reduce = reduce && !matches!(bound, Bound::Delays(_));
        Search {
            bound,
            reduce,
            limit: if reduce { 0 } else { bound.limit() },
            before: None,
            stack: vec![],
            trace: Trace::default(),
            depth: 0,
            cut: false,
            diverged: false,
        }
    }

    /// A run has ended, with its last move, and was not let go of. To be asked before [`Search::next`].
    /// `whole`: nobody could have gone on.
    pub fn counts(&mut self, whole: bool) -> Counts {
        if !whole {
            // Races that would have come are not known.
            self.stack.iter_mut().for_each(|node| node.all = true);
        }
        let movers = |stack: &[Node]| stack.iter().map(|n| n.place.movers[n.chosen]).collect();
        let paid = self
            .stack
            .last()
            .map_or(0, |node| node.paid + self.bound.cost(&node.place, node.chosen));
        if !self.reduce {
            return Counts::New(paid, movers(&self.stack));
        }
        self.push(None);
        let known = |before| self.is_within(paid, before, true);
        if self.before.is_some_and(known) {
            return Counts::Before;
        }
        let price = if self.limit == u32::MAX { paid } else { self.limit };
        match self.trace.within(price, true).filter(|_| paid > price) {
            Some(order) => Counts::New(price, order),
            None if paid <= price => Counts::New(price, movers(&self.stack)),
            None => {
                self.is_cut();
                Counts::Beyond
            }
        }
    }

    /// Is the trace in one of its orders within a limit? `paid`: what this one has cost.
    fn is_within(&self, paid: u32, limit: u32, ended: bool) -> bool {
        paid <= limit || self.trace.within(limit, ended).is_some()
    }

    /// A run has ended: is there another one to be made?
    pub fn next(&mut self) -> bool {
        if self.reduce {
            self.push(None);
        }
        self.depth = 0;
        while !self.stack.is_empty() {
            let at = self.stack.len() - 1;
            self.trace.truncate(at);
            let node = &mut self.stack[at];
            let mover = node.place.movers[node.chosen];
            let footprint = node.footprint.take().unwrap_or_else(Footprint::everything);
            node.tried.push(Tried { mover, footprint });
            if let Some(next) = self.pick() {
                self.stack[at].chosen = next;
                return true;
            }
            self.stack.pop();
        }
        self.trace.truncate(0);
        self.widen()
    }

    /// Everything within this limit was tried: one preemption more.
    fn widen(&mut self) -> bool {
        if !self.reduce || !self.cut || self.limit >= self.bound.limit() {
            return false;
        }
        self.before = Some(self.limit);
        self.limit = if self.limit < COUNTED || self.bound != Bound::Unbounded {
            self.limit + 1
        } else {
            u32::MAX
        };
        self.cut = false;
        true
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
        let sleeps = |one: &&Tried| one.mover != mover && !one.footprint.conflicts(made);
        node.sleepers.iter().chain(&node.tried).filter(sleeps).cloned().collect()
    }

    // ---- races, and what is beyond the bound

    /// The last move is known: its races are looked at.
    fn push(&mut self, after: Option<&Place>) {
        let Some(at) = self.stack.len().checked_sub(1).filter(|at| *at == self.trace.len()) else {
            return;
        };
        let node = &self.stack[at];
        let footprint = node.footprint.clone().unwrap_or_else(Footprint::everything);
        let place = |at: usize| &self.stack[at].place;
        self.trace.push(node.place.movers[node.chosen], footprint, place, after);
        for race in self.trace.races() {
            self.reverse(&race);
        }
    }

    /// The second move of a race is to come first, too.
    fn reverse(&mut self, race: &Race) {
        let node = &mut self.stack[race.at];
        let known = |mover: &Mover| {
            let tried = node.tried.iter().chain(&node.sleepers).any(|one| one.mover == *mover);
            tried || node.place.movers[node.chosen] == *mover || node.wanted.contains(mover)
        };
        if race.first.iter().any(known) {
            return;
        }
        let can = |mover: &&Mover| node.place.movers.contains(mover);
        match race.first.iter().find(can) {
            Some(mover) => node.wanted.push(*mover),
            // It could not have begun there: what came first made it possible.
            None if race.first.len() <= 1 => {}
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

    /// Something is left out below every place on the way.
    fn is_cut(&mut self) {
        self.cut = true;
        self.stack.iter_mut().for_each(|node| node.all = true);
    }

    /// The next choice at the last node: the process that moved last goes on first; then those that
    /// cost nothing.
    fn pick(&mut self) -> Option<usize> {
        let at = self.stack.len() - 1;
        let node = &self.stack[at];
        let order = in_order(&node.place);
        let fresh = node.tried.is_empty() && node.beyond.is_empty();
        let has = |list: &[Tried], mover| list.iter().any(|one| one.mover == mover);
        let mut again = fresh;
        for i in order {
            let node = &self.stack[at];
            let mover = node.place.movers[i];
            let over = !self.reduce && pay_over(node, self.bound, i);
            if over {
                self.cut = true;
                continue;
            }
            if has(&node.tried, mover) || node.beyond.contains(&mover) {
                continue;
            }
            if self.reduce {
                let wanted = again || node.all || node.wanted.contains(&mover);
                if !wanted {
                    continue;
                }
                if has(&node.sleepers, mover) {
                    continue;
                }
                if self.is_beyond(at, i) {
                    self.is_cut();
                    self.stack[at].beyond.push(mover);
                    again = false;
                    continue;
                }
            }
            return Some(i);
        }
        // What was wanted later than its turn came.
        let left = |node: &Node| {
            node.place.movers.iter().any(|mover| {
                (node.all || node.wanted.contains(mover))
                    && !has(&node.tried, *mover)
                    && !has(&node.sleepers, *mover)
                    && !node.beyond.contains(mover)
            })
        };
        let node = &self.stack[at];
        if self.reduce && left(node) { self.pick() } else { None }
    }

    /// Would the trace be beyond the bound with this move, as far as one knows of it?
    fn is_beyond(&mut self, at: usize, chosen: usize) -> bool {
        let node = &self.stack[at];
        let (mover, paid) =
            (node.place.movers[chosen], node.paid + self.bound.cost(&node.place, chosen));
        let Some((next, true)) = node.place.next.get(chosen).filter(|_| paid > self.limit) else {
            return false;
        };
        let next = next.clone();
        let place = |at: usize| &self.stack[at].place;
        let len = self.trace.len();
        self.trace.push(mover, next, place, None);
        let beyond = self.trace.within(self.limit, false).is_none();
        self.trace.truncate(len);
        beyond
    }
}

/// Without a reduction the way itself is counted.
fn pay_over(node: &Node, bound: Bound, chosen: usize) -> bool {
    node.paid + bound.cost(&node.place, chosen) > bound.limit()
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
            beyond: vec![],
            paid: 0,
        };
        if self.reduce {
            self.push(Some(place));
        }
        if let Some(before) = self.stack.last_mut() {
            new.paid = before.paid + self.bound.cost(&before.place, before.chosen);
            new.sleepers = if self.reduce { Search::sleepers(before) } else { vec![] };
        }
        if self.reduce && !self.is_within(new.paid, self.limit, false) {
            self.is_cut();
            return None;
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

    fn looks_ahead(&self) -> bool {
        self.reduce && self.limit != u32::MAX && self.depth >= self.stack.len()
    }
}
