//! A schedule: which process moved at each place where more than one could, in a short string.
//!
//! `a3b2a` is three moves of a, two of b, one of a. Programs and their children are named a, b, c
//! in the order of their births; after z come aa, ab, and so on, which are written `.aa1`: with a
//! dot before them, and always with a number. `b!` is time passing for b: its sleep, its timeout or
//! its alarm ends. `b~` is the oldest store in b's store buffer, which others see from then on. Moves without an alternative are not written down. At the end of the string, the
//! process that moved last goes on as long as it can. `+` at its beginning: sleepers matter
//! (`run::blocked`), so to fall asleep is a move there. `@0:0-4,8-12` at its end: accesses to these bytes of
//! memory 0 are moves, too (`run::shared`); `;` stands before another memory. `@~` instead of `@`: stores to
//! these bytes wait in a buffer (`run::shared::buffer`); `@~~`: for longer.

use std::fmt;
use std::str::FromStr;

use super::footprint::Bytes;

/// Who makes a move of a process or thread.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum Who {
    Itself,
    /// Time, which ends its sleep, its timeout or its alarm.
    Time,
    /// Its store buffer: the oldest store reaches the memory.
    Buffer,
}

impl Who {
    /// Does time move?
    pub fn is_time(self) -> bool {
        self == Who::Time
    }

    /// Behind a letter.
    fn mark(self) -> &'static str {
        match self {
            Who::Itself => "",
            Who::Time => "!",
            Who::Buffer => "~",
        }
    }
}

/// One choice.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Turn {
    /// The name of the process that moves: 0 is a.
    pub letter: usize,
    pub who: Who,
}

/// A list of choices.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Schedule {
    /// They.
    pub turns: Vec<Turn>,
    /// To fall asleep is a move, too.
    pub sleeps: bool,
    /// Stores wait in a buffer.
    pub buffers: bool,
    /// For longer.
    pub patient: bool,
    /// Bytes of shared memory before whose accesses others can move.
    pub points: Vec<Bytes>,
}

/// The name of the n-th that was born: a to z, aa, ab, and so on.
pub fn letter(n: usize) -> String {
    let last = char::from(b'a' + (n % 26) as u8);
    let before = if n < 26 { String::new() } else { letter(n / 26 - 1) };
    format!("{before}{last}")
}

/// The process with this name.
fn number(name: &str) -> Option<usize> {
    let digit = |all: usize, byte: u8| {
        all.checked_add(1)?.checked_mul(26)?.checked_add(usize::from(byte - b'a'))
    };
    let (first, rest) = name.as_bytes().split_first()?;
    rest.iter().try_fold(usize::from(first - b'a'), |all, byte| digit(all, *byte))
}

impl Schedule {
    /// Without the bytes, for people.
    pub fn short(&self) -> String {
        Schedule { points: vec![], ..self.clone() }.to_string()
    }
}

/// `0:0-4,8-12;1:0-8`
fn bytes(text: &str) -> Option<Vec<Bytes>> {
    let mut all = vec![];
    for part in text.split(';') {
        let (memory, ranges) = part.split_once(':')?;
        let memory = u64::from_str_radix(memory, 16).ok()?;
        for range in ranges.split(',') {
            let (from, to) = range.split_once('-')?;
            let (from, to) = (from.parse().ok()?, to.parse().ok()?);
            (from < to).then_some(())?;
            all.push(Bytes { memory, from, to });
        }
    }
    Some(all)
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        if self.sleeps {
            f.write_str("+")?;
        }
        if self.turns.is_empty() {
            f.write_str("-")?;
        }
        for run in self.turns.chunk_by(|a, b| a == b) {
            let Turn { letter, who } = run[0];
            let name = self::letter(letter);
            let long = name.len() > 1;
            write!(f, "{}{name}{}", if long { "." } else { "" }, who.mark())?;
            if long || run.len() > 1 {
                write!(f, "{}", run.len())?;
            }
        }
        for (n, all) in self.points.chunk_by(|a, b| a.memory == b.memory).enumerate() {
            let mark = match (n, self.buffers) {
                (0, false) => "@",
                (0, true) if self.patient => "@~~",
                (0, true) => "@~",
                _ => ";",
            };
            write!(f, "{mark}{:x}:", all[0].memory)?;
            let one = |bytes: &Bytes| format!("{}-{}", bytes.from, bytes.to);
            f.write_str(&all.iter().map(one).collect::<Vec<_>>().join(","))?;
        }
        Ok(())
    }
}

impl FromStr for Schedule {
    type Err = String;

    fn from_str(text: &str) -> Result<Schedule, String> {
        let wrong = || format!("'{text}' is not a schedule; examples: a3b2a, b!a");
        let mut turns: Vec<Turn> = vec![];
        let (all, points) = match text.trim().split_once('@') {
            Some((all, points)) => (all, Some(points)),
            None => (text.trim(), None),
        };
        let buffered = points.and_then(|points| points.strip_prefix('~'));
        let patient = buffered.and_then(|points| points.strip_prefix('~'));
        let points = match patient.or(buffered).or(points) {
            Some(points) => bytes(points).ok_or_else(wrong)?,
            None => vec![],
        };
        let (mut rest, sleeps) = all.strip_prefix('+').map_or((all, false), |rest| (rest, true));
        if rest == "-" {
            let (buffers, patient) = (buffered.is_some(), patient.is_some());
            return Ok(Schedule { turns, sleeps, buffers, patient, points });
        }
        while !rest.is_empty() {
            let long = rest.strip_prefix('.');
            rest = long.unwrap_or(rest);
            let letters = rest.bytes().take_while(u8::is_ascii_lowercase).count();
            let (name, tail) = rest.split_at(if long.is_some() { letters } else { letters.min(1) });
            let letter = number(name).ok_or_else(wrong)?;
            rest = tail;
            let marked = |who: &Who| rest.strip_prefix(who.mark());
            let who = [Who::Time, Who::Buffer].into_iter().find(|who| marked(who).is_some());
            let who = who.unwrap_or(Who::Itself);
            rest = marked(&who).unwrap_or(rest);
            let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
            let (number, tail) = rest.split_at(digits);
            let times: usize = if digits == 0 { 1 } else { number.parse().map_err(|_| wrong())? };
            if times == 0 || turns.len() + times > 1_000_000 || long.is_some() && digits == 0 {
                return Err(wrong());
            }
            turns.extend(std::iter::repeat_n(Turn { letter, who }, times));
            rest = tail;
        }
        let buffers = buffered.is_some() || turns.iter().any(|turn| turn.who == Who::Buffer);
        if turns.is_empty() {
            Err(wrong())
        } else {
            Ok(Schedule { turns, sleeps, buffers, patient: patient.is_some(), points })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_printed_can_be_read() {
        for text in [
            "-",
            "a",
            "a3b2a",
            "b!a12",
            "a!2c",
            "z.aa1a",
            ".ab!3.zz1.aaa12b",
            "+-",
            "+ab2",
            "-@0:0-4",
            "a3b@0:0-4,8-12;f:1-2",
            "a~2b~3.aa~1@~0:0-4",
            "-@~0:0-4;3:8-12",
            "ab~@~~0:0-4;3:8-12",
        ] {
            assert_eq!(text.parse::<Schedule>().map(|s| s.to_string()), Ok(text.to_string()));
        }
        for text in [
            "",
            "A",
            "a0",
            "3",
            "a-",
            "ä",
            "a99999999999999999999",
            ".aa",
            ".1",
            "a.",
            "+",
            "a+",
            "a@",
            "a@0",
            "a@0:4-4",
            "a@~",
            "a@~~",
            "a@~~~0:0-4",
            "a!~",
            "~",
        ] {
            assert!(text.parse::<Schedule>().is_err(), "{text}");
        }
    }
}
