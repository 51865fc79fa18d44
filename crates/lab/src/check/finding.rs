//! A finding, as a compiler would show it: at most 8 lines and 80 columns.

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use say::tell;
use screen::width;
use screen::words::translated;

use super::instruments::seen::short;
use super::judge::Verdict;
use super::matching::Holds;
use super::rules::Class;

const COLUMNS: usize = 80;
const LINES: usize = 8;
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
    /// A finding in words. `replay`: the command that runs it again.
    pub fn of(verdict: &Verdict, holds: &Holds, replay: String) -> Shown {
        let rule = &holds.rule;
        let mut happened = holds.fact.as_ref().map_or(vec![], |fact| fact.happened.clone());
        if happened.is_empty() {
            happened.extend(not_made(&rule.when.missing));
        }
        if let (true, Some(did)) = (happened.is_empty(), &holds.did) {
            happened.push(did.line.clone());
        }
        happened.truncate(2);
        Shown {
            id: rule.id.clone(),
            class: rule.class,
            step: rule.step.clone(),
            title: holds.title(),
            expected: also(holds.filled(&rule.expected), &holds.also),
            why: holds.filled(&rule.why),
            happened: happened.iter().map(|line| short(line)).collect(),
            place: place(verdict, holds),
            replay: verdict.again(holds).map(|_| replay),
        }
    }

    /// As text. `colours`: for a terminal.
    pub fn text(&self, verdict: &Verdict, colours: bool) -> String {
        let level = match self.class {
            Class::Style => Level::WARNING.with_name(translated("warning")),
            _ => Level::ERROR.with_name(translated("error")),
        };
        let title = &self.title;
        let with_class = match self.class {
            Class::Defect => title.clone(),
            other => tell!("{title} ({})", translated(other.name())),
        };
        let room = COLUMNS - "warning[]: ".len() - self.id.chars().count();
        let title = if width(&with_class) > room { title } else { &with_class };
        let title = level.primary_title(title.as_str()).id(self.id.as_str());
        let mut group = Group::with_title(title);
        let source = self.place.as_ref().and_then(|(file, line)| {
            let (_, text) = verdict.files.iter().find(|(name, _)| name == file)?;
            Some((file, *line, cut(text.lines().nth(line - 1)?)))
        });
        let expected = tell!("expected: {}", self.expected);
        let mut says_expected = false;
        if let Some((file, line, text)) = &source {
            let (line, text) = (*line, text.as_str());
            let span = underlined(text);
            let column = width(&text[..span.end]);
            says_expected = column + width(&expected) + MARGIN <= COLUMNS;
            let label = if says_expected { expected.as_str() } else { "" };
            let mark = AnnotationKind::Primary.span(span).label(label);
            let snippet = Snippet::source(text).line_start(line).path(shown_path(verdict, file));
            group = group.element(snippet.annotation(mark));
        }
        let why = &self.why;
        let why = match self.step.as_str() {
            "" => why.clone(),
            step if step.chars().all(|one| one.is_ascii_digit()) => tell!("{why} (step {step})"),
            step if step.starts_with("4.") => tell!("{why} ({step})"),
            heading => tell!("{why} (note, {heading})"),
        };
        let why = Some(wrapped("why", &why));
        let expected = (!says_expected).then(|| wrapped("expected", &self.expected));
        let mut happened = self.happened.clone();
        let lines = 1 + if source.is_some() { 3 } else { 0 };
        let notes = expected.iter().chain(&why).map(|text| text.lines().count()).sum::<usize>();
        let others = usize::from(self.replay.is_some());
        happened.truncate(LINES.saturating_sub(lines + notes + others).max(1));
        let happened = Some(happened.join("\n")).filter(|text| !text.is_empty());
        for (name, text) in [("expected", &expected), ("happened", &happened), ("why", &why)] {
            if let Some(text) = text {
                let name = translated(name);
                group = group.element(Level::NOTE.with_name(name).message(text.as_str()));
            }
        }
        if let Some(replay) = &self.replay {
            group =
                group.element(Level::NOTE.with_name(translated("replay")).message(replay.as_str()));
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

/// The text of a note, on as many rows as it needs.
fn wrapped(name: &str, text: &str) -> String {
    // Of a line of the source with three digits.
    let room = COLUMNS - "    = : ".len() - width(translated(name));
    screen::wrap(text, room, 0).join("\n")
}

/// What is expected, and where else: `…, also at line 57`; `…, also at lines 57, 61 and 2 more`
fn also(expected: String, places: &[String]) -> String {
    let line = |place: &String| {
        place.rsplit_once(':').map_or(place.as_str(), |(_, line)| line).to_string()
    };
    let lines: Vec<String> = places.iter().take(2).map(line).collect();
    let (more, lines) = (places.len() - lines.len(), lines.join(", "));
    match (places.len(), more) {
        (0, _) => expected,
        (1, _) => tell!("{expected}, also at line {lines}"),
        (_, 0) => tell!("{expected}, also at lines {lines}"),
        _ => tell!("{expected}, also at lines {lines} and {more} more"),
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
    match screen::start(&line, COLUMNS - MARGIN) {
        whole if whole.len() == line.len() => line,
        start => format!("{start}…"),
    }
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
    let word = |word: &String| {
        verdict.files.iter().find_map(|(name, text)| {
            let at = text.lines().position(|line| line.contains(word.as_str()))?;
            Some((name.clone(), at + 1))
        })
    };
    let near = &holds.rule.near;
    let fact = holds.fact.as_ref().and_then(|fact| fact.source.as_ref());
    // Of a call that is missing, the skeleton says where it belongs; else it is near one that was made.
    let missing = !holds.rule.when.missing.is_empty();
    let todo = near.iter().filter(|word| missing && word.starts_with("TODO")).find_map(word);
    if fact.is_none() && todo.is_some() {
        return todo;
    }
    let source = fact.or(holds.did.as_ref().and_then(|did| did.source.as_ref()));
    if let Some((file, line)) = source.and_then(|source| source.rsplit_once(':'))
        && let Ok(line) = line.parse()
    {
        let named = |name: &String| name == file || name.ends_with(&format!("/{file}"));
        if let Some((name, _)) = verdict.files.iter().find(|(name, _)| named(name)) {
            return Some((name.clone(), line));
        }
    }
    // It is in a library; the words of the rule may know who has called that.
    if source.is_some() {
        return near.iter().find_map(word);
    }
    let begin = ["int main(".to_string(), "fn main(".to_string()];
    near.iter().chain(&begin).find_map(word)
}

/// `no process calls shmget`, `process a never writes into the segment`, `no process calls shmget with IPC_EXCL`
fn not_made(patterns: &[String]) -> Option<String> {
    let mut words = patterns.first()?.split_whitespace();
    let first = words.next().unwrap_or_default();
    let (who, name) = first.split_once(':').map_or((None, first), |(who, name)| (Some(who), name));
    let with = words.collect::<Vec<&str>>().join(" ");
    Some(match (who, name) {
        (None, "store") => translated("no process writes into the segment").into(),
        (None, "load") => translated("no process reads the segment").into(),
        (None, name) if with.is_empty() => tell!("no process calls {name}"),
        (None, name) => tell!("no process calls {name} with {with}"),
        (Some(who), "store") => tell!("process {who} never writes into the segment"),
        (Some(who), "load") => tell!("process {who} never reads the segment"),
        (Some(who), name) if with.is_empty() => tell!("process {who} never calls {name}"),
        (Some(who), name) => tell!("process {who} never calls {name} with {with}"),
    })
}
