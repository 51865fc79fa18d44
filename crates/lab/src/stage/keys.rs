//! What is typed, or played from a script.

use std::collections::VecDeque;
use std::io::{self, BufRead};

/// A key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Key {
    Char(char),
    Enter,
    Backspace,
    Escape,
    /// The terminal has another size: nothing was typed.
    Redraw,
}

/// Where keys come from, for who has no keyboard that is read key by key.
pub struct Source {
    keys: VecDeque<Key>,
    /// More can be read, line by line.
    goes_on: bool,
}

impl Source {
    /// Those of a script, and then no more.
    pub fn script(text: &str) -> Source {
        Source { keys: text.chars().map(key).collect(), goes_on: false }
    }

    /// Standard input, a line at a time: an empty line is Enter.
    pub fn lines() -> Source {
        Source { keys: VecDeque::new(), goes_on: true }
    }

    /// The next one, once it is there; `None`: there are no more.
    pub fn next(&mut self) -> Option<Key> {
        if self.keys.is_empty() && self.goes_on {
            let mut line = String::new();
            match io::stdin().lock().read_line(&mut line) {
                Ok(1..) => {
                    let text = line.trim_end_matches('\n');
                    self.keys.extend(text.chars().map(key));
                    let whole = line.ends_with('\n');
                    let number = text.chars().last().is_some_and(|one| one.is_ascii_digit());
                    // Behind `1` it would be a second choice; behind `g12` it is the end of the number.
                    if whole && (text.is_empty() || number && text.len() > 1) {
                        self.keys.push_back(Key::Enter);
                    }
                }
                _ => self.goes_on = false,
            }
        }
        self.keys.pop_front()
    }
}

fn key(char: char) -> Key {
    match char {
        ';' | '\n' => Key::Enter,
        '\u{7f}' => Key::Backspace,
        '\u{1b}' => Key::Escape,
        char => Key::Char(char),
    }
}
