//! What the audience sees, whatever it is drawn with.

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
    /// What is to be said now.
    pub says: &'a [String],
}

/// Draws, and hears.
pub trait Front {
    /// Shows what there is to see now.
    fn show(&mut self, view: &View);
    /// The next key; `None`: there will be none.
    fn key(&mut self) -> Option<Key>;
}

/// The commands, as `?` lists them.
pub const HELP: [(&str, &str); 9] = [
    ("space, Enter", "the first in line moves"),
    ("1, 2, …", "that choice; also its capital letter: A, B"),
    ("t", "time passes: a sleep, a limit or an alarm ends"),
    ("c", "run on, until other processes can move than now"),
    ("b", "back by one move"),
    ("g N, Enter", "to step N"),
    ("r", "restart"),
    ("?", "this list"),
    ("q", "quit"),
];

/// What is asked at the bottom.
pub fn question(view: &View) -> String {
    match (view.asks, view.ended) {
        (Some(asks), _) => asks.into(),
        (None, Some(_)) => "It is over. b: back, r: restart, q: quit".into(),
        (None, None) => "Who moves next?".into(),
    }
}
