//! What is typed, or played from a script.

use std::collections::VecDeque;
use std::time::Duration;

use super::tty::{self, Input, LOOK};

/// So long an Escape waits for what may follow it: a key that has no letter sends more.
const BEHIND: Duration = Duration::from_millis(50);

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
    /// A line that is not whole yet.
    line: Vec<u8>,
}

impl Source {
    /// Those of a script, and then no more.
    pub fn script(text: &str) -> Source {
        Source { keys: text.chars().map(key).collect(), goes_on: false, line: vec![] }
    }

    /// Standard input, a line at a time: an empty line is Enter.
    pub fn lines() -> Source {
        Source { keys: VecDeque::new(), goes_on: true, line: vec![] }
    }

    /// The next one, once it is there; `None`: there are no more.
    pub fn next(&mut self) -> Option<Key> {
        while self.keys.is_empty() && self.goes_on {
            match tty::typed(LOOK) {
                Input::Bytes(bytes) => self.line.extend(bytes),
                Input::Nothing => {}
                Input::Over => self.goes_on = false,
            }
            while let Some(end) = self.line.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.line.drain(..=end).collect();
                self.hears(&String::from_utf8_lossy(&line[..end]), true);
            }
            if !self.goes_on {
                let line = std::mem::take(&mut self.line);
                self.hears(&String::from_utf8_lossy(&line), false);
            }
        }
        self.keys.pop_front()
    }

    fn hears(&mut self, text: &str, whole: bool) {
        self.keys.extend(text.chars().map(key));
        let number = text.chars().last().is_some_and(|one| one.is_ascii_digit());
        // Behind `1` it would be a second choice; behind `g12` it is the end of the number.
        if whole && (text.is_empty() || number && text.len() > 1) {
            self.keys.push_back(Key::Enter);
        }
    }
}

/// What a terminal sends, key by key.
#[derive(Default)]
pub struct Typed(Vec<u8>);

impl Typed {
    /// The next key, within so much time. The error: there will be none.
    pub fn next(&mut self, most: Duration) -> Result<Option<Key>, ()> {
        if let Some(key) = self.whole(false) {
            return Ok(Some(key));
        }
        let begun = !self.0.is_empty();
        match tty::typed(if begun { BEHIND } else { most }) {
            Input::Bytes(bytes) => self.0.extend(bytes),
            Input::Nothing => return Ok(self.whole(begun)),
            Input::Over => return Err(()),
        }
        Ok(self.whole(false))
    }

    /// The first key that is whole. `alone`: nothing follows what there is.
    fn whole(&mut self, alone: bool) -> Option<Key> {
        while let Some((length, key)) = first(&self.0, alone) {
            self.0.drain(..length);
            if key.is_some() {
                return key;
            }
        }
        None
    }
}

/// How many bytes the first key has, and which one it is, if we know it; `None`: it is not whole.
fn first(bytes: &[u8], alone: bool) -> Option<(usize, Option<Key>)> {
    let one = *bytes.first()?;
    let rest = &bytes[1..];
    match (one, rest.first()) {
        (0x1b, None) => alone.then_some((1, Some(Key::Escape))),
        (0x1b, Some(b'[' | b'O')) => sequence(bytes, alone),
        (0x1b, Some(0x1b)) => Some((1, Some(Key::Escape))),
        // With Alt a key is what it is without.
        (0x1b, Some(_)) => Some((1, None)),
        (b'\r' | b'\n', _) => Some((1, Some(Key::Enter))),
        (0x7f | 0x08, _) => Some((1, Some(Key::Backspace))),
        // Ctrl-C and Ctrl-L.
        (0x03, _) => Some((1, Some(Key::Char('q')))),
        (0x0c, _) => Some((1, Some(Key::Redraw))),
        (..b' ', _) => Some((1, None)),
        _ => {
            let length = match one {
                0xc0..=0xdf => 2,
                0xe0..=0xef => 3,
                0xf0..=0xf7 => 4,
                _ => 1,
            };
            let letter = match std::str::from_utf8(&bytes[..length.min(bytes.len())]) {
                Ok(text) => text.chars().next(),
                Err(error) if error.error_len().is_none() => {
                    return alone.then_some((bytes.len(), None));
                }
                Err(_) => None,
            };
            Some((letter.map_or(1, char::len_utf8), letter.map(Key::Char)))
        }
    }
}

/// An arrow, or another key that we do not know: Escape, `[` or `O`, numbers, a letter.
fn sequence(bytes: &[u8], alone: bool) -> Option<(usize, Option<Key>)> {
    let is_end = |byte: &u8| !(b' '..=b'?').contains(byte);
    // On the console F1 is `[[A`.
    let from = if bytes.get(1..3) == Some(b"[[") { 3 } else { 2 };
    let Some(end) = bytes.iter().skip(from).position(is_end).map(|at| at + from) else {
        return alone.then_some((bytes.len(), None));
    };
    let key = match (bytes[end], bytes[1]) {
        (b'D', _) if from == 2 => Some(Key::Char('b')),
        (b'C', _) if from == 2 => Some(Key::Char(' ')),
        (b'M', b'O') => Some(Key::Enter),
        // What cannot belong to it begins another key.
        (..b' ' | 0x7f.., _) => return Some((end, None)),
        _ => None,
    };
    Some((end + 1, key))
}

fn key(char: char) -> Key {
    match char {
        ';' | '\n' => Key::Enter,
        '\u{7f}' => Key::Backspace,
        '\u{1b}' => Key::Escape,
        char => Key::Char(char),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(bytes: &[u8], alone: bool) -> Vec<Key> {
        let mut typed = Typed(bytes.to_vec());
        std::iter::from_fn(|| typed.whole(alone)).collect()
    }

    #[test]
    fn a_terminal_s_bytes_are_keys() {
        for (bytes, known) in [
            (&b"c2A"[..], vec![Key::Char('c'), Key::Char('2'), Key::Char('A')]),
            (b"\x1b[C\x1b[D\x1bOC\x1bOD", "\u{20}b\u{20}b".chars().map(Key::Char).collect()),
            (b"\x1b[1;5D", vec![Key::Char('b')]),
            (b"\x1b[15~\x1bOP\x1b[[Ax", vec![Key::Char('x')]),
            (b"\x1bc", vec![Key::Char('c')]),
            (b"\r\n\x7f\x08", vec![Key::Enter, Key::Enter, Key::Backspace, Key::Backspace]),
            (b"\x03\x0c\x04\x13", vec![Key::Char('q'), Key::Redraw]),
            ("内".as_bytes(), vec![Key::Char('内')]),
            (b"\xff\xe5x", vec![Key::Char('x')]),
            (b"\x1b[\x03", vec![Key::Char('q')]),
        ] {
            assert_eq!(keys(bytes, false), known, "{bytes:?}");
            // However it is cut.
            for cut in 0..bytes.len() {
                let mut typed = Typed(bytes[..cut].to_vec());
                let mut heard: Vec<Key> = std::iter::from_fn(|| typed.whole(false)).collect();
                typed.0.extend(&bytes[cut..]);
                heard.extend(std::iter::from_fn(|| typed.whole(false)));
                assert_eq!(heard, known, "{bytes:?} cut at {cut}");
            }
        }
        assert_eq!((keys(b"\x1b", false), keys(b"\x1b", true)), (vec![], vec![Key::Escape]));
        assert_eq!((keys(b"\x1b[", true), keys(b"\xe5\x86", true)), (vec![], vec![]));
        assert_eq!(keys(b"\x1b\x1b", true), [Key::Escape, Key::Escape]);
    }

    #[test]
    fn whatever_is_typed_is_heard_to_its_end() {
        let mut rng = fastrand::Rng::with_seed(16);
        for _ in 0..20_000 {
            let some = b"\x1b[O;19ADC~x\xe5\x86\x85\x03\r";
            let bytes: Vec<u8> =
                (0..rng.usize(..9)).map(|_| some[rng.usize(..some.len())]).collect();
            let mut typed = Typed(bytes.clone());
            while typed.whole(true).is_some() {}
            assert!(typed.0.is_empty(), "{bytes:?}");
        }
    }
}
