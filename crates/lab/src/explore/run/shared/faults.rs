//! SIGSEGV, by which the tracer hears of accesses: a program may block it, ignore it or handle it, and notices
//! nothing of that.
//!
//! The kernel makes a fault deadly whose signal is blocked or ignored. So it is really neither, and what the
//! program wants is remembered, and answered when it asks. rt_sigprocmask(2), rt_sigaction(2)

use libc::c_int;

use crate::event::Action;
use crate::explore::Trouble;
use crate::explore::calls;
use crate::explore::run::Result;
use crate::explore::run::model::State;
use crate::explore::run::programs::Programs;
pub use crate::tracer::faults::others;
use crate::tracer::faults::{bit, blocked_after, opened};
use crate::tracer::memory::{self, record};
use crate::tracer::{Entry, registers};

impl Programs<'_> {
    /// Does a call set or ask for what we keep for the program?
    pub fn is_about_faults(&self, i: usize, entry: &Entry) -> bool {
        let process = self.model.process(i);
        match entry.number {
            libc::SYS_rt_sigprocmask => process.watches() || self.model.tasks[i].blocks_faults,
            libc::SYS_rt_sigaction => {
                entry.args[0] as c_int == libc::SIGSEGV
                    && (self.model.tasks[i].sets_faults.is_some()
                        || process.action(libc::SIGSEGV) == Action::Ignore)
            }
            _ => false,
        }
    }

    /// It is about to set what a signal does. To ignore SIGSEGV is to have no handler for it.
    pub fn sets_action(&mut self, i: usize, entry: &Entry) -> Result<()> {
        if entry.args[0] as c_int != libc::SIGSEGV || !self.world.watches() {
            return Ok(());
        }
        let was = self.model.process(i).action(libc::SIGSEGV) == Action::Ignore;
        let tid = self.model.tasks[i].tid;
        self.model.tasks[i].sets_faults = Some((entry.args[1], was));
        if calls::action(tid, entry) != Action::Ignore {
            return Ok(());
        }
        // As the kernel has it: handler, flags, restorer, mask.
        let Some([_, flags, restorer, mask]) = record::<[u64; 4]>(tid, entry.args[1]) else {
            return Ok(());
        };
        let thread = self.tracees.standing(i)?;
        let scratch = registers::scratch(thread).map_err(Trouble::of("ptrace"))?;
        let default = libc::SIG_DFL as u64;
        let done = memory::write(thread, scratch, &[default, flags, restorer, mask]);
        done.map_err(Trouble::of("process_vm_writev"))?;
        registers::set_argument(thread, 1, scratch).map_err(Trouble::of("ptrace"))
    }

    /// It has set or asked what SIGSEGV does.
    pub fn action_was_set(&mut self, i: usize, entry: &Entry) -> Result<()> {
        let ignores = self.model.process(i).action(libc::SIGSEGV) == Action::Ignore;
        let was = match self.model.tasks[i].sets_faults.take() {
            Some((argument, was)) => {
                let done = registers::set_argument(self.tracees.standing(i)?, 1, argument);
                done.map_err(Trouble::of("ptrace"))?;
                was
            }
            None => ignores,
        };
        if was && entry.args[2] != 0 {
            self.write(i, entry.args[2], &[libc::SIG_IGN as u64])?;
        }
        Ok(())
    }

    /// Does one stand at the end of a call that waits with a mask of its own? To set another there would be to
    /// lose what it waited for.
    pub fn waited_with_a_mask(&self, i: usize) -> bool {
        let task = &self.model.tasks[i];
        task.state == State::After && task.entry.as_ref().is_some_and(calls::has_own_mask)
    }

    /// It runs another program now, which finds the mask as it was.
    pub fn faults_after_exec(&mut self, i: usize) -> Result<()> {
        if std::mem::take(&mut self.model.tasks[i].blocks_faults) {
            let thread = self.tracees.standing(i)?;
            let mask = thread.blocked() | bit(libc::SIGSEGV);
            thread.set_blocked(mask).map_err(Trouble::of("ptrace"))?;
        }
        Ok(())
    }

    /// It has changed its mask.
    pub fn masked(&mut self, i: usize, entry: &Entry) -> Result<()> {
        let task = &mut self.model.tasks[i];
        let before = task.blocks_faults;
        task.blocks_faults = blocked_after(task.tid, entry, before);
        let now = task.blocks_faults;
        self.keep_faults_open(i)?;
        self.model.tasks[i].blocks_faults = now;
        let old = entry.args[2];
        if before
            && old != 0
            && let Some(mask) = record::<u64>(self.model.tasks[i].tid, old)
        {
            self.write(i, old, &[mask | bit(libc::SIGSEGV)])?;
        }
        Ok(())
    }

    /// SIGSEGV must not be blocked while a thread runs whose memory is closed: the kernel would make it
    /// deadly. What the program wants is remembered.
    pub fn keep_faults_open(&mut self, i: usize) -> Result<()> {
        if !self.model.process(i).watches() {
            return Ok(());
        }
        let thread = self.tracees.standing(i)?;
        if let Some(open) = opened(thread.blocked()) {
            self.model.tasks[i].blocks_faults = true;
            thread.set_blocked(open).map_err(Trouble::of("ptrace"))?;
        }
        Ok(())
    }
}
