//! A call that has begun and not ended.

use lablib::cleanup::Kind;
use libc::c_int;

use crate::event::{Call, Command};
use crate::syscalls::cells::{CallRow, Object};
use crate::tracer::{Entry, Tid, memory};

/// Of what is written so much is told.
const MOST: usize = 4096;

/// A call that has begun.
pub struct Doing {
    pub entry: Entry,
    pub row: &'static CallRow,
    /// `None` for one that is only looked at, and for a write until it fails.
    pub call: Option<Call>,
    /// When, in microseconds since the trace began.
    pub began: u64,
    /// Its beginning was told already.
    pub told: bool,
    /// The segment that it changes.
    pub segment: Option<c_int>,
    /// There was an object of its key before.
    pub existed: bool,
    /// It writes to where we write.
    pub here: bool,
}

impl Doing {
    /// It begins.
    pub fn new(entry: Entry, row: &'static CallRow, began: u64) -> Doing {
        let (call, segment) = (None, None);
        Doing { entry, row, call, began, told: false, segment, existed: false, here: false }
    }

    /// Is it shown, and can it sleep until somebody else does something, or some time has passed?
    pub fn waits(&self) -> bool {
        self.call.is_some() && self.row.waits()
    }

    /// Is it one that may sleep, of which nobody knows yet?
    pub fn may_be_asleep(&self) -> bool {
        !self.told && self.waits()
    }

    /// Is its beginning to be told before anything that happens to others? A cause stands before its
    /// effect.
    pub fn comes_first(&self) -> bool {
        !self.told && self.call.is_some() && (self.row.waits() || self.row.sends_signal())
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

    /// What it wrote, when it has written that many bytes: the beginning of it.
    pub fn written(&self, tid: Tid, bytes: i64) -> String {
        let args = &self.entry.args;
        let len = (bytes as usize).min(MOST);
        let text = if self.entry.number == libc::SYS_write {
            memory::bytes(tid, args[1], len)
        } else {
            let parts = memory::records::<libc::iovec>(tid, args[1], args[2].min(64) as usize);
            let part = |part: &libc::iovec| {
                memory::bytes(tid, part.iov_base as u64, part.iov_len.min(MOST))
            };
            let mut text: Vec<u8> = parts.iter().flat_map(part).collect();
            text.truncate(len);
            text
        };
        String::from_utf8_lossy(&text).into_owned()
    }
}
