//! Messages that nobody can know before: as many, as long and of such letters as a number says.

/// The same numbers for the same seed. (xorshift, Marsaglia 2003)
pub struct Chance(u64);

impl Chance {
    pub fn new(seed: u64) -> Chance {
        Chance(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 >> 11
    }

    /// One of these numbers, both ends included.
    pub fn between(&mut self, [from, to]: [u64; 2]) -> u64 {
        from + self.next() % (to - from + 1)
    }

    /// A word of so many letters; `digits`: a number, which does not begin with 0.
    pub fn word(&mut self, bytes: u64, digits: bool) -> String {
        let letters: &[u8] =
            if digits { b"123456789" } else { b"abcdefghijklmnopqrstuvwxyz0123456789" };
        let letter = |_| char::from(letters[self.next() as usize % letters.len()]);
        (0..bytes).map(letter).collect()
    }
}

/// What a pattern of arguments or lines becomes: `{message}` is repeated for each message, `{41}` is a word of 41
/// bytes, `{count}` the number of messages.
pub fn filled(patterns: &[String], messages: &[String]) -> Vec<String> {
    let mut all = vec![];
    for pattern in patterns {
        let pattern = pattern.replace("{count}", &messages.len().to_string());
        if pattern.contains("{message}") {
            all.extend(messages.iter().map(|one| pattern.replace("{message}", one)));
        } else {
            all.push(sized(&pattern));
        }
    }
    all
}

fn sized(pattern: &str) -> String {
    let parts = pattern.split_once('{').and_then(|(front, rest)| {
        let (number, back) = rest.split_once('}')?;
        Some((front, number.parse::<usize>().ok()?, back))
    });
    parts.map_or(pattern.into(), |(front, bytes, back)| {
        let word: String = ('a'..='z').cycle().take(bytes).collect();
        format!("{front}{word}{back}")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_filled() {
        let all = |list: &[&str]| list.iter().map(|one| one.to_string()).collect::<Vec<_>>();
        let messages = all(&["x", "yz"]);
        assert_eq!(filled(&all(&["-n", "{message}"]), &messages), all(&["-n", "x", "yz"]));
        assert_eq!(filled(&all(&["got {count}", "{3}!"]), &messages), all(&["got 2", "abc!"]));
    }

    #[test]
    fn the_same_seed_says_the_same() {
        let words = |seed| Chance::new(seed).word(20, false);
        assert_eq!(words(7), words(7));
        assert_ne!(words(7), words(8));
    }
}
