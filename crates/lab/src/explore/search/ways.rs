//! Orders that are known.

use super::place::first;
use super::{Guide, Mover, Place};
use crate::explore::footprint::Footprint;
use crate::explore::schedule::{Schedule, Turn};

/// The movers of a way that is known.
pub struct Way<'a>(std::slice::Iter<'a, Mover>);

impl<'a> Way<'a> {
    /// Follows it.
    pub fn new(order: &'a [Mover]) -> Way<'a> {
        Way(order.iter())
    }
}

impl Guide for Way<'_> {
    fn choose(&mut self, place: &Place) -> Option<usize> {
        match self.0.next() {
            Some(next) => place.movers.iter().position(|mover| mover == next),
            None => (!place.movers.is_empty()).then(|| first(place)),
        }
    }

    fn moved(&mut self, _: Footprint) {}
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
        if place.movers.len() <= 1 {
            return (!place.movers.is_empty()).then_some(0);
        }
        let Some(turn) = self.turns.next() else {
            return Some(first(place));
        };
        let meant =
            |i: &usize| place.letters[*i] == turn.letter && place.movers[*i].who == turn.who;
        let chosen = (0..place.movers.len()).find(meant);
        if chosen.is_none() {
            self.wrong = Some(turn);
        }
        chosen
    }

    fn moved(&mut self, _: Footprint) {}
}
