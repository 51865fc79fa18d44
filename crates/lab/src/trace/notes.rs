//! What events mean that are not calls, and which section of the workbook explains it.

use libc::c_int;
use sysv::tables::Kind;

use crate::event::{Action, Birth, Note};

fn note(text: &'static str, section: &'static str) -> Option<Note> {
    Some(Note::new(text, section))
}

/// A key from a file.
pub fn ftok() -> Note {
    Note::new("this key is made from the file's inode and device, and from proj_id", "4.4")
}

/// A signal that is delivered.
pub fn signal(signal: c_int, action: Action) -> Option<Note> {
    match (signal, action) {
        (libc::SIGUSR1 | libc::SIGUSR2, Action::Default) => {
            note("there is no handler (yet): this kills the process", "4.8")
        }
        (libc::SIGUSR1 | libc::SIGUSR2, Action::Handler) => {
            note("its handler runs, and interrupts a wait that has begun", "4.8")
        }
        (libc::SIGSEGV, _) => {
            note("it accessed memory that is not mapped, or not for this access", "4.5")
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
pub fn killed(signal: c_int, action: Action) -> Option<Note> {
    match signal {
        libc::SIGUSR1 | libc::SIGUSR2 if action == Action::Default => {
            note("the signal came before its handler was installed", "4.8")
        }
        libc::SIGKILL => {
            note("its clean-up did not run; the kernel has detached its segments", "4.10")
        }
        libc::SIGSEGV => {
            note("it accessed memory that is not mapped, or not for this access", "4.5")
        }
        _ => None,
    }
}

/// An object that is left behind.
pub fn left(kind: Kind) -> Note {
    let text = match kind {
        Kind::Shm => "it stays until it is removed: ipcrm -m and its id",
        Kind::Msg => "it stays until it is removed: ipcrm -q and its id",
        Kind::Sem => "it stays until it is removed: ipcrm -s and its id",
    };
    Note::new(text, "4.7")
}
