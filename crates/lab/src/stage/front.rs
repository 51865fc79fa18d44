//! What the audience sees, whatever it is drawn with.

use screen::words::translated;

use super::acts::Acts;
use super::book::Setting;
use super::keys::Key;
use crate::explore::staged::{Outcome, Scene};

/// What there is to see.
pub struct View<'a> {
    pub setting: &'a Setting,
    pub scene: &'a Scene,
    pub acts: &'a Acts,
    /// How it ended, if it has.
    pub ended: Option<&'a Outcome>,
    /// What is asked, if it is not who moves next.
    pub asks: Option<&'a str>,
    /// What was typed so far, as an answer to that.
    pub typed: &'a str,
    /// How the orders from here end, if that is wanted.
    pub orders: Option<String>,
    /// What the room was asked.
    pub predicts: &'a [String],
    /// What is to be said now.
    pub says: &'a [String],
}

/// Draws, and hears.
pub trait Front {
    /// Shows what there is to see now.
    fn show(&mut self, view: &View);
    /// The next key; `None`: there will be none. `news`: is there more to show meanwhile?
    fn key(&mut self, news: &mut dyn FnMut() -> bool) -> Option<Key>;
    /// Does it wait for an answer rather than show how far it is?
    fn is_patient(&self) -> bool;
}

/// The commands, as `?` lists them.
pub const HELP: [(&str, &str); 11] = [
    ("space, Enter", "the first in line moves"),
    ("1, 2, …", "that choice; also its capital letter: A, B"),
    ("t", "time passes: a sleep, a limit or an alarm ends"),
    ("c", "run on, until other processes can move than now"),
    ("b", "back by one move"),
    ("g N, Enter", "to step N"),
    ("r", "restart"),
    ("o", "how many of the orders from here go wrong; again: no more"),
    ("p", "predict: ask the room, type its votes, then choose: the answer follows"),
    ("?", "this list"),
    ("q", "quit"),
];

/// What is asked at the bottom.
pub fn question(view: &View) -> String {
    match (view.asks, view.ended) {
        (Some(asks), _) => asks.into(),
        (None, Some(_)) => translated("It is over. b: back, r: restart, q: quit").into(),
        (None, None) => translated("Who moves next?").into(),
    }
}
