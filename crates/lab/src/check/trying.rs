//! What an instrument is to try: the usual arguments, others, and words of all sizes.

use std::path::Path;

use screen::words::translated;

use super::evidence::{Output, Trying};
use super::payload::{Chance, filled};
use super::rules::{Input, Rules, Size};

/// No program of an exercise takes a longer word.
const LONGEST: u64 = 1 << 16;

/// What every run of the program has in common.
pub struct Usual {
    pub trying: Trying,
    messages: Vec<String>,
}

impl Usual {
    /// For an instrument. `work`: where the program is; the messages come from the seed.
    pub fn new(rules: &Rules, instrument: &str, work: &Path, seed: u64) -> Usual {
        let run = &rules.run;
        let mut chance = Chance::new(seed);
        let count = chance.between(run.messages);
        let messages: Vec<String> = (0..count)
            .map(|_| {
                let bytes = chance.between(run.bytes);
                chance.word(bytes, run.digits)
            })
            .collect();
        let trying = Trying {
            instrument: instrument.into(),
            program: work.join("program").to_string_lossy().into_owned(),
            arguments: filled(&run.arguments, &messages),
            beside: run.beside.as_ref().map(|all| filled(all, &messages)),
            prints: Some(filled(&run.prints, &messages)),
            preemptions: run.preemptions,
            runs: run.runs,
            gives_up: run.gives_up,
            waits: run.waits.clone(),
            fails: rules.fails.iter().map(|(call, name)| (call.clone(), name.clone())).collect(),
            ..Trying::default()
        };
        Usual { trying, messages }
    }

    /// The same, with another standard output.
    pub fn with(&self, output: Output) -> Trying {
        Trying {
            output,
            prints: None,
            input: translated(output.name()).into(),
            ..self.trying.clone()
        }
    }

    /// Other arguments; `size`: of the word in them.
    pub fn input(&self, input: &Input, size: Option<u64>) -> Trying {
        let size = size.unwrap_or(0);
        let word = format!("{{{size}}}");
        let sized = |all: &[String]| -> Vec<String> {
            let all: Vec<String> = all.iter().map(|one| one.replace("{word}", &word)).collect();
            filled(&all, &self.messages)
        };
        Trying {
            arguments: sized(&input.arguments),
            beside: input.beside.as_deref().map(sized),
            prints: Some(sized(&input.prints)),
            input: input.name.replace("{size}", &size.to_string()),
            refuses: format!("{:?}", input.refuses).to_lowercase(),
            ..self.trying.clone()
        }
    }
}

/// The sizes of a word that are tried, one after the other: those that are named, and then, by halves, the longest one
/// that the program takes.
pub struct Sizes {
    left: Vec<u64>,
    wants_longest: bool,
    /// The longest that was taken, and the shortest that was not.
    taken: u64,
    refused: u64,
}

impl Sizes {
    /// Those of an input. `segment`: how large a segment the program has asked for.
    pub fn of(input: &Input, segment: Option<u64>) -> Sizes {
        let size = |size: &Size| match size {
            Size::Bytes(bytes) => Some(*bytes),
            Size::Segment(more) => segment?.checked_add_signed(*more),
            Size::Longest => None,
        };
        let mut left: Vec<u64> = input.sizes.iter().filter_map(size).collect();
        left.retain(|size| *size <= LONGEST);
        left.sort_unstable();
        left.dedup();
        let wants_longest = input.sizes.contains(&Size::Longest);
        Sizes { left, wants_longest, taken: 0, refused: u64::MAX }
    }

    /// A word of this size was taken, or was not.
    pub fn is(&mut self, size: u64, taken: bool) {
        match taken {
            true => self.taken = self.taken.max(size),
            false => self.refused = self.refused.min(size),
        }
    }

    /// The next one.
    pub fn next(&mut self) -> Option<u64> {
        if !self.left.is_empty() {
            return Some(self.left.remove(0));
        }
        let between = self.refused.saturating_sub(self.taken) > 1 && self.refused != u64::MAX;
        (self.wants_longest && between).then(|| self.taken + (self.refused - self.taken) / 2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tried(sizes: &[&str], segment: Option<u64>, longest: u64) -> Vec<u64> {
        let sizes: Vec<Size> =
            sizes.iter().map(|one| Size::try_from(one.to_string()).expect("a size")).collect();
        let input = Input {
            name: String::new(),
            arguments: vec![],
            beside: None,
            prints: vec![],
            sizes,
            refuses: super::super::rules::Refuses::May,
        };
        let (mut sizes, mut all) = (Sizes::of(&input, segment), vec![]);
        while let Some(size) = sizes.next() {
            sizes.is(size, size <= longest);
            all.push(size);
        }
        all
    }

    #[test]
    fn sizes_are_those_of_the_segment() {
        let around = ["segment-1", "segment", "segment+1", "127", "4096"];
        assert_eq!(tried(&around, Some(128), 127), [127, 128, 129, 4096]);
        assert_eq!(tried(&around, None, 127), [127, 4096]);
    }

    #[test]
    fn the_longest_word_that_is_taken_is_found_by_halves() {
        let all = tried(&["4096", "longest"], None, 100);
        assert!(all.contains(&100) && all.contains(&101), "{all:?}");
        assert!(all.len() < 16, "{all:?}");
        assert_eq!(tried(&["4096", "longest"], None, 10_000), [4096]);
    }
}
