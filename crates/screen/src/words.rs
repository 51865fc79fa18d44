//! What a sentence is in the reader's language. The English sentence, where it stands in the source, is the
//! key; its translation stands in `zh.txt` of the lab that prints it.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{LazyLock, OnceLock};

use clap::Command;
use clap::builder::StyledStr;

use crate::out::complain;

/// The catalogues: those of the labs, and that of what all of them print.
const CATALOGUES: [&str; 11] = [
    include_str!("../../../labs/zh.txt"),
    include_str!("../../../labs/4.1/zh.txt"),
    include_str!("../../../labs/4.2/zh.txt"),
    include_str!("../../../labs/4.3/zh.txt"),
    include_str!("../../../labs/4.4/zh.txt"),
    include_str!("../../../labs/4.5/zh.txt"),
    include_str!("../../../labs/4.6/zh.txt"),
    include_str!("../../../labs/4.7/zh.txt"),
    include_str!("../../../labs/4.8/zh.txt"),
    include_str!("../../../labs/4.9/zh.txt"),
    include_str!("../../../labs/4.10/zh.txt"),
];

/// The catalogue of a program that is no lab, if it has one; what it says of a sentence comes first.
static OWN: OnceLock<&str> = OnceLock::new();

/// This program has a catalogue of its own. It is called before the first sentence is looked up.
pub fn own(catalogue: &'static str) {
    // A second one is that of the same program.
    let _ = OWN.set(catalogue);
}

/// A sentence that is printed: a literal is translated, what was made from one already is as it is.
pub trait Sentence {
    /// The sentence in the reader's language.
    fn said(self) -> Cow<'static, str>;
}

impl Sentence for &'static str {
    fn said(self) -> Cow<'static, str> {
        translated(self).into()
    }
}

impl Sentence for &String {
    fn said(self) -> Cow<'static, str> {
        self.clone().into()
    }
}

impl Sentence for String {
    fn said(self) -> Cow<'static, str> {
        self.into()
    }
}

/// The sentence in the reader's language; in English where it has no translation.
pub fn translated(english: &str) -> &str {
    static WORDS: LazyLock<HashMap<&str, &str>> =
        LazyLock::new(|| CATALOGUES.iter().chain(OWN.get()).flat_map(|text| pairs(text)).collect());
    if chinese() { WORDS.get(english).copied().unwrap_or(english) } else { english }
}

/// The sentence in the reader's language, with its values. A value has the name that stands between the
/// braces of the sentence, all of it; those without a name come in turn.
pub fn filled(english: &str, values: &[(&str, String)]) -> String {
    let (mut text, mut used) = (String::new(), vec![false; values.len()]);
    let mut rest = translated(english);
    while let Some(at) = rest.find(['{', '}']) {
        text += &rest[..at];
        let place = rest[at..].strip_prefix('{').and_then(|rest| rest.split_once('}'));
        match place.filter(|(place, _)| !place.starts_with('{')) {
            Some((place, behind)) => {
                let free = |i: &usize| values[*i].0 == place && !used[*i];
                let any = || values.iter().position(|value| value.0 == place);
                if let Some(i) = (0..values.len()).find(free).or_else(any) {
                    used[i] = true;
                    text += &values[i].1;
                }
                rest = behind;
            }
            // Two braces are one.
            None => {
                text += &rest[at..=at];
                rest = rest.get(at + 2..).unwrap_or_default();
            }
        }
    }
    text + rest
}

/// Between the parts of a list.
pub fn comma() -> &'static str {
    if chinese() { "，" } else { ", " }
}

/// The same, where a part may have commas itself.
pub fn semicolon() -> &'static str {
    if chinese() { "；" } else { "; " }
}

/// What clap prints of a command in its help, translated.
pub fn of_command(command: Command) -> Command {
    check_locale();
    let words =
        |text: Option<&StyledStr>| text.map(|text| translated(&text.to_string()).to_string());
    let (about, after) = (words(command.get_about()), words(command.get_after_help()));
    let command = command.mut_args(|arg| match words(arg.get_help()) {
        Some(help) => arg.help(help),
        None => arg,
    });
    let command = command.mut_subcommands(of_command);
    command.about(about.unwrap_or_default()).after_help(after.unwrap_or_default())
}

/// The sentences of a catalogue: English, and indented below it what it is in Chinese.
pub fn pairs(catalogue: &str) -> impl Iterator<Item = (&str, &str)> {
    let lines = catalogue.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let mut english = "";
    lines.filter_map(move |line| match line.strip_prefix("    ") {
        Some(chinese) => Some((english, chinese)),
        None => {
            english = line;
            None
        }
    })
}

/// Is English said, whatever the reader's language?
static ENGLISH: AtomicBool = AtomicBool::new(false);

/// From now on English is said: programs read it, and for them it is the same in every language.
pub fn stay_english() {
    ENGLISH.store(true, Ordering::Relaxed);
}

/// What is made here is said in English: for a file that programs read.
pub fn in_english<T>(make: impl FnOnce() -> T) -> T {
    let before = ENGLISH.swap(true, Ordering::Relaxed);
    let made = make();
    ENGLISH.store(before, Ordering::Relaxed);
    made
}

/// Does the reader want Chinese? `LAB_LANG` says so, or else the locale.
pub fn chinese() -> bool {
    static CHINESE: LazyLock<bool> = LazyLock::new(|| {
        let wanted = wanted();
        wanted.starts_with("zh") && is_utf_8(&wanted)
    });
    *CHINESE && !ENGLISH.load(Ordering::Relaxed)
}

/// Says so where the locale asks for Chinese in an encoding that no lab prints.
pub fn check_locale() {
    let wanted = wanted();
    if wanted.starts_with("zh") && !is_utf_8(&wanted) {
        let why = format!("the locale {wanted} is not UTF-8, and a lab prints UTF-8");
        complain(&(why + "; set LAB_LANG=zh where the terminal is"));
    }
}

fn wanted() -> String {
    let set = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    ["LAB_LANG", "LC_ALL", "LC_MESSAGES", "LANG"].into_iter().find_map(set).unwrap_or_default()
}

fn is_utf_8(locale: &str) -> bool {
    locale.split_once('.').is_none_or(|(_, encoding)| encoding.to_lowercase().starts_with("utf"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_come_by_name_or_in_turn() {
        let values = |list: &[(&'static str, &str)]| -> Vec<(&'static str, String)> {
            list.iter().map(|(name, value)| (*name, value.to_string())).collect()
        };
        assert_eq!(filled("no places", &[]), "no places");
        assert_eq!(filled("{} of {}", &values(&[("", "1"), ("", "2")])), "1 of 2");
        assert_eq!(filled("{b}{a:p}", &values(&[("a:p", "0x1"), ("b", "{a:p}")])), "{a:p}0x1");
        assert_eq!(filled("{{fd={fd}}}", &values(&[("fd", "3")])), "{fd=3}");
        assert_eq!(filled("{n}, {n}", &values(&[("n", "7"), ("n", "7")])), "7, 7");
    }

    #[test]
    fn a_catalogue_is_pairs() {
        let text = "# a comment\n\none\n    一\n\ntwo {n}\n    二 {n}\n";
        assert_eq!(pairs(text).collect::<Vec<_>>(), [("one", "一"), ("two {n}", "二 {n}")]);
    }
}
