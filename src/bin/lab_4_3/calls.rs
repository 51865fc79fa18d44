//! One side of a conversation: which system calls it has made, and whether it should go on.

use lablib::child::Child;
use lablib::{Failure, Result, signals};
use std::time::Duration;

/// The calls that the ways make for their messages. The names are those that `strace` prints.
#[derive(Clone, Copy, Debug)]
pub enum Call {
    Write,
    Read,
    Msgsnd,
    Msgrcv,
    MqSend,
    MqReceive,
    Futex,
}

const NAMES: [&str; 7] =
    ["write", "read", "msgsnd", "msgrcv", "mq_timedsend", "mq_timedreceive", "futex"];

/// A or B: what it has called so far, and, in A, the process of B.
#[derive(Default)]
pub struct Side<'a> {
    calls: [u64; NAMES.len()],
    child: Option<&'a Child>,
}

impl<'a> Side<'a> {
    /// A, the parent of this B. B itself dies with A, and need not check.
    pub fn with(child: &'a Child) -> Side<'a> {
        Side { child: Some(child), ..Side::default() }
    }

    /// One more of these was made.
    pub fn count(&mut self, call: Call) {
        self.calls[call as usize] += 1;
    }

    /// All calls since this was asked last, by name; those that were not made are left out.
    pub fn take(&mut self) -> Vec<(&'static str, u64)> {
        let calls = std::mem::take(&mut self.calls);
        NAMES.into_iter().zip(calls).filter(|(_, n)| *n > 0).collect()
    }

    /// How many there are in all.
    pub fn total(&self) -> u64 {
        self.calls.iter().sum()
    }

    /// Called in a wait that was interrupted, and now and then in one that spins. `Err` when a
    /// signal asks us to stop, and when the other side has ended: nothing can come from it then.
    pub fn look(&self) -> Result<()> {
        signals::check()?;
        match self.child {
            Some(child) if child.has_ended(Duration::ZERO)? => Err(Failure::Told(1)),
            _ => Ok(()),
        }
    }
}
