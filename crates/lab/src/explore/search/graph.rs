//! Every place that the orders of a program lead to, and every choice there. Two orders that only change
//! places of moves which cannot tell who came first lead to the same place: so there are far fewer places
//! than orders, and from each it can be said how many orders lead to which end.
//!
//! Each run follows a way to a choice that was not tried, makes it, and goes on to a place that is known.

use std::collections::{BTreeSet, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};

use super::place::in_order;
use super::{Bound, Guide, Mover, Place, Search};
use crate::explore::footprint::Footprint;

/// So often a way is tried again on which the programs do not do what they did before.
const PATIENCE: u32 = 5;

/// Where a choice leads.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum To {
    /// It was not tried.
    Untried,
    /// It would take more preemptions than are allowed.
    Beyond,
    /// The programs did something else on the way there each time.
    GivenUp,
    /// To this place, by a move with this label.
    Place { to: usize, label: usize },
}

/// A place, or an end.
pub struct Spot {
    pub movers: Vec<Mover>,
    /// Where each of them leads.
    pub to: Vec<To>,
    /// All that moved on one way to it.
    pub way: Vec<Mover>,
    /// The label of the end that this is.
    pub end: Option<usize>,
    /// In which order they are tried.
    order: Vec<usize>,
}

impl Spot {
    fn tried(&self) -> impl Iterator<Item = To> {
        self.to.iter().copied().filter(|to| matches!(to, To::Place { .. }))
    }

    /// Where it leads, if one choice alone was tried.
    pub fn only(&self) -> Option<To> {
        let mut tried = self.tried();
        tried.next().filter(|_| tried.next().is_none())
    }
}

#[derive(PartialEq, Eq, Hash)]
struct Key {
    /// The moves so far, without the order of those that cannot tell.
    class: u64,
    movers: Vec<Mover>,
    /// Whose turn it is, and for whom time would pass.
    turn: [Option<usize>; 2],
    used: u32,
    end: Option<usize>,
}

/// A move of this run.
struct Step {
    mover: Mover,
    footprint: Footprint,
    /// The same for this move after the same moves with which it conflicts.
    name: u64,
}

/// See the module.
pub struct Graph {
    bound: Bound,
    /// Only what a search tries is noted: its places have nothing in common but their beginnings.
    follows: bool,
    pub spots: Vec<Spot>,
    known: HashMap<Key, usize>,
    /// Places that may have choices which were not tried.
    open: Vec<usize>,
    /// Of this run: whom it follows first, the places and choices on it, and its moves.
    plan: Vec<Mover>,
    visited: Vec<usize>,
    chosen: Vec<usize>,
    steps: Vec<Step>,
    used: u32,
    diverged: bool,
    again: u32,
    /// So many choices were given up: the programs did something else there each time.
    pub unstable: u64,
}

impl Graph {
    /// Nothing is known yet. `follows`: see [`Followed`].
    pub fn new(bound: Bound, follows: bool) -> Graph {
        Graph {
            bound,
            follows,
            spots: vec![],
            known: HashMap::new(),
            open: vec![],
            plan: vec![],
            visited: vec![],
            chosen: vec![],
            steps: vec![],
            used: 0,
            diverged: false,
            again: 0,
            unstable: 0,
        }
    }

    /// The place with these moves behind it, which may be new.
    fn spot(&mut self, place: Option<&Place>, end: Option<usize>) -> usize {
        let class = self.steps.iter().fold(0_u64, |sum, step| sum.wrapping_add(step.name));
        let movers = place.map_or(vec![], |place| place.movers.clone());
        let bounded = self.bound != Bound::Unbounded;
        let turn = place.filter(|_| bounded).map_or([None; 2], |place| [place.current, place.due]);
        let used = if bounded && !self.follows && place.is_some() { self.used } else { 0 };
        let key = Key { class, movers, turn, used, end };
        if let Some(known) = self.known.get(&key) {
            return *known;
        }
        let left = self.bound.limit().saturating_sub(self.used);
        let cost = |i: usize| place.map_or(0, |place| self.bound.cost(place, i));
        let to = |i: usize| if cost(i) > left { To::Beyond } else { To::Untried };
        self.spots.push(Spot {
            to: (0..key.movers.len()).map(to).collect(),
            movers: key.movers.clone(),
            way: self.steps.iter().map(|step| step.mover).collect(),
            end,
            order: place.map_or(vec![], in_order),
        });
        let new = self.spots.len() - 1;
        self.open.push(new);
        self.known.insert(key, new);
        new
    }

    /// The places of the run that has ended; not its end.
    pub fn visited(&self) -> &[usize] {
        &self.visited
    }

    /// The start, and of the places that orders lead to those with another number of tried choices than one:
    /// first those with the most moves behind them.
    pub fn forks(&self) -> Vec<usize> {
        let (mut all, mut todo) = (BTreeSet::new(), vec![0]);
        while let Some(at) = todo.pop() {
            if self.spots.get(at).is_some() && all.insert(at) {
                todo.extend(self.spots[at].tried().filter_map(|to| match to {
                    To::Place { to, .. } => Some(to),
                    _ => None,
                }));
            }
        }
        all.retain(|at| *at == 0 || self.spots[*at].only().is_none());
        self.last_first(all.into_iter())
    }

    /// A move leads to a place with one move more behind it, which comes before it here.
    fn last_first(&self, spots: impl Iterator<Item = usize>) -> Vec<usize> {
        let mut all: Vec<usize> = spots.collect();
        all.sort_by_key(|at| std::cmp::Reverse(self.spots[*at].way.len()));
        all
    }

    fn untried(&self, spot: usize) -> Option<usize> {
        let spot = &self.spots[spot];
        spot.order.iter().copied().find(|i| spot.to[*i] == To::Untried)
    }

    /// A run has ended, at this end if it was not let go of. `label`: of each of its moves.
    /// True: there is another one to be made.
    pub fn ran(&mut self, end: Option<usize>, label: impl Fn(usize) -> usize) -> bool {
        if end.is_some() && !self.diverged {
            let last = self.spot(None, end);
            self.visited.push(last);
        }
        for (i, &choice) in self.chosen.iter().enumerate() {
            if let (from, Some(&to)) = (self.visited[i], self.visited.get(i + 1)) {
                self.spots[from].to[choice] = To::Place { to, label: label(i) };
            }
        }
        self.next()
    }

    fn forget(&mut self) {
        self.visited.clear();
        self.chosen.clear();
        self.steps.clear();
        self.used = 0;
    }

    fn next(&mut self) -> bool {
        let planned = self.plan.len().checked_sub(1);
        self.forget();
        if self.follows {
            return false;
        }
        if std::mem::take(&mut self.diverged) {
            self.again += 1;
            if self.again < PATIENCE {
                return true;
            }
            self.unstable += 1;
            // Its last mover was to be tried at the place on top.
            if let (Some(last), Some(&at)) = (planned, self.open.last()) {
                let mover = self.plan[last];
                let choice = self.spots[at].movers.iter().position(|one| *one == mover);
                if let Some(choice) = choice {
                    self.spots[at].to[choice] = To::GivenUp;
                }
            }
        }
        self.again = 0;
        while let Some(&at) = self.open.last() {
            if let Some(choice) = self.untried(at) {
                self.plan = self.spots[at].way.clone();
                self.plan.push(self.spots[at].movers[choice]);
                return true;
            }
            self.open.pop();
        }
        false
    }

    /// How many orders lead from each place to each end. Of very many, about how many.
    pub fn orders(&self, ends: usize) -> Vec<Vec<f64>> {
        let mut orders = vec![vec![0.0; ends]; self.spots.len()];
        for at in self.last_first(0..self.spots.len()) {
            if let Some(end) = self.spots[at].end {
                orders[at][end] = 1.0;
            }
            for to in &self.spots[at].to {
                if let To::Place { to, .. } = to {
                    let there = orders[*to].clone();
                    orders[at].iter_mut().zip(there).for_each(|(here, there)| *here += there);
                }
            }
        }
        orders
    }
}

impl Guide for Graph {
    fn choose(&mut self, place: &Place) -> Option<usize> {
        if place.movers.is_empty() || self.diverged {
            return None;
        }
        let spot = self.spot(Some(place), None);
        self.visited.push(spot);
        let choice = match self.plan.get(self.chosen.len()) {
            Some(planned) => {
                let choice = place.movers.iter().position(|mover| mover == planned);
                self.diverged = choice.is_none();
                choice
            }
            None => self.untried(spot),
        }?;
        self.used += self.bound.cost(place, choice);
        self.chosen.push(choice);
        Some(choice)
    }

    fn moved(&mut self, footprint: Footprint) {
        let Some(&choice) = self.chosen.last() else { return };
        let mover = self.spots[self.visited[self.chosen.len() - 1]].movers[choice];
        let before = self.steps.iter().filter(|step| {
            self.follows || step.mover.id == mover.id || step.footprint.conflicts(&footprint)
        });
        let before = before.fold(0_u64, |sum, step| sum.wrapping_add(step.name));
        let mut hasher = DefaultHasher::new();
        (mover, before).hash(&mut hasher);
        self.steps.push(Step { mover, footprint, name: hasher.finish() });
    }
}

/// A search, and what it tries is noted in a graph.
pub struct Followed<'a> {
    pub search: &'a mut Search,
    pub graph: &'a mut Graph,
}

impl Guide for Followed<'_> {
    fn choose(&mut self, place: &Place) -> Option<usize> {
        let choice = self.search.choose(place);
        if !place.movers.is_empty() {
            let spot = self.graph.spot(Some(place), None);
            self.graph.visited.push(spot);
            self.graph.chosen.extend(choice);
            self.graph.used += choice.map_or(0, |choice| self.graph.bound.cost(place, choice));
        }
        choice
    }

    fn moved(&mut self, footprint: Footprint) {
        self.graph.moved(footprint.clone());
        self.search.moved(footprint);
    }
}

impl Followed<'_> {
    /// A run has ended. A way that is given up, or that only repeats another, is not noted.
    /// True: there is another one to be made.
    pub fn ran(&mut self, end: Option<usize>, whole: bool, label: impl Fn(usize) -> usize) -> bool {
        if self.search.diverged {
            self.graph.forget();
            self.graph.again += 1;
            if self.graph.again < PATIENCE {
                self.search.again();
                return true;
            }
            self.graph.again = 0;
            self.graph.unstable += 1;
            return self.search.give_up();
        }
        self.graph.again = 0;
        match end {
            Some(_) => {
                self.search.counts(whole);
                self.graph.ran(end, label);
            }
            None => self.graph.forget(),
        }
        self.search.next()
    }
}
