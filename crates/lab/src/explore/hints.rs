//! What was ordered, and what was not; which accesses to shared memory nothing orders.

use say::tell;
use screen::words::translated;
use serde_json::json;

use super::footprint::Bytes;
use super::run::{Early, Race, World};
use super::schedule::letter;
use super::verdict::{RaceSide, Raced, place};
use crate::view::{NOTHING_ORDERS, orders_others, paragraph};

const CALLS_ORDERED: &str = "Ordered: visible calls, signals and the passing of time, one process or thread at a \
time. Not ordered: plain loads and stores between two calls; calls of which no other process can notice \
anything, which were not stopped for.";

const ORDERED: &str = "Ordered: visible calls, signals, the passing of time, and accesses to shared memory, \
one process or thread at a time. Not ordered: memory of one process alone, also between its threads; what \
happens inside one instruction; stores that another processor sees late (--tso orders these, too, as on x86); what \
only processors with a weaker order than x86 do; calls of which no other process can notice anything, which were not \
stopped for.";

const STORES_ORDERED: &str = "Ordered: visible calls, signals, the passing of time, accesses to shared memory, \
and the moment at which each store leaves the store buffer of its thread, as on x86; one at a time. Not ordered: \
memory of one process alone, also between its threads; what happens inside one instruction; what only \
processors with a weaker order than x86 do; calls of which no other process can notice anything, which were not stopped for.";

const EARLY: &str = " Some stores left the buffer before they had to: it was emptied where a thread went on for \
1,000 instructions, or 48 stores, before its next load of what others store.";

const OVERLAP: &str =
    " A thread loaded bytes of which only a part was in its buffer: it was emptied first.";

const UNWATCHED: &str =
    " Some shared memory could not be watched: its accesses are not ordered either.";

const COUNTS: &str =
    " One that looks at the same memory very often, and counts, was held until it changed.";

/// So many races are shown.
const RACES: usize = 4;

/// What was seen of shared memory.
#[derive(Default)]
pub struct Memory {
    /// Accesses to it were not looked at.
    calls_only: bool,
    unwatched: bool,
    /// Stores wait in a buffer; and some have left it early.
    buffers: bool,
    early: Early,
    /// One counted how often it looked, and was held.
    counts: bool,
    /// Accesses that nothing orders.
    races: Vec<Raced>,
    /// Bytes that are taken to order others.
    ordering: Vec<Bytes>,
}

impl Memory {
    /// As a world knows it at the end.
    pub fn of(world: &mut World) -> Memory {
        let races: Vec<_> = world.learned.races.iter().copied().collect();
        let mut all: Vec<Raced> = vec![];
        for race in &races {
            let mut one = told(world, race);
            one.sides.sort_by_key(|side| side.letter);
            if !all.contains(&one) {
                all.push(one);
            }
        }
        let ordering = world.learned.ordering().collect();
        Memory {
            calls_only: !world.watches(),
            unwatched: world.unwatched,
            buffers: world.buffers(),
            early: world.early,
            counts: world.learned.knows_counting(),
            races: all,
            ordering,
        }
    }

    /// What was ordered, and what was not.
    pub fn ordered(&self) -> String {
        let text = match (self.calls_only, self.buffers) {
            (true, _) => CALLS_ORDERED,
            (_, true) => STORES_ORDERED,
            (..) => ORDERED,
        };
        let more = [
            (self.unwatched && !self.calls_only, UNWATCHED),
            (self.early.limit, EARLY),
            (self.early.overlap, OVERLAP),
            (self.counts, COUNTS),
        ];
        let more = more.into_iter().filter(|(is_so, _)| *is_so).map(|(_, more)| more);
        std::iter::once(text).chain(more).map(translated).collect()
    }

    pub fn paragraphs(&self) -> String {
        let mut text = String::new();
        if !self.races.is_empty() {
            text += &paragraph(translated(NOTHING_ORDERS), 0);
        }
        for race in self.races.iter().take(RACES) {
            text += &paragraph(&format!("  {race}"), 4);
        }
        if self.races.len() > RACES {
            let more = self.races.len() - RACES;
            text += &paragraph(&tell!("  … {more} more; --json prints all"), 4);
        }
        if !self.ordering.is_empty() {
            let all: Vec<String> = self.ordering.iter().map(|one| place(*one)).collect();
            text += &paragraph(&orders_others(&all), 2);
        }
        text
    }

    pub fn json(&self) -> serde_json::Value {
        let side = |side: &RaceSide| json!({"who": letter(side.letter), "writes": side.writes, "source": side.source});
        let race = |race: &Raced| json!({"place": place(race.bytes), "sides": race.sides.each_ref().map(side)});
        let races: Vec<_> = self.races.iter().map(race).collect();
        let ordering: Vec<_> = self.ordering.iter().map(|one| place(*one)).collect();
        json!({"watched": !self.calls_only, "unwatched": self.unwatched, "tso": self.buffers,
               "drained_early": self.early.limit || self.early.overlap,
               "races": races, "ordering": ordering})
    }
}

/// A race as it is told: the bytes that both touch, and who touches them.
pub fn told(world: &mut World, race: &Race) -> Raced {
    let sides = race.sides.map(|side| RaceSide {
        letter: side.who,
        writes: side.writes,
        source: world.sources.line(side.code),
    });
    Raced { bytes: race.bytes(), sides }
}
