//! The rules of a section, as `labs/4.x/rules.toml` has them: data, which a teacher may change. A mistake in the file
//! is one line with its place. notes/judged.md describes the file.

use std::collections::BTreeMap;
use std::path::Path;

use nix::errno::Errno;
use say::tell;
use screen::words::{chinese, pairs};
use serde::{Deserialize, Serialize};

/// A whole file.
#[derive(Deserialize, Debug)]
#[serde(deny_unknown_fields)]
pub struct Rules {
    pub section: String,
    /// Of the note.
    pub title: String,
    /// The note, from the workbook's folder.
    pub note: String,
    pub run: Run,
    /// Calls that are made to fail, and with which errno.
    #[serde(default)]
    pub fails: BTreeMap<String, String>,
    #[serde(default, rename = "input")]
    pub inputs: Vec<Input>,
    /// The root causes first.
    #[serde(rename = "rule")]
    pub rules: Vec<Rule>,
    /// For a rule that holds, by its name: what a student is asked, and then where to look.
    #[serde(default)]
    pub hint: BTreeMap<String, Hint>,
}

/// Two of the three levels of help; the third is the student's own run.
#[derive(Deserialize, Clone, Debug)]
#[serde(deny_unknown_fields)]
pub struct Hint {
    pub ask: String,
    pub look: String,
}

/// How the program is run, and what it must print.
#[derive(Deserialize, Debug)]
#[serde(deny_unknown_fields)]
pub struct Run {
    /// `{message}` stands for each of the messages.
    pub arguments: Vec<String>,
    /// It runs once more at the same time, with these: the client of a server.
    #[serde(default)]
    pub beside: Option<Vec<String>>,
    /// In some orders it may give up, with a message and a code that is not 0: its waits have a limit.
    #[serde(default)]
    pub gives_up: bool,
    /// Who may wait for ever if the others have failed, or were stopped: a server waits for its next client.
    #[serde(default)]
    pub waits: Vec<String>,
    pub prints: Vec<String>,
    /// How many messages, from and to; how long, in bytes.
    pub messages: [u64; 2],
    pub bytes: [u64; 2],
    /// They are numbers.
    #[serde(default)]
    pub digits: bool,
    #[serde(default = "two")]
    pub preemptions: u32,
    #[serde(default = "many")]
    pub runs: u64,
}

fn two() -> u32 {
    2
}

fn many() -> u64 {
    20_000
}

/// Arguments beside the usual ones.
#[derive(Deserialize, Debug)]
#[serde(deny_unknown_fields)]
pub struct Input {
    pub name: String,
    /// `{41}` stands for a word of 41 bytes, `{word}` for one of each of the sizes.
    pub arguments: Vec<String>,
    #[serde(default)]
    pub beside: Option<Vec<String>>,
    #[serde(default)]
    pub prints: Vec<String>,
    /// It is tried once for each.
    #[serde(default)]
    pub sizes: Vec<Size>,
    /// `must`, `may`, `never`
    pub refuses: Refuses,
}

/// How long a word is: `"128"`, `"segment+1"`, `"longest"`.
#[derive(Deserialize, Clone, Copy, PartialEq, Eq, Debug)]
#[serde(try_from = "String")]
pub enum Size {
    /// So many bytes.
    Bytes(u64),
    /// So many more than the segment has that the program asked for.
    Segment(i64),
    /// As long as a word can be that the program does not refuse.
    Longest,
}

impl TryFrom<String> for Size {
    type Error = String;

    fn try_from(text: String) -> Result<Size, String> {
        let more =
            text.strip_prefix("segment").map(|more| if more.is_empty() { "0" } else { more });
        match (text.as_str(), more.map(str::parse), text.parse()) {
            ("longest", ..) => Ok(Size::Longest),
            (_, Some(Ok(more)), _) => Ok(Size::Segment(more)),
            (_, _, Ok(bytes)) => Ok(Size::Bytes(bytes)),
            _ => Err(format!("{text} is no size: 128, segment, segment-1, segment+1, longest")),
        }
    }
}

/// May the program refuse an input, with a message and an exit code that is not 0?
#[derive(Deserialize, Clone, Copy, PartialEq, Eq, Debug)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)]
pub enum Refuses {
    Must,
    May,
    Never,
}

/// What a finding is.
#[derive(Deserialize, Serialize, Clone, Copy, PartialEq, Eq, Debug)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs)]
pub enum Class {
    Defect,
    Style,
    NotTheExercise,
    Cheating,
}

impl Class {
    /// For people.
    pub fn name(self) -> &'static str {
        match self {
            Class::Defect => "defect",
            Class::Style => "style",
            Class::NotTheExercise => "not the exercise",
            Class::Cheating => "cheating",
        }
    }
}

/// One rule.
#[derive(Deserialize, Clone, Debug)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    pub id: String,
    pub class: Class,
    /// The step of the note.
    pub step: String,
    #[serde(default = "one")]
    pub points: u32,
    /// False: a teacher has switched it off.
    #[serde(default = "yes")]
    pub on: bool,
    pub when: When,
    pub title: String,
    pub expected: String,
    pub why: String,
    /// Where to look in the source, if no call of the run says so: the first line that has one of these.
    #[serde(default)]
    pub near: Vec<String>,
    /// What is said where it does not hold, …
    pub passed: String,
    /// … if one of these calls was made at all.
    #[serde(default)]
    pub about: Vec<String>,
}

fn one() -> u32 {
    1
}

fn yes() -> bool {
    true
}

/// When a rule holds: all that is given must be so.
#[derive(Deserialize, Clone, Default, Debug)]
#[serde(deny_unknown_fields)]
pub struct When {
    /// Patterns of calls of the first run: all of these were made …
    #[serde(default)]
    pub seen: Vec<String>,
    /// … and none of these …
    #[serde(default)]
    pub missing: Vec<String>,
    /// … and the first was made before the second …
    #[serde(default)]
    pub before: Vec<String>,
    /// … and one of these was made fewer times than this …
    #[serde(default)]
    pub fewer: BTreeMap<String, usize>,
    /// … and one of these failed …
    #[serde(default)]
    pub failed: Vec<String>,
    /// … and none of these failed, although one should have.
    #[serde(default)]
    pub unfailed: Vec<String>,
    /// And there is a fact with all of these: `found`, `in`, …, each one of some values.
    #[serde(default)]
    pub fact: BTreeMap<String, OneOf>,
}

/// One value, or one of several.
#[derive(Deserialize, Clone, Debug)]
#[serde(untagged)]
pub enum OneOf {
    /// One.
    This(String),
    /// One of several.
    These(Vec<String>),
}

impl OneOf {
    pub fn has(&self, value: &str) -> bool {
        match self {
            OneOf::This(one) => one == value,
            OneOf::These(all) => all.iter().any(|one| one == value),
        }
    }
}

impl Rules {
    /// Reads and checks a file. The error is one line, with its place.
    pub fn read(path: &Path) -> Result<Rules, String> {
        let name = path.display();
        let text = std::fs::read_to_string(path).map_err(|error| format!("{name}: {error}"))?;
        let mut rules: Rules = toml::from_str(&text).map_err(|error| {
            let at = error.span().map_or(0, |span| span.start);
            let line = text[..at.min(text.len())].matches('\n').count() + 1;
            format!("{name}:{line}: {}", error.message().lines().next().unwrap_or_default())
        })?;
        rules.check(&text, path).map_err(|(line, why)| format!("{name}:{line}: {why}"))?;
        if chinese() {
            rules.speak(&catalogue(path));
        }
        Ok(rules)
    }

    /// Each sentence becomes what it is in the reader's language. One that a teacher has changed has no translation any
    /// more, and stays as it is.
    fn speak(&mut self, words: &BTreeMap<String, String>) {
        let rules = self.rules.iter_mut().flat_map(|rule| {
            let Rule { step, title, expected, why, passed, .. } = rule;
            [step, title, expected, why, passed]
        });
        let hints = self.hint.values_mut().flat_map(|hint| [&mut hint.ask, &mut hint.look]);
        let inputs = self.inputs.iter_mut().map(|input| &mut input.name);
        for text in rules.chain(hints).chain(inputs).chain([&mut self.title]) {
            if let Some(said) = words.get(text) {
                text.clone_from(said);
            }
        }
        let name = self.note.rsplit('/').next().unwrap_or_default();
        self.note = format!("notes/zh/{name}");
    }

    fn check(&self, text: &str, path: &Path) -> Result<(), (usize, String)> {
        let line =
            |word: &str| text.lines().position(|line| line.contains(word)).map_or(1, |n| n + 1);
        for (n, rule) in self.rules.iter().enumerate() {
            let at = line(&format!("\"{}\"", rule.id));
            if self.rules[..n].iter().any(|one| one.id == rule.id) {
                return Err((at, format!("two rules are called {}", rule.id)));
            }
            let when = &rule.when;
            if !matches!(when.before.len(), 0 | 2) {
                return Err((at, format!("{}: `before` takes two calls", rule.id)));
            }
            let empty =
                when.seen.len() + when.missing.len() + when.before.len() + when.unfailed.len();
            if empty + when.failed.len() + when.fewer.len() + when.fact.len() == 0 {
                return Err((at, format!("{}: `when` is empty", rule.id)));
            }
        }
        if path.parent().and_then(Path::file_name).is_none_or(|name| name != self.section.as_str())
        {
            return Err((
                line("section"),
                format!("the folder is not that of section {}", self.section),
            ));
        }
        for (call, name) in &self.fails {
            if errno(name).is_none() {
                return Err((line(call), format!("{name} is no errno")));
            }
        }
        let ranges = [self.run.messages, self.run.bytes];
        if ranges.iter().any(|[from, to]| from > to || *to > 1 << 16) {
            return Err((line("[run]"), "messages and bytes: from and to".into()));
        }
        Ok(())
    }
}

/// What the sentences of a file are in Chinese: the catalogue beside it, and that of all sections.
fn catalogue(path: &Path) -> BTreeMap<String, String> {
    let all = path.ancestors().skip(1).take(2);
    let texts = all.filter_map(|folder| std::fs::read_to_string(folder.join("rules.zh.txt")).ok());
    let pairs = |text: String| -> Vec<_> {
        pairs(&text).map(|(english, chinese)| (english.into(), chinese.into())).collect()
    };
    texts.flat_map(pairs).collect()
}

/// Where a step stands: `3` is a step of the section's own note; `4.7, step 4` is another's, and so is `4.8, Every way
/// out`, a heading.
pub fn where_in(step: &str, note: &str) -> String {
    match step {
        "" => note.into(),
        step if step.chars().all(|one| one.is_ascii_digit()) => tell!("step {step} of {note}"),
        step if step.starts_with("4.") => tell!("section {step}"),
        heading => tell!("\"{heading}\" in {note}"),
    }
}

/// The errno of this name.
pub fn errno(name: &str) -> Option<Errno> {
    (1..134).map(Errno::from_raw).find(|one| format!("{one:?}") == name)
}
