//! A thread that stands still and one that runs are two types: only the first can be looked into,
//! changed and let go on, and it is let go on once.

use std::cell::Cell;
use std::os::raw::c_uint;
use std::ptr;

use libc::{c_int, c_void};
use nix::errno::Errno;
use nix::sys::ptrace::Options;

use super::Tid;
use super::starter::OPTIONS;

/// A thread that stands still.
#[derive(Debug)]
#[must_use = "it stands still until it is let go on"]
pub struct Stopped {
    tid: Tid,
    /// The signals that it blocks, once that was asked: it does not change them while it stands.
    blocked: Cell<Option<u64>>,
}

/// One that runs, or sleeps in the kernel.
#[derive(Debug)]
pub struct Running(Tid);

/// How a tracee goes on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum How {
    /// Until something happens that stops it: a filtered call, a signal, a child, its end.
    Cont,
    /// The same, and at the next entry to or exit from a call.
    Syscall,
    /// One instruction, which a SIGTRAP reports.
    Step,
    /// It stays stopped with its process; [`super::Stop::Started`] reports the end of that.
    Listen,
}

impl Stopped {
    /// One whose stop waitpid(2) has just reported.
    pub(super) fn told(tid: Tid) -> Stopped {
        Stopped { tid, blocked: Cell::new(None) }
    }

    /// Its number.
    pub fn tid(&self) -> Tid {
        self.tid
    }

    /// Lets it go on. `signal` is delivered to it, if it is not 0; it counts only at a
    /// [`super::Stop::Signal`]. One that was killed meanwhile runs to its end.
    pub fn resume(self, how: How, signal: c_int) -> nix::Result<Running> {
        let request = match how {
            How::Cont => libc::PTRACE_CONT,
            How::Syscall => libc::PTRACE_SYSCALL,
            How::Step => libc::PTRACE_SINGLESTEP,
            How::Listen => libc::PTRACE_LISTEN,
        };
        unless_killed(number(request, self.tid, signal as usize))?;
        Ok(Running(self.tid))
    }

    /// The signals that it blocks, bit n - 1 for signal n; all, if it was killed.
    pub fn blocked(&self) -> u64 {
        if let Some(mask) = self.blocked.get() {
            return mask;
        }
        let mut mask = u64::MAX;
        let at = (&raw mut mask).cast::<c_void>();
        let size = ptr::without_provenance_mut::<c_void>(size_of::<u64>());
        // SAFETY: the kernel writes as many bytes as the size says.
        let done = unsafe { libc::ptrace(libc::PTRACE_GETSIGMASK, self.tid, size, at) };
        self.blocked.set((done == 0).then_some(mask));
        mask
    }

    /// From now on it blocks these. One that waits in sigsuspend gets the mask back that it had before.
    pub fn set_blocked(&self, mut mask: u64) -> nix::Result<()> {
        let at = (&raw mut mask).cast::<c_void>();
        let size = ptr::without_provenance_mut::<c_void>(size_of::<u64>());
        self.blocked.set(None);
        // SAFETY: the kernel reads as many bytes as the size says.
        let done = unsafe { libc::ptrace(libc::PTRACE_SETSIGMASK, self.tid, size, at) };
        unless_killed(Errno::result(done).map(drop))
    }

    /// From now on its end, and that of all that it makes, is reported just before it comes: [`super::Stop::Ends`].
    pub fn tells_its_end(&self) -> nix::Result<()> {
        self.set_options(OPTIONS | Options::PTRACE_O_EXITKILL | Options::PTRACE_O_TRACEEXIT)
    }

    /// Which of its events are reported from now on. ptrace(2), PTRACE_O_…
    pub(super) fn set_options(&self, options: Options) -> nix::Result<()> {
        unless_killed(number(libc::PTRACE_SETOPTIONS, self.tid, options.bits() as usize))
    }
}

impl Running {
    /// Begins to trace a child of ours.
    pub(super) fn seize(tid: Tid, options: Options) -> nix::Result<Running> {
        number(libc::PTRACE_SEIZE, tid, options.bits() as usize).map(|()| Running(tid))
    }

    /// Its number.
    pub fn tid(&self) -> Tid {
        self.0
    }

    /// Asks it to stand still: the next wait reports its call's end, or [`super::Stop::Started`].
    pub fn interrupt(&self) -> nix::Result<()> {
        unless_killed(number(libc::PTRACE_INTERRUPT, self.0, 0))
    }
}

/// SIGKILL may come at any moment, also to one that stands still: then the kernel has no such
/// tracee any more, and the next wait reports its end.
pub(super) fn unless_killed(answer: nix::Result<()>) -> nix::Result<()> {
    match answer {
        Err(Errno::ESRCH) => Ok(()),
        answer => answer,
    }
}

/// One ptrace request with a number as its data. nix's take only signals that have a name.
fn number(request: c_uint, tid: Tid, data: usize) -> nix::Result<()> {
    // SAFETY: these requests take a number, and touch no memory of ours.
    Errno::result(unsafe { libc::ptrace(request, tid, ptr::null_mut::<c_void>(), data) }).map(drop)
}
