//! The search: which order to try next. It knows nothing of processes; [`Guide`] is all that the
//! code that runs them sees of it, and a model in memory stands in for them in its tests.
//!
//! Depth first. The first try lets each process go on as long as it can. Each later try repeats the
//! one before up to the last place with another choice, and makes that choice.
//!
//! *Bound.* Taking the turn from a process that could go on is a preemption; so is time that passes
//! although a process could move. A schedule has at most N. Most known races need one or two.
//! *Delays* are stricter, for programs with many threads: when the process that moved last sleeps,
//! choosing any other than the first in line also counts.
//!
//! *Sleep sets* (Godefroid): when move u was tried at a place and now t is tried there, and the two
//! cannot tell who came first, then u after t leads to what t after u led to. So u sleeps until
//! something that it conflicts with has moved. With a bound this is only true if the schedule
//! already tried had at least as many preemptions left; [`Tried`] keeps the account.

use super::footprint::Footprint;
use super::schedule::{Schedule, Turn};

/// One that can move.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub struct Mover {
    /// The same process or thread in every schedule.
    pub id: u32,
    /// Not the process itself: time, which ends its sleep, its timeout or its alarm.
    pub time: bool,
}

/// A place where one process must move.
#[derive(Clone, Debug, PartialEq)]
pub struct Place {
    /// The processes that can. Never empty.
    pub movers: Vec<Mover>,
    /// Their names in a schedule.
    pub letters: Vec<usize>,
    /// Which of them moved last and would go on.
    pub current: Option<usize>,
    /// Only time can move, and processes that only check again: then time passes for this one
    /// first.
    pub due: Option<usize>,
}

/// Decides which process moves.
pub trait Guide {
    /// Which of them moves now; `None`: this run leads to nothing new, so end it.
    fn choose(&mut self, place: &Place) -> Option<usize>;
    /// What the chosen move has touched.
    fn moved(&mut self, footprint: Footprint);
}

/// A move that was tried before at a place on our way, and could not be told from what came since.
#[derive(Clone, Debug)]
struct Tried {
    mover: Mover,
    footprint: Footprint,
    /// The preemptions that the schedule that tried it would have left, if it had then moved as we
    /// did.
    left: u32,
    /// Which process moved last in that schedule, and could it go on?
    last: (Mover, bool),
}

#[derive(Debug)]
struct Node {
    place: Place,
    left: u32,
    sleepers: Vec<Tried>,
    chosen: usize,
    /// Of the chosen move, once it is known.
    footprint: Option<Footprint>,
    /// Could the chosen process go on afterwards?
    goes_on: bool,
    tried: Vec<Tried>,
}

/// What there may only be so many of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs)]
pub enum Bound {
    Preemptions(u32),
    Delays(u32),
    Unbounded,
}

impl Bound {
    /// No limit: `u32::MAX`.
    fn limit(self) -> u32 {
        match self {
            Bound::Preemptions(n) | Bound::Delays(n) => n,
            Bound::Unbounded => u32::MAX,
        }
    }

    /// What a choice costs.
    fn cost(self, place: &Place, chosen: usize) -> u32 {
        match self {
            Bound::Delays(_) => u32::from(chosen != first(place)),
            _ => cost(place, chosen),
        }
    }

    /// The cost of a turn after a process that could, or could not, go on.
    fn turn(self, goes_on: bool) -> u32 {
        u32::from(goes_on || matches!(self, Bound::Delays(_)))
    }
}

/// The whole search. Between two runs, [`Search::next`].
pub struct Search {
    bound: Bound,
    reduce: bool,
    stack: Vec<Node>,
    depth: usize,
    /// Something was left out that more preemptions would allow.
    pub cut: bool,
    /// The programs did not do again what they had done.
    pub diverged: bool,
}

impl Search {
    /// Starts one. Without `reduce` every order is tried, also those that cannot differ.
    pub fn new(bound: Bound, reduce: bool) -> Search {
        Search { bound, reduce, stack: vec![], depth: 0, cut: false, diverged: false }
    }

    /// A run has ended: is there another one to be made?
    pub fn next(&mut self) -> bool {
        self.depth = 0;
        while let Some(node) = self.stack.last_mut() {
            let mover = node.place.movers[node.chosen];
            node.tried.push(Tried {
                mover,
                footprint: node.footprint.take().unwrap_or_else(Footprint::everything),
                left: pay(node.left, self.bound.cost(&node.place, node.chosen)).unwrap_or(0),
                last: (mover, node.goes_on),
            });
            node.goes_on = false;
            if let Some(next) = pick(node, self.bound, self.reduce, &mut self.cut) {
                node.chosen = next;
                return true;
            }
            self.stack.pop();
        }
        false
    }

    /// The programs did not do what they had done before: the same plan is tried again.
    pub fn again(&mut self) {
        self.diverged = false;
        self.depth = 0;
    }

    /// They never do: what was planned from there on is given up.
    pub fn give_up(&mut self) -> bool {
        self.stack.truncate(self.depth);
        self.diverged = false;
        self.next()
    }

    /// The moves that sleep at the place to which the chosen move of `node` leads.
    fn sleepers(&self, node: &Node) -> Vec<Tried> {
        let nothing = Footprint::everything();
        let made = node.footprint.as_ref().unwrap_or(&nothing);
        let mover = node.place.movers[node.chosen];
        let followed = |sleeper: &Tried| {
            if sleeper.mover == mover || sleeper.footprint.conflicts(made) {
                return None;
            }
            let (last, goes_on) = sleeper.last;
            let turn = if mover.time { 1 } else { self.bound.turn(goes_on && last != mover) };
            let left = pay(sleeper.left, turn)?;
            Some(Tried { left, last: (mover, node.goes_on), ..sleeper.clone() })
        };
        node.sleepers.iter().chain(&node.tried).filter_map(followed).collect()
    }
}

impl Guide for Search {
    fn choose(&mut self, place: &Place) -> Option<usize> {
        let before = self.depth.checked_sub(1).map(|at| &mut self.stack[at]);
        let mut new = Node {
            place: place.clone(),
            left: self.bound.limit(),
            sleepers: vec![],
            chosen: 0,
            footprint: None,
            goes_on: false,
            tried: vec![],
        };
        if let Some(before) = before {
            before.goes_on = place.current.is_some();
            let paid = self.bound.cost(&before.place, before.chosen);
            new.left = pay(before.left, paid).unwrap_or(0);
        }
        if let Some(known) = self.stack.get(self.depth) {
            if known.place == *place {
                self.depth += 1;
                return Some(known.chosen);
            }
            self.diverged = true;
            return None;
        }
        if let Some(at) = self.depth.checked_sub(1) {
            new.sleepers = self.sleepers(&self.stack[at]);
        }
        new.chosen = pick(&new, self.bound, self.reduce, &mut self.cut)?;
        let chosen = new.chosen;
        self.stack.push(new);
        self.depth += 1;
        Some(chosen)
    }

    fn moved(&mut self, footprint: Footprint) {
        if let Some(at) = self.depth.checked_sub(1) {
            self.stack[at].footprint = Some(footprint);
        }
    }
}

/// Is this choice a preemption?
pub fn cost(place: &Place, chosen: usize) -> u32 {
    let mover = place.movers[chosen];
    let taken = match place.current {
        Some(current) => chosen != current,
        None => mover.time && place.due != Some(chosen),
    };
    u32::from(taken)
}

/// Which process moves by default.
fn first(place: &Place) -> usize {
    let idle = || (0..place.movers.len()).min_by_key(|&i| cost(place, i)).unwrap_or(0);
    place.current.unwrap_or_else(idle)
}

fn pay(left: u32, cost: u32) -> Option<u32> {
    if left == u32::MAX { Some(left) } else { left.checked_sub(cost) }
}

/// The next choice at a node: the process that moved last goes on first; then those that cost
/// nothing.
fn pick(node: &Node, bound: Bound, reduce: bool, cut: &mut bool) -> Option<usize> {
    let place = &node.place;
    let mut order: Vec<usize> = (0..place.movers.len()).collect();
    order.sort_by_key(|&i| (i != first(place), cost(place, i), place.movers[i].time));
    for i in order {
        let mover = place.movers[i];
        if node.tried.iter().any(|tried| tried.mover == mover) {
            continue;
        }
        let Some(left) = pay(node.left, bound.cost(place, i)) else {
            *cut = true;
            continue;
        };
        // The schedule that tried it before could do afterwards everything that we could, if it has
        // enough preemptions left to take the turn from the process that moved last.
        let covered = |sleeper: &Tried| {
            let turn = bound.turn(sleeper.last.1);
            sleeper.mover == mover && pay(sleeper.left, turn).is_some_and(|theirs| theirs >= left)
        };
        if !(reduce && node.sleepers.iter().any(covered)) {
            return Some(i);
        }
    }
    None
}

/// A schedule that is known.
pub struct Replay {
    turns: std::vec::IntoIter<Turn>,
    /// A turn of a process that could not move then.
    pub wrong: Option<Turn>,
}

impl Replay {
    /// Follows a schedule.
    pub fn new(schedule: &Schedule) -> Replay {
        Replay { turns: schedule.turns.clone().into_iter(), wrong: None }
    }
}

impl Guide for Replay {
    fn choose(&mut self, place: &Place) -> Option<usize> {
        if place.movers.len() == 1 {
            return Some(0);
        }
        let Some(turn) = self.turns.next() else {
            return place
                .current
                .or_else(|| (0..place.movers.len()).min_by_key(|&i| cost(place, i)));
        };
        let meant =
            |i: &usize| place.letters[*i] == turn.letter && place.movers[*i].time == turn.time;
        let chosen = (0..place.movers.len()).find(meant);
        if chosen.is_none() {
            self.wrong = Some(turn);
        }
        chosen
    }

    fn moved(&mut self, _: Footprint) {}
}

#[cfg(test)]
mod tests {
    //! A small machine in memory: variables, semaphores, sleeps. What the search promises is held
    //! against it: no end that some order has is missed by leaving orders out.

    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::super::footprint::Thing;
    use super::*;

    #[derive(Clone, Copy, Debug)]
    enum Op {
        Load(usize),
        Store(usize),
        Post(usize),
        Wait(usize),
        Sleep,
    }

    #[derive(Clone, Copy, PartialEq)]
    enum State {
        Ready,
        Asleep(Option<usize>),
        Woken,
        Ended,
    }

    /// What is known at the end: what each process has loaded, the values of the variables, which
    /// processes sleep.
    type End = (Vec<Vec<u32>>, Vec<u32>, Vec<bool>);

    /// Runs the machine once; `None` if it was let go of.
    fn run(programs: &[Vec<Op>], guide: &mut dyn Guide) -> Option<End> {
        let n = programs.len();
        let (mut vars, mut sems) = (vec![0; 2], vec![0; 2]);
        let (mut at, mut seen) = (vec![0; n], vec![vec![]; n]);
        let mut states = vec![State::Ready; n];
        let (mut last, mut stamp) = (None, 0);
        loop {
            for i in 0..n {
                if states[i] == State::Ready && at[i] == programs[i].len() {
                    states[i] = State::Ended;
                }
            }
            let mover = |i: usize| match states[i] {
                State::Ready | State::Woken => Some(Mover { id: i as u32, time: false }),
                State::Asleep(None) => Some(Mover { id: i as u32, time: true }),
                _ => None,
            };
            let movers: Vec<Mover> = (0..n).filter_map(mover).collect();
            if movers.is_empty() {
                let asleep = states.iter().map(|state| matches!(state, State::Asleep(_)));
                return Some((seen, vars, asleep.collect()));
            }
            let current = movers.iter().position(|mover| Some(mover.id) == last && !mover.time);
            let idle = movers.iter().all(|mover| mover.time);
            let due = idle.then_some(0);
            let letters = movers.iter().map(|mover| mover.id as usize).collect();
            let place = Place { movers, letters, current, due };
            let Mover { id, time } = place.movers[guide.choose(&place)?];
            let me = id as usize;
            let mut touched = Footprint::default();
            touched.writes(Thing::Process(id));
            last = Some(id);
            stamp += 1;
            match (states[me], time) {
                (_, true) => states[me] = State::Woken,
                (State::Woken, _) => {
                    at[me] += 1;
                    states[me] = State::Ready;
                }
                _ => match programs[me][at[me]] {
                    Op::Load(v) => {
                        touched.reads(Thing::Memory(v as u64));
                        seen[me].push(vars[v]);
                        at[me] += 1;
                    }
                    Op::Store(v) => {
                        touched.writes(Thing::Memory(v as u64));
                        vars[v] = id * 100 + at[me] as u32 + 1;
                        at[me] += 1;
                    }
                    Op::Post(s) => {
                        touched.writes(Thing::Sem(s as i32));
                        let waiting =
                            states.iter().position(|state| *state == State::Asleep(Some(s)));
                        match waiting {
                            Some(i) => states[i] = State::Woken,
                            None => sems[s] += 1,
                        }
                        at[me] += 1;
                    }
                    Op::Wait(s) => {
                        touched.writes(Thing::Sem(s as i32));
                        if sems[s] > 0 {
                            sems[s] -= 1;
                            at[me] += 1;
                        } else {
                            states[me] = State::Asleep(Some(s));
                        }
                    }
                    Op::Sleep => states[me] = State::Asleep(None),
                },
            }
            guide.moved(touched);
            assert!(stamp < 1000);
        }
    }

    /// Every end, and how many runs it took.
    fn ends(programs: &[Vec<Op>], bound: Bound, reduce: bool) -> (BTreeSet<End>, usize) {
        let mut search = Search::new(bound, reduce);
        let (mut ends, mut runs) = (BTreeSet::new(), 0);
        loop {
            runs += 1;
            ends.extend(run(programs, &mut search));
            if !search.next() {
                assert!(!search.diverged);
                return (ends, runs);
            }
        }
    }

    #[test]
    fn all_orders_of_two_by_two() {
        let two = vec![Op::Store(0), Op::Store(0)];
        assert_eq!(ends(&[two.clone(), two], Bound::Unbounded, false).1, 6);
    }

    #[test]
    fn orders_that_cannot_differ_are_tried_once() {
        let programs = [vec![Op::Store(0); 3], vec![Op::Store(1); 3]];
        let (all, runs) = ends(&programs, Bound::Unbounded, false);
        assert_eq!((all.len(), runs), (1, 20));
        // One whole run; the others are let go of where they would only repeat it.
        let (one, fewer) = ends(&programs, Bound::Unbounded, true);
        assert!(one == all && fewer <= 7, "{fewer}");
    }

    #[test]
    fn a_preemption_too_few_is_reported() {
        let programs = [vec![Op::Store(0), Op::Load(0)], vec![Op::Store(0)]];
        for (bound, cut) in [(0, true), (2, false)] {
            let mut search = Search::new(Bound::Preemptions(bound), false);
            loop {
                run(&programs, &mut search);
                if !search.next() {
                    break;
                }
            }
            assert_eq!(search.cut, cut);
        }
    }

    #[test]
    fn a_lost_post_is_found_at_zero_preemptions() {
        // Two waits for one post.
        let programs = [vec![Op::Wait(0), Op::Post(1)], vec![Op::Wait(0)], vec![Op::Post(0)]];
        let (all, _) = ends(&programs, Bound::Preemptions(0), true);
        assert!(all.iter().any(|end| end.2[0]) && all.iter().any(|end| end.2[1]));
    }

    #[test]
    fn a_program_that_changes_its_mind_is_noticed() {
        let mut search = Search::new(Bound::Unbounded, true);
        let stores = vec![Op::Store(0); 2];
        run(&[stores.clone(), stores], &mut search);
        assert!(search.next());
        run(&[vec![Op::Sleep], vec![Op::Sleep]], &mut search);
        assert!(search.diverged);
    }

    fn op() -> impl Strategy<Value = Op> {
        prop_oneof![
            (0..2_usize).prop_map(Op::Load),
            (0..2_usize).prop_map(Op::Store),
            (0..2_usize).prop_map(Op::Post),
            (0..2_usize).prop_map(Op::Wait),
            Just(Op::Sleep),
        ]
    }

    fn bound() -> impl Strategy<Value = Bound> {
        prop_oneof![
            (0..4_u32).prop_map(Bound::Preemptions),
            (0..4_u32).prop_map(Bound::Delays),
            Just(Bound::Unbounded),
        ]
    }

    /// Also in a debug build a few seconds; with SOAK, more.
    fn config() -> ProptestConfig {
        let cases = if std::env::var_os("SOAK").is_some() { 400 } else { 40 };
        ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(cases) }
    }

    proptest! {
        #![proptest_config(config())]
        /// With a bound or without: leaving orders out leaves no end out.
        #[test]
        fn no_end_is_missed(
            programs in prop::collection::vec(prop::collection::vec(op(), 1..4), 2..4),
            bound in bound(),
        ) {
            let (all, runs) = ends(&programs, bound, false);
            let (found, fewer) = ends(&programs, bound, true);
            prop_assert_eq!(found, all);
            prop_assert!(fewer <= runs);
        }
    }
}
