//! A schedule: who moved where more than one could, in a string short enough to be typed.
//!
//! `a3b2a` is three moves of a, two of b, one of a. Programs and their children are named a, b, c in
//! the order of their births. `b!` is time passing for b: its sleep, its timeout or its alarm ends.
//! Moves that nobody could have made otherwise are not written down; when the string is at its end,
//! who moved last goes on as long as it can.

use std::fmt;
use std::str::FromStr;

/// One choice.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Turn {
    /// The name of who moves: 0 is a.
    pub letter: u8,
    /// Time passes for it, instead of a move of its own.
    pub time: bool,
}

/// A list of choices.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Schedule(pub Vec<Turn>);

/// As many processes and threads as there are letters.
pub const MOST: usize = 26;

/// The name of the n-th that was born.
pub fn letter(n: u8) -> char {
    (b'a' + n.min(MOST as u8 - 1)) as char
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("-");
        }
        for run in self.0.chunk_by(|a, b| a == b) {
            let Turn { letter, time } = run[0];
            write!(f, "{}{}", self::letter(letter), if time { "!" } else { "" })?;
            if run.len() > 1 {
                write!(f, "{}", run.len())?;
            }
        }
        Ok(())
    }
}

impl FromStr for Schedule {
    type Err = String;

    fn from_str(text: &str) -> Result<Schedule, String> {
        let wrong = || format!("'{text}' is no schedule; one looks like a3b2a or b!a");
        let mut turns = vec![];
        let mut rest = text.trim();
        if rest == "-" {
            return Ok(Schedule(turns));
        }
        while let Some(first) = rest.bytes().next() {
            if !first.is_ascii_lowercase() {
                return Err(wrong());
            }
            rest = &rest[1..];
            let time = rest.starts_with('!');
            rest = rest.strip_prefix('!').unwrap_or(rest);
            let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
            let (number, tail) = rest.split_at(digits);
            let times: usize = if digits == 0 { 1 } else { number.parse().map_err(|_| wrong())? };
            if times == 0 || turns.len() + times > 1_000_000 {
                return Err(wrong());
            }
            turns.extend(std::iter::repeat_n(Turn { letter: first - b'a', time }, times));
            rest = tail;
        }
        if turns.is_empty() { Err(wrong()) } else { Ok(Schedule(turns)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_printed_can_be_read() {
        for text in ["-", "a", "a3b2a", "b!a12", "a!2c"] {
            assert_eq!(text.parse::<Schedule>().map(|s| s.to_string()), Ok(text.to_string()));
        }
        for text in ["", "A", "a0", "3", "a-", "ä", "a99999999999999999999"] {
            assert!(text.parse::<Schedule>().is_err(), "{text}");
        }
    }
}
