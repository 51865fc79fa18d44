//! What a student reads: titles, steps, one line a call, a note under it.
//!
//! A line is one `write(2)`. A call and its line happen under one lock that every printed line of
//! every process takes, so that the line of a cause stands before the line of its effect.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fmt::{Debug, Write as _};
use std::mem;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use colored::{Color, ColoredString, Colorize};
use nix::errno::{Errno, ErrnoSentinel};
use sysv::spell;

use crate::backstage::failure::{Failure, Result};
use crate::backstage::stop;
use crate::backstage::terminal::{columns, complain, prompt, stepping, wrap};
pub use crate::backstage::turn::out;
use crate::backstage::turn::{Turn, turn};

/// Where `= result` starts.
const RESULT_COLUMN: usize = 52;
const BLANKS: &str = "                                                    ";
/// A heading's rule ends here.
const PAGE: usize = 80;

/// In a bulk run: how often each call had each outcome.
type Counts = BTreeMap<String, BTreeMap<String, usize>>;

thread_local! {
    /// As it is printed, and its width in columns.
    static LANE: RefCell<(String, usize)> = const { RefCell::new((String::new(), 0)) };
    static DIM: Cell<bool> = const { Cell::new(false) };
    static BULK: RefCell<Option<Counts>> = const { RefCell::new(None) };
    /// The call that this thread makes has its line: what follows is its result.
    static BEGUN: Cell<bool> = const { Cell::new(false) };
}

/// The section's title.
pub fn title(title: &str) {
    out(&format!("{}\n{}\n", title.bold(), "═".repeat(title.chars().count()).cyan()));
}

/// A numbered step of the section: heading, comment and printed line at once. With `STEP=1` it
/// waits for Enter. `Err` when a signal has asked the lab to stop.
pub fn step(number: u32, heading: &str) -> Result<()> {
    heading_line(&format!("── {number}  {heading} "))
}

/// The heading of an experiment, and its question.
pub(crate) fn experiment(name: &str, question: &str, rows: &str) -> Result<()> {
    heading_line(&format!("── {name} ({rows}) "))?;
    note(question);
    Ok(())
}

fn heading_line(text: &str) -> Result<()> {
    stop::check()?;
    let _turn = turn();
    if stepping().is_some() {
        prompt("Enter: go on")?;
    }
    let (lane, width) = lane();
    let rule = "─".repeat(PAGE.saturating_sub(width + text.chars().count()));
    out(&format!("\n{lane}{}\n", format!("{text}{rule}").cyan()));
    Ok(())
}

/// What the line above means here.
pub fn note(text: &str) {
    let (lane, width) = lane();
    let text = format!("· {text}");
    let (rows, last) = wrap(&text, columns().saturating_sub(width + 4), 2);
    let rows = rows.iter().map(String::as_str).chain([&*last]);
    out(&rows.map(|row| format!("{lane}    {}\n", row.dimmed())).collect::<String>());
}

/// A note that is asserted: what it says holds, or the lab fails saying that it does not.
pub fn claim(holds: bool, text: &str) -> Result<()> {
    if holds {
        note(&format!("✓ {text}"));
        return Ok(());
    }
    Err(Failure::because(format!("not so: {text}")))
}

/// Asserts that a call failed with `errno`: the error that is being taught.
pub fn expect_errno<T>(result: Result<T>, errno: Errno) -> Result<()> {
    match result {
        Err(Failure::Call(_, got)) if got == errno => Ok(()),
        Err(Failure::Call(call, got)) => {
            Err(Failure::because(format!("{call} must fail with {errno:?}, but did with {got:?}")))
        }
        Err(other) => Err(other),
        Ok(_) => Err(Failure::because(format!("a call that must fail with {errno:?} succeeded"))),
    }
}

/// Says on standard error why something ended early, unless that was done or nobody listens.
pub fn tell(failure: &Failure) {
    if !matches!(failure, Failure::Told(_) | Failure::Signal(libc::SIGPIPE)) {
        complain(&failure.to_string());
    }
}

/// A line that is neither call nor note: a row of a table, what was read from memory.
pub fn text(line: &str) {
    out(&format!("{}  {line}\n", lane().0));
}

/// One colour a process, in the order in which they are made. Readable on black and on white.
const COLORS: [Color; 3] = [Color::Blue, Color::Magenta, Color::Yellow];
/// Which one is ours, and which one the next process gets.
static COLOR: AtomicUsize = AtomicUsize::new(0);
static NEXT: AtomicUsize = AtomicUsize::new(0);

/// After a fork, in both processes.
pub(crate) fn forked(is_child: bool) {
    match is_child {
        true => (DIM.set(false), COLOR.store(NEXT.load(Relaxed), Relaxed)).1,
        false => _ = NEXT.fetch_add(1, Relaxed),
    }
}

/// Names this thread's lines and gives them its process's colour: `parent 4242 │ …`, `server reader
/// 4243 │ …`. The number is the thread's, as strace tells threads apart; a process of one thread has
/// the same.
pub fn name(name: &str) {
    let color = COLOR.load(Relaxed);
    NEXT.fetch_max(color + 1, Relaxed);
    let label = format!("{name} {} │", nix::unistd::gettid());
    LANE.set((label.color(COLORS[color % COLORS.len()]).to_string(), label.chars().count()));
}

/// Runs `body` with its calls printed dim: guards, polls and the safety net.
pub fn dim<T>(body: impl FnOnce() -> T) -> T {
    let before = DIM.replace(true);
    let result = body();
    DIM.set(before);
    result
}

/// Runs `body` with its calls counted instead of printed, and prints the counts.
pub fn bulk<T>(body: impl FnOnce() -> Result<T>) -> Result<T> {
    BULK.set(Some(Counts::new()));
    let result = body();
    for (call, outcomes) in BULK.take().unwrap_or_default() {
        let total: usize = outcomes.values().sum();
        let list: Vec<String> =
            outcomes.iter().rev().map(|(what, n)| format!("{n} {what}")).collect();
        text(&format!("{call} x {total}: {}", list.join(", ")));
    }
    result
}

/// Makes one call and prints its line, both under the lock.
pub fn traced<T: Debug + ErrnoSentinel + PartialEq>(
    line: String,
    call: impl FnOnce() -> T,
) -> Result<T> {
    let _turn = before(&line)?;
    after(Errno::result(call()), |_| line)
}

/// What [`traced`] does before its call: takes the lock, and with `STEP=call` waits for Enter. With
/// [`after`], for a call that is spelled with what it wrote.
pub fn before(line: &str) -> Result<Turn> {
    stop::check()?;
    BEGUN.set(false);
    let turn = turn();
    if stepping() == Some("call") && !DIM.get() && !counting() {
        prompt(&format!("next: {line}"))?;
    }
    Ok(turn)
}

/// Before a call that may sleep: prints that it begins, `pause() …`, and gives back the lock, so that
/// others can print while it sleeps. [`after`] prints its result, `… pause() = -1 EINTR`.
pub fn begin(line: &str) -> Result<()> {
    let _turn = before(line)?;
    if !counting() {
        rows(&format!("{line} …"), None);
        BEGUN.set(true);
    }
    Ok(())
}

/// Are calls counted, and not printed?
fn counting() -> bool {
    BULK.with_borrow(Option::is_some)
}

/// Prints, or counts, the line of a call that has returned. `line` is told whether it succeeded.
pub fn after<T: Debug>(result: nix::Result<T>, line: impl FnOnce(bool) -> String) -> Result<T> {
    let call = line(result.is_ok());
    let count = |counts: &mut Counts| {
        let name = call.split('(').next().unwrap_or_default().to_string();
        let outcome = result.as_ref().map_or_else(|errno| format!("{errno:?}"), |_| "ok".into());
        *counts.entry(name).or_default().entry(outcome).or_default() += 1;
    };
    let bulk = BULK.with_borrow_mut(|counts| counts.as_mut().map(count));
    if bulk.is_none() {
        let answer = match &result {
            Ok(value) => format!("{value:?}"),
            Err(errno) => format!("-1 {}", spell::errno(*errno)),
        };
        // Of no address strace says 0, and not 0x0.
        let answer = if answer == "0x0" { "0" } else { &answer };
        call_line(&call, answer, result.is_ok());
    }
    result.map_err(Failure::of(call))
}

/// Prints the line of a call: what was asked, and what was answered.
pub fn call_line(call: &str, answer: &str, good: bool) {
    let call = if BEGUN.replace(false) { &format!("… {call}") } else { call };
    rows(call, Some((answer, good)));
}

/// A call, in as many rows as it takes, and behind it what was answered.
fn rows(call: &str, answer: Option<(&str, bool)>) {
    let (lane, width) = lane();
    let room = columns().saturating_sub(width + 2);
    let (mut rows, mut last) = wrap(call, room, 4);
    let used = last.chars().count();
    let tail = answer.map_or(String::new(), |(answer, _)| [" = ", answer].concat());
    let fits = |column: &usize| column + tail.chars().count() <= room;
    let wanted = answer.map_or(0, |_| RESULT_COLUMN.saturating_sub(width + 2));
    let column = [used.max(wanted), used].into_iter().find(fits);
    if column.is_none() {
        rows.push(mem::take(&mut last).into_owned());
    }
    let gap = &BLANKS[..column.map_or(3, |column| column - used)];
    let mut text = String::with_capacity(2 * PAGE * (rows.len() + 1));
    let paint = |piece: &str| if DIM.get() { piece.dimmed() } else { piece.into() };
    // Nothing fails that writes into a string.
    let _ = rows.iter().try_for_each(|row| writeln!(text, "{lane}  {}", paint(row)));
    text.extend([&*lane, "  "]);
    let _ = if DIM.get() {
        writeln!(text, "{}", [&*last, gap, &tail].concat().dimmed())
    } else {
        text.extend([&*last, gap]);
        let tail = ColoredString::from(tail);
        let good = answer.is_none_or(|(_, good)| good);
        writeln!(text, "{}", if good { tail.green() } else { tail.red() })
    };
    out(&text);
}

/// This thread's lane, coloured, and its width in columns.
fn lane() -> (String, usize) {
    LANE.with_borrow(Clone::clone)
}
