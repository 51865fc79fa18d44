//! What events mean that are not calls, and which section of the workbook explains it.

use libc::c_int;
use say::tell;
use screen::words::translated;
use sysv::tables::Kind;

use super::process::{Disposition, Reset};
use crate::event::{Action, Birth, Note};
use crate::syscalls::notes::{Fate, fate};

fn note(text: &'static str, section: &'static str) -> Option<Note> {
    Some(Note::new(translated(text), section))
}

/// A key from a file.
pub fn ftok() -> Note {
    Note::new(
        translated("this key is made from the file's inode and device, and from proj_id"),
        "4.4",
    )
}

/// Bytes that have changed.
pub fn changed() -> Note {
    let text = "no call shows a store: the bytes are compared at each stop of a call";
    Note::new(translated(text), "4.5")
}

/// Signals that nobody handles who is not about to end: the kernel sends them for what a program
/// has done.
const FAULTS: [c_int; 2] = [libc::SIGSEGV, libc::SIGBUS];

/// Why a signal finds no handler.
fn no_handler(known: Option<&Disposition>) -> &'static str {
    match known.and_then(|one| one.reset) {
        Some(Reset::Itself) => "its handler was replaced by the default action (SIG_DFL)",
        Some(Reset::Once) => "its handler was for one signal only (SA_RESETHAND), and has run",
        Some(Reset::Exec) => "it had a handler; exec has set the default action again",
        None => "no handler was installed so far",
    }
}

/// A signal that is delivered. `fault`: why the memory could not be accessed.
pub fn signal(
    signal: c_int,
    action: Action,
    known: Option<&Disposition>,
    fault: Option<String>,
) -> Option<Note> {
    if let Some(fault) = fault {
        return Some(Note::new(fault, "4.5"));
    }
    match fate(signal, action) {
        Fate::Handler => note("its handler runs before the program goes on", "4.8"),
        Fate::Kills if action == Action::Default => {
            Some(Note::new(tell!("{}: it kills the process", translated(no_handler(known))), "4.8"))
        }
        _ => None,
    }
}

/// A process or a thread that was made.
pub fn born(how: Birth, inherits: bool) -> Option<Note> {
    match how {
        Birth::Fork if inherits => {
            note("the child has all attachments of its parent, at the same addresses", "4.8")
        }
        Birth::Thread => note("it shares the memory and the attachments of its process", "4.10"),
        _ => None,
    }
}

/// A process or thread that has ended by itself.
pub fn exited(attached: bool) -> Option<Note> {
    if attached { note("the kernel detaches its segments when it exits", "4.6") } else { None }
}

/// A process that a signal has killed.
pub fn killed(signal: c_int, attached: bool) -> Option<Note> {
    match signal {
        libc::SIGKILL if attached => {
            note("its clean-up did not run; the kernel has detached its segments", "4.10")
        }
        libc::SIGKILL => note("its clean-up did not run", "4.10"),
        _ if FAULTS.contains(&signal) => None,
        _ if attached => note("the kernel has detached its segments", "4.6"),
        _ => None,
    }
}

/// A thread that has ended with a mutex, for which others sleep.
pub fn has_mutex(sleeper: &str) -> Note {
    let text = tell!("it had locked the mutex for which {sleeper} sleeps, and has not unlocked it");
    Note::new(text, "4.10")
}

/// An object that is left behind.
pub fn left(kind: Kind) -> Note {
    let text = match kind {
        Kind::Shm => "it stays until it is removed: ipcrm -m and its id",
        Kind::Msg => "it stays until it is removed: ipcrm -q and its id",
        Kind::Sem => "it stays until it is removed: ipcrm -s and its id",
    };
    Note::new(translated(text), "4.7")
}
