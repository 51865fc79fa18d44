//! A finding, as a compiler would show it: at most 8 lines and 80 columns.

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

use super::instruments::seen::short;
use super::judge::Verdict;
use super::matching::Holds;
use super::rules::Class;

const COLUMNS: usize = 80;
/// So much of it stands in front of a line of the source.
const MARGIN: usize = 10;

/// A finding, ready to be shown in any format.
pub struct Shown {
    pub id: String,
    pub class: Class,
    pub step: String,
    pub title: String,
    pub expected: String,
    pub why: String,
    pub happened: Vec<String>,
    /// The file and the line, from 1.
    pub place: Option<(String, usize)>,
    /// The command that shows the run again.
    pub replay: Option<String>,
}

impl Shown {
    /// The n-th finding, from 1, in words.
    pub fn of(verdict: &Verdict, holds: &Holds, n: usize) -> Shown {
        let rule = &holds.rule;
        let words = |text: &str| filled(text, holds);
        let mut happened = holds.fact.as_ref().map_or(vec![], |fact| fact.happened.clone());
        if happened.is_empty() {
            happened.extend(not_made(&rule.when.missing));
        }
        if let (true, Some(did)) = (happened.is_empty(), &holds.did) {
            happened.push(did.line.clone());
        }
        happened.truncate(2);
        let happened: Vec<String> = happened.iter().map(|line| short(line)).collect();
        let schedule = holds.fact.as_ref().map_or(&verdict.first.schedule, |fact| &fact.schedule);
        let replay =
            schedule.as_ref().map(|_| format!("lab check {} --replay {n}", verdict.section));
        Shown {
            id: rule.id.clone(),
            class: rule.class,
            step: rule.step.clone(),
            title: words(&rule.title),
            expected: words(&rule.expected),
            why: words(&rule.why),
            happened,
            place: place(verdict, holds),
            replay,
        }
    }

    /// As text. `colours`: for a terminal.
    pub fn text(&self, verdict: &Verdict, colours: bool) -> String {
        let level = if self.class == Class::Style { Level::WARNING } else { Level::ERROR };
        let class = match self.class {
            Class::Defect => String::new(),
            other => format!(" ({})", other.name()),
        };
        let room = COLUMNS - "warning[]: ".len() - self.id.chars().count();
        let class = if self.title.chars().count() + class.len() > room { "" } else { &class };
        let title = format!("{}{class}", self.title);
        let title = level.primary_title(title.as_str()).id(self.id.as_str());
        let mut group = Group::with_title(title);
        let source = self.place.as_ref().and_then(|(file, line)| {
            let (_, text) = verdict.files.iter().find(|(name, _)| name == file)?;
            Some((file, *line, cut(text.lines().nth(line - 1)?)))
        });
        let expected = format!("expected: {}", self.expected);
        let mut says_expected = false;
        if let Some((file, line, text)) = &source {
            let (line, text) = (*line, text.as_str());
            let span = underlined(text);
            let column = text[..span.start].chars().count() + span.len();
            says_expected = column + expected.chars().count() + MARGIN <= COLUMNS;
            let label = if says_expected { expected.as_str() } else { "" };
            let mark = AnnotationKind::Primary.span(span).label(label);
            let snippet = Snippet::source(text).line_start(line).path(shown_path(verdict, file));
            group = group.element(snippet.annotation(mark));
        }
        let mut happened = self.happened.clone();
        if !says_expected {
            happened.truncate(1);
            group =
                group.element(Level::NOTE.with_name("expected").message(self.expected.as_str()));
        }
        let happened = happened.join("\n");
        if !happened.is_empty() {
            group = group.element(Level::NOTE.with_name("happened").message(happened.as_str()));
        }
        let step =
            if self.step.is_empty() { String::new() } else { format!(" (step {})", self.step) };
        let why = format!("{}{step}", self.why);
        group = group.element(Level::NOTE.with_name("why").message(why.as_str()));
        if let Some(replay) = &self.replay {
            group = group.element(Level::NOTE.with_name("replay").message(replay.as_str()));
        }
        let renderer = if colours { Renderer::styled() } else { Renderer::plain() };
        let text = renderer.term_width(COLUMNS).render(&[group]);
        // Rows that hold nothing but the margin.
        let says = |line: &&str| {
            let bare = strip(line);
            !bare.trim().chars().all(|letter| letter == '|')
        };
        text.lines().filter(says).map(|line| format!("{}\n", line.trim_end())).collect()
    }
}

/// Without colours.
fn strip(line: &str) -> String {
    let mut bare = String::new();
    let mut inside = false;
    for letter in line.chars() {
        match letter {
            '\u{1b}' => inside = true,
            'm' if inside => inside = false,
            _ if inside => {}
            other => bare.push(other),
        }
    }
    bare
}

/// A line of the source that is not too wide to be shown.
fn cut(line: &str) -> String {
    let line = line.replace('\t', "    ");
    let wide = line.char_indices().nth(COLUMNS - MARGIN);
    wide.map_or(line.clone(), |(at, _)| format!("{}…", &line[..at]))
}

fn shown_path(verdict: &Verdict, file: &str) -> String {
    match verdict.files.len() {
        1 => verdict.source.clone(),
        _ => format!("{}/{file}", verdict.source.trim_end_matches('/')),
    }
}

/// What of a line is underlined: all but the spaces around it, and a remark.
fn underlined(line: &str) -> std::ops::Range<usize> {
    let start = line.len() - line.trim_start().len();
    let end = line.find("/*").or(line.find("//")).filter(|at| *at > start).unwrap_or(line.len());
    let end = line[..end].trim_end().len().max(start);
    start..end
}

/// Where to look: by the run, or by the words of the rule, or where the program begins.
fn place(verdict: &Verdict, holds: &Holds) -> Option<(String, usize)> {
    let source = holds.fact.as_ref().and_then(|fact| fact.source.as_ref());
    // Of a call that is missing, nothing that was made says where it belongs.
    let did = holds.did.as_ref().filter(|_| holds.rule.when.missing.is_empty());
    let source = source.or(did.and_then(|did| did.source.as_ref()));
    if let Some((file, line)) = source.and_then(|source| source.rsplit_once(':'))
        && let Ok(line) = line.parse()
    {
        let named = |name: &String| name == file || name.ends_with(&format!("/{file}"));
        if let Some((name, _)) = verdict.files.iter().find(|(name, _)| named(name)) {
            return Some((name.clone(), line));
        }
    }
    if source.is_some() {
        return None;
    }
    let begin = ["int main(".to_string(), "fn main(".to_string()];
    holds.rule.near.iter().chain(&begin).find_map(|word| {
        verdict.files.iter().find_map(|(name, text)| {
            let at = text.lines().position(|line| line.contains(word.as_str()))?;
            Some((name.clone(), at + 1))
        })
    })
}

/// `{call}` and its like become what the fact says.
fn filled(text: &str, holds: &Holds) -> String {
    let mut text = text.to_string();
    for (name, values) in holds.fact.iter().flat_map(|fact| &fact.is) {
        text = text.replace(&format!("{{{name}}}"), values.first().map_or("", String::as_str));
    }
    if let Some(did) = &holds.did {
        text = text.replace("{call}", &did.name);
        text = text.replace("{errno}", did.errno.as_deref().unwrap_or_default());
    }
    text
}

/// `no process calls shmget`, `process a stores nothing`
fn not_made(patterns: &[String]) -> Option<String> {
    let first = patterns.first()?.split_whitespace().next().unwrap_or_default();
    let (who, name) = first.split_once(':').map_or((None, first), |(who, name)| (Some(who), name));
    let who = who.map_or("no process".to_string(), |who| format!("process {who} never"));
    Some(match name {
        "store" => format!("{who} writes into the segment"),
        "load" => format!("{who} reads the segment"),
        name => format!("{who} calls {name}"),
    })
}
