//! What a student reads: titles, steps, one line a call, a note under it.
//!
//! A line is one `write(2)`. A call and its line happen under one lock that every printed line of
//! every process takes, so that the line of a cause stands before the line of its effect.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::thread::LocalKey;

use nix::errno::{Errno, ErrnoSentinel};
use screen::out::complain;
use screen::pages::stepping;
pub use screen::words::{Sentence, filled, translated};
pub use screen::{cell, has_room, width};
use sysv::spell;

use crate::backstage::failure::{Failure, Result};
pub use crate::backstage::lane::name;
pub use crate::backstage::turn::{ALONE, out};
use crate::backstage::turn::{Turn, failed, turn};
use crate::backstage::{lane, stop};

/// In a bulk run: how often each call had each outcome.
type Counts = BTreeMap<String, BTreeMap<String, usize>>;

thread_local! {
    static DIM: Cell<bool> = const { Cell::new(false) };
    static BRIEF: Cell<bool> = const { Cell::new(false) };
    static BULK: RefCell<Option<Counts>> = const { RefCell::new(None) };
    /// The call that this thread makes has its line: what follows is its result.
    static BEGUN: Cell<bool> = const { Cell::new(false) };
}

/// The section's title.
pub fn title(title: impl Sentence) {
    out(&screen::title(&title.said()));
}

/// A numbered step of the section: heading, comment and printed line at once. With `STEP=1` it
/// waits for Enter. `Err` when a signal has asked the lab to stop.
pub fn step(number: u32, heading: impl Sentence) -> Result<()> {
    lane::heading(number, format!("{number}  {}", heading.said()))
}

/// The heading of a part, above its steps: `A  The protocol`.
pub fn part(name: &str, heading: impl Sentence) -> Result<()> {
    lane::heading(0, format!("{name}  {}", heading.said()))
}

/// The heading of an experiment, and its question.
pub(crate) fn experiment(name: &str, question: &'static str, rows: &str) -> Result<()> {
    lane::heading(0, format!("{name} ({rows})"))?;
    note(question);
    Ok(())
}

/// What the line above means here.
pub fn note(text: impl Sentence) {
    lane::show(&lane::mine(|lane| lane.note(&text.said(), DIM.get())), false);
}

/// A note that is asserted: what it says holds, or the lab fails saying that it does not.
pub fn claim(holds: bool, text: impl Sentence) -> Result<()> {
    let text = text.said();
    let not_so = || Failure::because(say!("not so: {text}")).cause();
    holds.then(|| note(format!("✓ {text}"))).ok_or_else(not_so)
}

/// Asserts that a call failed with `errno`: the error that is being taught.
pub fn expect_errno<T>(result: Result<T>, errno: Errno) -> Result<()> {
    match result {
        Err(Failure::Call(_, got)) if got == errno => Ok(()),
        Err(Failure::Call(call, got)) => {
            Err(Failure::because(say!("{call} must fail with {errno:?}, but did with {got:?}")))
        }
        Err(other) => Err(other),
        Ok(_) => Err(Failure::because(say!("a call that must fail with {errno:?} succeeded"))),
    }
}

/// Says on standard error why something ended early, unless that was done or nobody listens, and answers
/// the exit code. What follows in one process from a failure in another that was told is a note.
pub fn tell(failure: &Failure) -> u8 {
    let code = failure.code();
    match failure {
        Failure::Needs(..) => note(say!("not shown here: {failure}")),
        Failure::Told(_) | Failure::Signal(libc::SIGPIPE) => {}
        _ => match (failed(code), failure.to_string()) {
            (None, why) => complain(&why),
            (Some(first), why) => return (dim(|| note(why)), first).1,
        },
    }
    code
}

/// Rows that are neither call nor note: of a table, what was read from memory.
pub fn text(rows: impl Sentence) {
    lane::show(&lane::mine(|lane| lane.rows(&rows.said())), true);
}

/// In a child, whose fork may have been dim: its calls are not.
pub(crate) fn forked() {
    DIM.set(false);
}

/// Runs `body` with its calls printed dim: guards, polls, the safety net, the lab's own forks.
pub fn dim<T>(body: impl FnOnce() -> T) -> T {
    with(&DIM, body)
}

/// Runs `body` with records printed as `{…}`: a table follows that says the same.
pub fn brief<T>(body: impl FnOnce() -> T) -> T {
    with(&BRIEF, body)
}

fn with<T>(how: &'static LocalKey<Cell<bool>>, body: impl FnOnce() -> T) -> T {
    let before = how.replace(true);
    let result = body();
    how.set(before);
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
        text(format!("{call} x {total}: {}", list.join(", ")));
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
    if stepping() == Some("call") && !DIM.get() && !counting() && !lane::hidden() {
        lane::wait_for_enter(&say!("next: {line}"))?;
    }
    Ok(turn)
}

/// Before a call that may sleep: prints that it begins, `pause() …`, and gives back the lock, so that
/// others can print while it sleeps. [`after`] prints its result, `… pause() = -1 EINTR`.
pub fn begin(line: &str) -> Result<()> {
    let _turn = before(line)?;
    if !counting() {
        call_rows(&format!("{line} …"), None);
        BEGUN.set(true);
    }
    Ok(())
}

/// Are calls counted, and not printed?
pub(crate) fn counting() -> bool {
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
    if BULK.with_borrow_mut(|counts| counts.as_mut().map(count)).is_none() {
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
    call_rows(call, Some((answer, good)));
}

fn call_rows(call: &str, answer: Option<(&str, bool)>) {
    let record = call.find('{').zip(call.rfind('}')).filter(|_| BRIEF.get());
    let call = record.map_or(call.into(), |(a, z)| format!("{}{{…{}", &call[..a], &call[z..]));
    lane::show(&lane::mine(|lane| lane.call(&call, answer, DIM.get())), false);
}
