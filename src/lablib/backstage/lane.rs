//! Whose lines these are, under which heading they stand, and how many there are on a page.

use std::cell::RefCell;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use nix::unistd::gettid;
use screen::Lane;
use screen::pages::{Pages, stepping};

use super::failure::Result;
use super::stop;
use super::terminal::prompt;
use super::turn::{out, pages, turn};

thread_local! {
    static LANE: RefCell<Lane> = RefCell::default();
    /// The heading under which this thread's lines stand.
    static HEADING: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Asks this thread's lane.
pub fn mine<T>(ask: impl FnOnce(&Lane) -> T) -> T {
    LANE.with_borrow(ask)
}

/// Which process of the lab is ours, and which one the next one is.
static PROCESS: AtomicUsize = AtomicUsize::new(0);
static NEXT: AtomicUsize = AtomicUsize::new(0);

/// After a fork, in both processes.
pub fn forked(is_child: bool) {
    if is_child {
        PROCESS.store(NEXT.load(Relaxed), Relaxed);
    } else {
        NEXT.fetch_add(1, Relaxed);
    }
}

/// Names this thread's lines and gives them its process's colour: `parent 4242 │ …`, `server reader
/// 4243 │ …`. The number is the thread's, as strace tells threads apart; a process of one thread has
/// the same.
pub fn name(name: &str) {
    let process = PROCESS.load(Relaxed);
    NEXT.fetch_max(process + 1, Relaxed);
    LANE.set(Lane::new(name, gettid().as_raw(), process));
}

/// A heading. With STEP it waits for Enter.
pub fn heading(number: u32, text: String) -> Result<()> {
    stop::check()?;
    let _turn = turn();
    if let Some(pages) = pages() {
        pages.step(number);
        pages.changes_to(gettid().as_raw());
    }
    if !hidden() {
        out(&format!("\n{}", LANE.with_borrow(|lane| lane.heading(&text, false))));
        if stepping().is_some() {
            wait_for_enter("Enter: go on")?;
        }
    }
    HEADING.set(text);
    Ok(())
}

/// With STEP. The caller has the turn.
pub fn wait_for_enter(what: &str) -> Result<()> {
    let label = LANE.with_borrow(|lane| lane.label.clone());
    let label = if label.is_empty() { label } else { label + " " };
    if stop::is_cleaning() {
        return Ok(());
    }
    prompt(&format!("{label}{}", screen::words::translated(what)))?;
    pages().inspect(|pages| pages.turn(1));
    Ok(())
}

/// Is what this process prints not to be shown?
pub fn hidden() -> bool {
    pages().is_some_and(Pages::hidden)
}

/// Prints rows of this thread. With STEP they stand under its heading, and a page at a time.
pub fn show(rows: &str, table: bool) {
    if hidden() {
        return;
    }
    let _turn = turn();
    if let Some(pages) = pages().filter(|_| stepping().is_some()) {
        let heading = HEADING.with_borrow(String::clone);
        let again = pages.changes_to(gettid().as_raw()) && !heading.is_empty();
        let count = rows.matches('\n').count() + usize::from(again);
        let full = pages.is_full(count, table && !again) && !stop::is_cleaning();
        if full && wait_for_enter("Enter: more").is_ok() {
            pages.turn(count + 1);
        }
        if again {
            out(&LANE.with_borrow(|lane| lane.heading(&heading, true)));
        }
    }
    out(rows);
}
