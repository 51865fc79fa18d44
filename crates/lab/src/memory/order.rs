//! Which access certainly came before which, in one run: vector clocks. Two accesses to the same bytes by
//! two threads, at least one a store, that nothing orders, are a race.
//!
//! What orders: a birth, an end and the wait for it, a signal, and each use of the same semaphore, queue,
//! pipe, lock or futex. Likewise bytes that somebody locks or spins on; these do not race.

use std::collections::{BTreeMap, HashMap};

use super::{Bytes, Thing};
use crate::tracer::source::Code;

/// Of each thread, how much of what it did is known.
pub type Clock = Vec<u32>;

/// Accesses are kept by blocks of so many bytes; those of whole pages by pages.
const BLOCK: u64 = 64;
const PAGE: u64 = 4096;

/// An access.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Side {
    pub bytes: Bytes,
    /// Whose: its place among those that were born.
    pub who: usize,
    pub writes: bool,
    /// Only the page is known.
    pub coarse: bool,
    /// By what.
    pub code: Code,
}

/// Two accesses that nothing orders, the one that came first in front.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Race {
    pub sides: [Side; 2],
}

impl Race {
    /// The bytes that both touch.
    pub fn bytes(&self) -> Bytes {
        let [one, other] = self.sides.map(|side| side.bytes);
        Bytes { memory: one.memory, from: one.from.max(other.from), to: one.to.min(other.to) }
    }
}

struct Seen {
    side: Side,
    at: u32,
}

/// See the module.
#[derive(Default)]
pub struct Order {
    clocks: Vec<Clock>,
    things: HashMap<Thing, Clock>,
    words: HashMap<Bytes, Clock>,
    /// By memory and block; and those of which only the page is known, by memory and page.
    seen: BTreeMap<(u64, u64), Vec<Seen>>,
    coarse: BTreeMap<(u64, u64), Vec<Seen>>,
}

fn join(clock: &mut Clock, other: &Clock) {
    clock.resize(clock.len().max(other.len()), 0);
    clock.iter_mut().zip(other).for_each(|(one, other)| *one = (*one).max(*other));
}

impl Order {
    fn clock(&mut self, who: usize) -> &mut Clock {
        while self.clocks.len() <= who {
            let n = self.clocks.len();
            let mut clock = vec![0; n + 1];
            clock[n] = 1;
            self.clocks.push(clock);
        }
        &mut self.clocks[who]
    }

    fn tick(&mut self, who: usize) {
        self.clock(who)[who] += 1;
    }

    /// A thread is new.
    pub fn born(&mut self, maker: usize, child: usize) {
        let known = self.clock(maker).clone();
        join(self.clock(child), &known);
        self.tick(maker);
    }

    /// A call looks at these things, or changes them.
    pub fn call(&mut self, who: usize, made: impl Iterator<Item = (Thing, bool)>) {
        let orders = |(thing, _): &(Thing, bool)| {
            !matches!(
                thing,
                Thing::Pids
                    | Thing::Shm(_)
                    | Thing::Segments
                    | Thing::Resident
                    | Thing::Heeds(_)
                    | Thing::Queued
                    | Thing::Time
                    | Thing::Printed
                    | Thing::Memory(_)
            )
        };
        let made: Vec<(Thing, bool)> = made.filter(orders).collect();
        for (thing, _) in &made {
            self.hears(who, *thing);
        }
        for (thing, _) in made.iter().filter(|(_, changes)| *changes) {
            let clock = self.clock(who).clone();
            join(self.things.entry(*thing).or_default(), &clock);
        }
        self.tick(who);
    }

    /// Something reaches it of what others did with this.
    pub fn hears(&mut self, who: usize, thing: Thing) {
        let known = self.things.iter().filter(|(one, _)| thing.meets(**one));
        let known: Vec<Clock> = known.map(|(_, clock)| clock.clone()).collect();
        known.iter().for_each(|clock| join(self.clock(who), clock));
    }

    /// What a thread knows when it makes a store that others see later.
    pub fn knows(&mut self, who: usize) -> Clock {
        let clock = self.clock(who).clone();
        self.tick(who);
        clock
    }

    /// They see it now, in bytes that order others.
    pub fn publishes(&mut self, bytes: Bytes, knew: &Clock) {
        join(self.words.entry(bytes).or_default(), knew);
    }

    /// An access to bytes that order others.
    pub fn orders(&mut self, side: Side, reads: bool) {
        let who = side.who;
        if reads {
            let known = self.words.iter().filter(|(bytes, _)| bytes.meets(&side.bytes));
            let known: Vec<Clock> = known.map(|(_, clock)| clock.clone()).collect();
            known.iter().for_each(|clock| join(self.clock(who), clock));
        }
        if side.writes {
            let clock = self.clock(who).clone();
            join(self.words.entry(side.bytes).or_default(), &clock);
        }
        self.tick(who);
    }

    /// Any other access: with which does it race?
    pub fn access(&mut self, side: Side) -> Vec<Race> {
        self.clock(side.who);
        let clock = &self.clocks[side.who];
        let mut races = vec![];
        let within = |size: u64| {
            let Bytes { memory, from, to } = side.bytes;
            (memory, from / size)..(memory, to.div_ceil(size))
        };
        let near = self.seen.range(within(BLOCK)).chain(self.coarse.range(within(PAGE)));
        for one in near.flat_map(|(_, seen)| seen) {
            let known = clock.get(one.side.who).is_some_and(|known| *known >= one.at);
            let clash = one.side.who != side.who && (one.side.writes || side.writes);
            let race = Race { sides: [one.side, side] };
            if clash && !known && one.side.bytes.meets(&side.bytes) && !races.contains(&race) {
                races.push(race);
            }
        }
        let (all, size) =
            if side.coarse { (&mut self.coarse, PAGE) } else { (&mut self.seen, BLOCK) };
        for block in side.bytes.from / size..side.bytes.to.div_ceil(size) {
            let seen = all.entry((side.bytes.memory, block)).or_default();
            let same = |one: &&mut Seen| Side { code: side.code, ..one.side } == side;
            match seen.iter_mut().find(same) {
                Some(one) => (one.side, one.at) = (side, clock[side.who]),
                None => seen.push(Seen { side, at: clock[side.who] }),
            }
        }
        races
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn side(who: usize, writes: bool) -> Side {
        Side {
            bytes: Bytes { memory: 0, from: 4, to: 8 },
            who,
            writes,
            coarse: false,
            code: Code::default(),
        }
    }

    fn changes(thing: Thing) -> impl Iterator<Item = (Thing, bool)> {
        std::iter::once((thing, true))
    }

    #[test]
    fn what_nothing_orders_races() {
        let mut order = Order::default();
        order.born(0, 1);
        assert!(order.access(side(0, true)).is_empty());
        assert_eq!(order.access(side(1, false)).len(), 1);
        assert!(order.access(side(1, false)).len() == 1 && order.access(side(0, false)).is_empty());
    }

    #[test]
    fn a_page_races_with_a_part_of_it() {
        let page = |who| Side {
            bytes: Bytes { memory: 0, from: 0, to: PAGE },
            coarse: true,
            ..side(who, true)
        };
        let next =
            |who| Side { bytes: Bytes { memory: 0, from: PAGE, to: PAGE + 4 }, ..side(who, true) };
        for [first, second] in [[page(0), side(1, false)], [side(0, false), page(1)]] {
            let mut order = Order::default();
            order.born(0, 1);
            assert!(order.access(first).is_empty());
            assert_eq!(order.access(second).len(), 1);
            assert!(order.access(next(1)).is_empty());
        }
    }

    #[test]
    fn a_semaphore_orders_and_another_does_not() {
        for (semaphore, races) in [(0, 0), (1, 1)] {
            let mut order = Order::default();
            order.born(0, 1);
            assert!(order.access(side(0, true)).is_empty());
            order.call(0, changes(Thing::Semaphore(7, 0)));
            order.call(1, changes(Thing::Semaphore(7, semaphore)));
            assert_eq!(order.access(side(1, true)).len(), races);
        }
    }

    #[test]
    fn what_comes_after_a_signal_is_not_before_it() {
        let mut order = Order::default();
        order.born(0, 1);
        order.call(0, changes(Thing::Process(1)));
        assert!(order.access(side(0, true)).is_empty());
        order.hears(1, Thing::Process(1));
        assert_eq!(order.access(side(1, false)).len(), 1);
    }

    #[test]
    fn a_word_that_orders_orders_the_rest() {
        let flag =
            |who, writes| Side { bytes: Bytes { memory: 0, from: 0, to: 4 }, ..side(who, writes) };
        let mut order = Order::default();
        order.born(0, 1);
        assert!(order.access(side(0, true)).is_empty());
        order.orders(flag(0, true), false);
        order.orders(flag(1, false), true);
        assert!(order.access(side(1, false)).is_empty());
    }
}
