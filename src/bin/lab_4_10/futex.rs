//! The futex calls of a thread, printed: the first of each kind when it begins, each answer that is new,
//! and of all others how many there were.

use lablib::say;
use std::cell::RefCell;
use std::collections::BTreeMap;

use duplex::bell::{Call, OBSERVER};
use lablib::print::{after, before, begin, text};
use libc::c_long;

thread_local! {
    /// How often each answer came, to a wait and to a wake.
    static ANSWERS: RefCell<BTreeMap<(&'static str, String), u32>> =
        const { RefCell::new(BTreeMap::new()) };
}

/// From now on this thread prints them.
pub fn aloud() {
    OBSERVER.set(Some(observe));
}

/// Prints how many were made besides those that were printed. From now on none is.
pub fn count() {
    OBSERVER.set(None);
    let answers = ANSWERS.take();
    for kind in ["wait", "wake"] {
        let again = answers.iter().filter(|((of, _), n)| *of == kind && **n > 1);
        let again: Vec<(&str, u32)> = again.map(|((_, answer), n)| (&**answer, n - 1)).collect();
        let total: u32 = again.iter().map(|one| one.1).sum();
        let list: Vec<String> = again.iter().map(|(answer, n)| format!("{n} {answer}")).collect();
        if total > 0 {
            text(say!("futex {kind} x {total}: {}", list.join(", ")));
        }
    }
}

fn observe(line: &dyn Fn() -> String, sleeps: bool, call: Call) -> nix::Result<c_long> {
    let kind = if sleeps { "wait" } else { "wake" };
    let first = ANSWERS.with_borrow(|answers| answers.keys().all(|(of, _)| *of != kind));
    // The line of a wake stands before any line of the one who is woken. When a signal asks the lab to
    // stop nothing is printed here, and whoever called looks for it.
    let _turn = match (first, sleeps) {
        (true, true) => begin(&line()).err().map(|_| None),
        (true, false) => before(&line()).ok().map(Some),
        _ => None,
    };
    let result = call();
    let answer = result.map_or_else(|errno| format!("{errno:?}"), |_| "ok".into());
    let new = ANSWERS.with_borrow_mut(|answers| {
        let times = answers.entry((kind, answer)).or_default();
        *times += 1;
        *times == 1
    });
    if new {
        let _ = after(result, |_| line());
    }
    result
}
