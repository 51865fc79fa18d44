//! Looks into /proc, and what became of those that failed: a file that cannot be read is not an empty one.

use std::fs::File;
use std::io::{self, Read};
use std::sync::Mutex;

use nix::errno::Errno;

static MISSED: Mutex<Option<(String, Errno)>> = Mutex::new(None);

/// What a file says; `None` if it is not there, or its process is gone. Any other failure is kept for
/// [`missed`].
pub fn text(path: &str) -> Option<String> {
    match read(path) {
        Err((_, Errno::ENOENT | Errno::ESRCH)) => None,
        answer => keep(answer),
    }
}

/// The same of a file that a process may forbid to others: that is an answer, too.
pub fn text_if_allowed(path: &str) -> Option<String> {
    if_allowed(read(path))
}

/// The same of a file that is always there.
pub fn needed(path: &str) -> String {
    keep(read(path)).unwrap_or_default()
}

/// The number that is all of such a file.
pub fn number(path: &str) -> u64 {
    let number = |text: String| text.trim().parse().ok();
    let none = || (format!("read(\"{path}\")"), Errno::ENODATA);
    keep(read(path).and_then(|text| number(text).ok_or_else(none))).unwrap_or_default()
}

/// The answer of a look by other means: `call` is what was asked.
pub fn asked<T>(call: &str, answer: io::Result<T>) -> Option<T> {
    match answer.map_err(|error| (call.into(), of(&error))) {
        Err((_, Errno::ENOENT | Errno::ESRCH)) => None,
        answer => keep(answer),
    }
}

/// The same of what a machine may forbid.
pub fn asked_if_allowed<T>(call: &str, answer: io::Result<T>) -> Option<T> {
    if_allowed(answer.map_err(|error| (call.into(), of(&error))))
}

fn if_allowed<T>(answer: Result<T, (String, Errno)>) -> Option<T> {
    match answer {
        Err((_, Errno::EACCES | Errno::EPERM | Errno::ENOENT | Errno::ESRCH)) => None,
        answer => keep(answer),
    }
}

fn read(path: &str) -> Result<String, (String, Errno)> {
    let told = |call: &'static str| move |error| (format!("{call}(\"{path}\")"), of(&error));
    // Room for most of these files: one read brings it, and another one the end.
    let mut text = Vec::with_capacity(4096);
    // `take`: it is read, without a look at how long it is and where it stands.
    let mut opened = File::open(path).map_err(told("open"))?.take(u64::MAX);
    opened.read_to_end(&mut text).map_err(told("read"))?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}

fn of(error: &io::Error) -> Errno {
    Errno::from_raw(error.raw_os_error().unwrap_or(0))
}

fn keep<T>(answer: Result<T, (String, Errno)>) -> Option<T> {
    let failure = |failure| *MISSED.lock().unwrap_or_else(|lock| lock.into_inner()) = Some(failure);
    answer.map_err(failure).ok()
}

/// The last look that failed since this was asked: the call, and why. What was concluded from it may not be so.
pub fn missed() -> Option<(String, Errno)> {
    MISSED.lock().unwrap_or_else(|lock| lock.into_inner()).take()
}
