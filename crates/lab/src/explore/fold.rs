//! A long story, without its repetitions: a student must find the line that decided.

use colored::Colorize;
use say::tell;

/// One moment of a story, as it is printed.
pub struct Part {
    /// What stands before each of its rows, with its colour.
    pub lane: String,
    /// Its rows.
    pub text: String,
    /// It is the one that decided: it is always printed.
    pub marked: bool,
}

/// So many moments may repeat themselves together.
const LONGEST: usize = 12;
/// A repetition that would save fewer moments is printed.
const WORTH: usize = 4;
/// Of what is still longer, so many moments at the start, at the end, and on both sides of the one that decided.
const START: usize = 60;
const END: usize = 120;
const AROUND: usize = 20;

/// All parts, one after the other; a repetition only once, and from a very long story what matters.
pub fn fold(parts: &[Part]) -> String {
    let folded = repetitions(parts);
    let marked = folded.iter().position(|(_, marked)| *marked);
    let near = |at: usize| {
        at < START
            || at + END >= folded.len()
            || marked.is_some_and(|mark| at.abs_diff(mark) <= AROUND)
    };
    let (mut text, mut left_out) = (String::new(), 0);
    for (at, (part, _)) in folded.iter().enumerate() {
        if near(at) {
            text += part;
            continue;
        }
        left_out += 1;
        if near(at + 1) {
            text += &format!(
                "{}\n",
                tell!("… {} more lines; --json prints all", grouped(left_out)).dimmed()
            );
            left_out = 0;
        }
    }
    text
}

/// The parts without their repetitions, each with whether it is marked.
fn repetitions(parts: &[Part]) -> Vec<(String, bool)> {
    let equal = |a: &Part, b: &Part| a.text == b.text && !a.marked && !b.marked;
    let (mut folded, mut at) = (vec![], 0);
    while at < parts.len() {
        let times = |period: usize| {
            let same =
                parts[at..].iter().zip(&parts[at + period..]).take_while(|(a, b)| equal(a, b));
            1 + same.count() / period
        };
        let longest = LONGEST.min((parts.len() - at) / 2);
        let found = (1..=longest).map(|period| (period, times(period)));
        let found = found.filter(|(period, times)| (times - 1) * period >= WORTH);
        // The one that saves most; of equal ones the shortest.
        let best = found.max_by_key(|(period, times)| ((times - 1) * period, usize::MAX - period));
        let (period, times) = best.unwrap_or((1, 1));
        let shown = &parts[at..at + period];
        folded.extend(shown.iter().map(|part| (part.text.clone(), part.marked)));
        if times > 1 {
            let last = &shown[period - 1];
            let times = grouped(times - 1);
            let row = match period {
                1 => tell!("… the same {times} times more"),
                _ => tell!("… these {period} lines {times} times more"),
            };
            folded.push((format!("{}   {}\n", last.lane, row.dimmed()), false));
        }
        at += period * times;
    }
    folded
}

/// `4,991`
fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn story(lines: &[&str], marked: usize) -> Vec<Part> {
        let part = |(i, line): (usize, &&str)| Part {
            lane: "a 100 │".into(),
            text: format!("{line}\n"),
            marked: i == marked,
        };
        lines.iter().enumerate().map(part).collect()
    }

    #[test]
    fn a_repetition_is_printed_once() {
        let lines = [&["first"][..], &["write", "read"].repeat(4992), &["last"]].concat();
        let text = fold(&story(&lines, 0));
        assert_eq!(text, "first\nwrite\nread\na 100 │   … these 2 lines 4,991 times more\nlast\n");
        assert_eq!(fold(&story(&["a", "a", "a", "b"], 9)), "a\na\na\nb\n");
    }

    #[test]
    fn the_moment_that_decided_is_never_folded() {
        let text = fold(&story(&["same"; 100], 50));
        let rows: Vec<&str> = text.lines().collect();
        assert_eq!(rows.len(), 5, "{text}");
        assert_eq!(
            (rows[1], rows[4]),
            ("a 100 │   … the same 49 times more", "a 100 │   … the same 48 times more")
        );
    }

    #[test]
    fn a_long_story_without_repetitions_keeps_what_matters() {
        let lines: Vec<String> = (0..50_000).map(|i| format!("line {i}")).collect();
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        let text = fold(&story(&lines, 30_000));
        for part in ["line 0\n", "line 29990\n", "line 30000\n", "line 49999\n", "more lines"] {
            assert!(text.contains(part), "{part}");
        }
        assert!(text.lines().count() < 300);
    }
}
