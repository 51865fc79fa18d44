//! The answer: what was tried, what came of it, and the shortest run in which something was wrong.

use std::io::Write;

use colored::{Color, Colorize};
use say::tell;
use screen::words::{comma, translated};
use serde_json::json;

use super::events;
use super::hints::Memory;
use super::outcomes::{self, Counted, Outcomes};
use super::printed::Piece;
use super::run::Outcome;
use super::schedule::{Schedule, letter};
use super::search::Bound;
use super::verdict::{Finding, Line, Moment, Passed};
use super::{Options, Result, Trouble, cause, fold};
use crate::event::Call;
use crate::tracer::names;
use crate::tree::Tree;
use crate::view::text::wrap;
use crate::view::{PAGE, columns_of, paragraph};

/// What came of an exploration.
#[derive(Default)]
pub struct Answer {
    /// How often the programs ran.
    pub runs: u64,
    /// How many of them were started; the others were copies.
    pub starts: u64,
    /// How many of these were new, and seen to their end.
    pub schedules: u64,
    /// What came out.
    pub outcomes: Outcomes,
    /// The shortest run in which something was wrong, with its story.
    pub worst: Option<Outcome>,
    /// The shortest run in which nothing was, with its story: for `--json`.
    pub good: Option<Outcome>,
    /// Everything within the bound was tried.
    pub complete: bool,
    /// The signal that ended it before that.
    pub stopped: Option<i32>,
    /// More preemptions would have allowed more.
    pub cut: bool,
    /// Plans that were given up because the programs did something else each time.
    pub unstable: u64,
    /// Orders of which nobody can say whether something is wrong.
    pub not_judged: u64,
    pub seconds: f64,
    pub memory: Memory,
}

impl Answer {
    /// Of an exploration that has not begun.
    pub fn new(interleaving: bool) -> Answer {
        Answer { complete: true, outcomes: Outcomes::new(interleaving), ..Answer::default() }
    }
}

/// A space at which no row ends: that between `=` and a result.
pub const TIE: char = '\u{a0}';

/// The first line of `--json` says what it is. notes/events.md
const FORMAT: &str = "lab-run";
const VERSION: u64 = 1;

/// The width of standard output; without a terminal and without COLUMNS a call is one line.
fn columns() -> Option<usize> {
    columns_of(libc::STDOUT_FILENO)
}

/// Prints the answer of an exploration.
pub fn answer(options: &Options, answer: &Answer) -> Result<()> {
    let mut text = String::new();
    if options.json {
        let outcome = |Counted { name, printed, schedules, bad, shortest }: &Counted| {
            let first = shortest.schedule.to_string();
            let printed: Vec<_> = printed.iter().map(json_piece).collect();
            json!({"outcome": name, "schedules": schedules, "finding": bad, "first": first,
                   "printed": printed})
        };
        let outcomes: Vec<_> = answer.outcomes.sorted().into_iter().map(outcome).collect();
        let preemptions = match options.bound() {
            Bound::Preemptions(n) => Some(n),
            _ => None,
        };
        let line = json!({
            "event": "explored", "format": FORMAT, "version": VERSION,
            "schedules": answer.schedules, "runs": answer.runs,
            "starts": answer.starts,
            "seconds": answer.seconds, "preemptions": preemptions, "delays": options.delays,
            "complete": answer.complete, "cut": answer.cut, "unstable": answer.unstable,
            "not_judged": answer.not_judged,
            "prints_differently": answer.outcomes.that_differ().is_some(),
            "prints_by_chance": answer.outcomes.chance,
            "outcomes": outcomes, "ordered": answer.memory.ordered(), "memory": answer.memory.json(),
        });
        text += &format!("{line}\n");
        for told in answer.worst.iter().chain(&answer.good) {
            text += &json_story(told);
        }
        return out(&text);
    }
    let bound = match options.bound() {
        Bound::Preemptions(1) => translated("at most 1 preemption").to_string(),
        Bound::Preemptions(n) => tell!("at most {n} preemptions"),
        Bound::Delays(1) => translated("at most 1 delay").to_string(),
        Bound::Delays(n) => tell!("at most {n} delays"),
        Bound::Unbounded => translated("any number of preemptions").to_string(),
    };
    let rate = answer.schedules as f64 / answer.seconds.max(1e-6);
    let schedules = answer.schedules;
    let said = match answer.runs - answer.schedules {
        0 => tell!(
            "{schedules} schedules with {bound}, in {:.2} s ({rate:.0} a second)",
            answer.seconds
        ),
        n => tell!(
            "{schedules} schedules with {bound}, in {:.2} s ({rate:.0} a second; {n} more were cut short: they would only have repeated another)",
            answer.seconds
        ),
    };
    text += &paragraph(&said, 0);
    for (paragraph, bad) in answer.outcomes.paragraphs() {
        for line in paragraph.lines() {
            text += &format!("{}\n", if bad { line.red() } else { line.green() });
        }
    }
    text += &paragraph(&verdict(options, answer), 0);
    text += &paragraph(&answer.memory.ordered(), 0);
    text += &answer.memory.paragraphs();
    if let Some(pair) = answer.outcomes.that_differ() {
        text += &differing(pair, answer.outcomes.chance);
    }
    if let Some(worst) = &answer.worst {
        text += &format!("\n{}\n", translated("The shortest bad one:").bold());
        text += &story(worst);
        text += &format!("\nSCHEDULE {}\n", worst.schedule);
        let again = screen::cell(translated("again:"), 8);
        text += &format!("{again} {}\n", command(options, &worst.schedule));
    }
    out(&text)
}

/// Two schedules beside each other, and what is printed in them.
fn differing(pair: [&Counted; 2], chance: bool) -> String {
    if chance {
        return paragraph(
            translated(
                "What it prints differs from run to run, also in the same order: it depends on more than order.",
            ),
            0,
        );
    }
    let width = columns().unwrap_or(PAGE).min(PAGE) / 2 - 3;
    let rows = outcomes::where_they_differ(pair);
    let side = |at: usize| {
        let head = tell!("schedule {}", pair[at].shortest.schedule.short());
        let all = std::iter::once(&head).chain(&rows[at]);
        all.flat_map(|row| wrap(row, width, 2)).collect::<Vec<_>>()
    };
    let [left, right] = [0, 1].map(side);
    let mut text = paragraph(translated("It prints different things in different orders:"), 0);
    for row in 0..left.len().max(right.len()) {
        let cell = |side: &[String]| side.get(row).cloned().unwrap_or_default();
        let (left, right) = (cell(&left), cell(&right));
        text += format!("  {} │ {right}", screen::cell(&left, width)).trim_end();
        text += "\n";
    }
    text
}

pub fn json_piece(piece: &Piece) -> serde_json::Value {
    json!({
        "who": letter(piece.letter), "stream": piece.stream.name(),
        "text": String::from_utf8_lossy(&piece.bytes),
    })
}

/// Says what a tree holds that was written.
pub fn mapped(options: &Options, tree: &Tree) -> Result<()> {
    let (places, moves, complete) = (tree.places.len(), tree.moves.len(), tree.complete);
    if options.json {
        let line = json!({
            "event": "tree", "places": places, "moves": moves, "complete": complete,
        });
        return out(&format!("{line}\n"));
    }
    let said = match complete {
        true => tell!("The tree: {places} places, {moves} moves."),
        false => tell!("The tree: {places} places, {moves} moves, and there are more."),
    };
    out(&paragraph(&said, 0))
}

/// What is known now.
fn verdict(options: &Options, answer: &Answer) -> String {
    let mut text = match (&answer.worst, answer.complete) {
        (Some(_), true) => translated("Found, and every order within the bound was tried."),
        (Some(_), false) => translated("Found; not every order was tried."),
        (None, true) => translated("None found, and every order within the bound was tried."),
        (None, false) => translated("None found so far, and not every order was tried."),
    }
    .to_string();
    if let Some(signal) = answer.stopped {
        text += &tell!(" Stopped by {}.", names::signal(signal));
    } else if options.first && answer.worst.is_some() && !answer.complete {
        text += translated(" --first: the search ended there.");
    } else if answer.runs >= options.max && !answer.complete {
        text += &tell!(" --max {} was reached.", options.max);
    }
    if answer.complete && answer.cut {
        text += translated(" A wider bound would allow more orders.");
    }
    if answer.not_judged > 0 {
        text += &tell!(" {} orders were not judged.", answer.not_judged);
    }
    if answer.unstable > 0 {
        text += &tell!(
            " {} times the program did something else in the same order: it depends on more than order.",
            answer.unstable
        );
    }
    text
}

/// Prints one schedule that was asked for.
pub fn replayed(options: &Options, outcome: &Outcome) -> Result<()> {
    if options.json {
        return out(&json_story(outcome));
    }
    let mut text = story(outcome);
    if outcome.findings.is_empty() {
        text += &("\n".to_string() + &tell!("nothing wrong; {}", ends(&outcome.ends)) + "\n");
    }
    text += &format!("\nSCHEDULE {}\n", outcome.schedule);
    out(&text)
}

/// `a 0, b SIGUSR1`: how each process ended.
pub fn ends(ends: &[String]) -> String {
    let one = |(i, end): (usize, &String)| format!("{} {end}", letter(i));
    ends.iter().enumerate().map(one).collect::<Vec<_>>().join(comma())
}

/// The command that runs exactly this schedule, in rows that a shell takes for one.
fn command(options: &Options, schedule: &Schedule) -> String {
    let quote = |word: &str| shell_words::quote(word).into_owned();
    let mut parts = vec![format!("lab explore --replay {}", quote(&schedule.to_string()))];
    for other in &options.others {
        let words: Vec<String> =
            other.0.iter().map(|word| quote(&word.to_string_lossy())).collect();
        parts.push(format!("--and {}", quote(&words.join(" "))));
    }
    if let Some(text) = &options.expect {
        parts.push(format!("--expect {}", quote(text)));
    }
    parts.push("--".into());
    parts.extend(options.program.iter().map(|word| quote(&word.to_string_lossy())));
    let room = columns().unwrap_or(usize::MAX).saturating_sub(11);
    let (mut text, mut used) = (String::new(), 0);
    for part in parts {
        let width = part.chars().count();
        match used {
            0 => {}
            _ if used + 1 + width > room => (text, used) = (text + " \\\n         ", 0),
            _ => (text, used) = (text + " ", used + 1),
        }
        (text, used) = (text + &part, used + width);
    }
    text
}

fn lane(told: &Line) -> (String, usize) {
    let color = match told.letter {
        0 => Color::Blue,
        1 => Color::Magenta,
        2 => Color::Yellow,
        3 => Color::Cyan,
        _ => Color::White,
    };
    let name = format!("{} {} │", letter(told.letter), told.pid);
    let width = name.chars().count();
    (name.color(color).to_string(), width)
}

/// A run in lanes, with the moment that decided, and below what is wrong and what helps.
pub fn story(outcome: &Outcome) -> String {
    let columns = columns().unwrap_or(usize::MAX);
    let causes: Vec<_> =
        outcome.findings.iter().map(|finding| cause::of(&outcome.story, finding)).collect();
    let decided = causes.first().and_then(|cause| cause.decides.as_ref());
    let mut parts = vec![];
    for (i, told) in outcome.story.iter().enumerate() {
        let (lane, width) = lane(told);
        let line = line(told);
        let mut text = String::new();
        if let Moment::Turn { taken } = told.moment {
            let word = turn(taken);
            text +=
                &format!("{lane} {}\n", format!("── {} {word} ──", letter(told.letter)).dimmed());
        } else {
            for row in wrap(&line, columns.saturating_sub(width + 3), 4) {
                text += &format!("{lane}   {}\n", row.replace(TIE, " "));
            }
        }
        let why = decided.filter(|(at, _)| *at == i).map(|(_, why)| why);
        if let Some(why) = why {
            let pad = " ".repeat(width - 1);
            for row in wrap(&format!("▶ {why}"), columns.min(PAGE).saturating_sub(width + 1), 2) {
                text += &format!("{pad}{} {}\n", "│".red(), row.red().bold());
            }
        }
        parts.push(fold::Part { lane, text, marked: why.is_some() });
    }
    let mut text = fold::fold(&parts);
    let mut cures = vec![];
    for (finding, cause) in outcome.findings.iter().zip(&causes) {
        text += &paragraph(&finding.to_string(), 0).red().bold().to_string();
        if !cures.contains(&cause.cure) {
            cures.push(cause.cure);
        }
    }
    for cure in cures {
        text += &paragraph(&tell!("cure: {cure}"), 2).bold().to_string();
    }
    text
}

fn turn(taken: bool) -> &'static str {
    translated(if taken { "takes the turn" } else { "moves" })
}

/// One moment, without its lane.
pub fn line(told: &Line) -> String {
    let from = |call: &Call| call.at.as_ref().map_or(String::new(), |at| format!(" ({at})"));
    match &told.moment {
        Moment::Turn { .. } => String::new(),
        Moment::Call { call, asleep: true } => tell!("{} … sleeps{}", call.line(), from(call)),
        // Spelled for who made the call: the kernel would say that it may be made again.
        Moment::Call { call, .. } if call.interrupted => {
            tell!("{} is interrupted{}", call.line(), from(call))
        }
        Moment::Call { call, .. } => {
            format!("{} ={TIE}{}{}", call.line(), call.answer, from(call))
        }
        Moment::Signal { signal, from, handler, ignored, fault, .. } => {
            let what = translated(match (handler, ignored, *signal) {
                (true, ..) => "its handler runs",
                (_, true, _) => "ignored",
                (.., libc::SIGSTOP | libc::SIGTSTP | libc::SIGTTIN | libc::SIGTTOU) => "it stops",
                _ => "no handler: it ends",
            });
            let from = from.map_or(String::new(), |from| tell!(" from {}", letter(from)));
            let at = fault.map_or(String::new(), |fault| format!(" at {fault:#x}"));
            format!("--- {}{from}{at}: {what} ---", names::signal(*signal))
        }
        Moment::Touched(touched) => touched.line(),
        Moment::Time(Passed::Alarm) => translated("--- its alarm goes off ---").into(),
        Moment::Time(Passed::Timer) => translated("--- its timer goes off ---").into(),
        Moment::Time(Passed::Wait) => translated("--- time passes: its wait is over ---").into(),
        Moment::Spins => translated("--- makes no call, and waits for memory to change ---").into(),
        Moment::Exit { code } => format!("+++ exited with {code} +++"),
        Moment::Killed { signal } => format!("+++ killed by {} +++", names::signal(*signal)),
    }
}

/// A run as events, and what is wrong.
pub fn json_story(outcome: &Outcome) -> String {
    let of = |finding: &Finding| cause::of(&outcome.story, finding);
    let decided = outcome.findings.first().and_then(|first| of(first).decides);
    let mut text = String::new();
    for (at, event) in events::of_run(outcome) {
        let why = decided.as_ref().filter(|(decides, _)| Some(*decides) == at).map(|(_, why)| why);
        let told = at.map(|at| match outcome.story[at].moment {
            Moment::Turn { taken } => turn(taken).to_string(),
            _ => line(&outcome.story[at]).replace(TIE, " "),
        });
        let mut line = json!(event);
        line["who"] = json!(event.lane);
        line["decides"] = json!(why);
        if let Some(told) = told {
            line["text"] = json!(told);
        }
        text += &format!("{line}\n");
    }
    for finding in &outcome.findings {
        let cure = of(finding).cure;
        let line = json!({
            "event": "finding", "finding": finding.word(), "text": finding.to_string(),
            "cure": cure.to_string(), "section": cure.section,
            "schedule": outcome.schedule.to_string(), "preemptions": outcome.preemptions,
        });
        text += &format!("{line}\n");
    }
    if outcome.findings.is_empty() {
        let line = json!({
            "event": "ended", "ends": outcome.ends, "schedule": outcome.schedule.to_string(),
        });
        text += &format!("{line}\n");
    }
    text
}

fn out(text: &str) -> Result<()> {
    let mut stdout = std::io::stdout();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Trouble::because(tell!("standard output: {error}")))
        }
        _ => Ok(()),
    }
}
