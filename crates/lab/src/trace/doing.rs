//! A call that has begun and not ended.

use libc::c_int;
use sysv::tables::Kind;

use crate::event::{Call, Command, Futex, Note};
use crate::syscalls::cells::{CallRow, Object};
use crate::syscalls::notes::{Target, waits_for_mutex};
use crate::tracer::Entry;

/// A call that has begun.
pub struct Doing {
    pub entry: Entry,
    pub row: &'static CallRow,
    /// `None` for one that is only looked at, and for a write until it fails.
    pub call: Option<Call>,
    /// When, in microseconds since the trace began.
    pub began: u64,
    /// Its beginning was already shown.
    pub told: bool,
    /// The segment that it changes.
    pub segment: Option<c_int>,
    /// The bytes that it had.
    pub size: u64,
    /// There was an object of its key before.
    pub existed: bool,
    /// It writes to where we write.
    pub here: bool,
    /// For a signal: what its target was doing when it was sent.
    pub target: Target,
}

impl Doing {
    /// It begins.
    pub fn new(entry: Entry, row: &'static CallRow, began: u64) -> Doing {
        Doing {
            entry,
            row,
            call: None,
            began,
            told: false,
            segment: None,
            size: 0,
            existed: false,
            here: false,
            target: Target::Unknown,
        }
    }

    /// Is it shown, and can it sleep until another process does something, or some time has passed?
    pub fn waits(&self) -> bool {
        self.call.is_some() && self.row.waits()
    }

    /// May it sleep, and was its beginning not shown yet?
    pub fn may_be_asleep(&self) -> bool {
        !self.told && self.waits()
    }

    /// Must its beginning be shown before anything that happens to others? A cause stands before
    /// its effect.
    pub fn comes_first(&self) -> bool {
        !self.told && self.call.is_some() && (self.row.waits() || self.row.sends_signal())
    }

    /// What it means while it sleeps: for futex only if it is one of its waits.
    pub fn note(&self) -> Option<Note> {
        let futex = self.call.as_ref()?.futex();
        let asleep = futex.is_none_or(|what| what == Futex::Wait);
        self.row.asleep.filter(|_| asleep).map(Note::from)
    }

    /// The word of the mutex for which it sleeps.
    pub fn mutex(&self) -> Option<u64> {
        self.call.as_ref().filter(|call| waits_for_mutex(call)).map(|_| self.entry.args[0])
    }

    /// Does it change its segment, whose id is its first argument?
    pub fn changes_segment(&self) -> bool {
        match self.row.object {
            Object::Attach => true,
            Object::Control { kind: Kind::Shm, .. } => matches!(
                self.row.command(&self.entry),
                Some(Command::Remove | Command::Set | Command::Lock | Command::Unlock)
            ),
            _ => false,
        }
    }
}
