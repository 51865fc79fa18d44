//! SIGSEGV, by which the tracer hears of accesses: a program may block it or ignore it, and notices nothing
//! of that. It is really neither; what the program wants is remembered, and answered when it asks.
//! rt_sigprocmask(2), rt_sigaction(2)

use libc::c_int;

use super::Memory;
use crate::event::Action;
use crate::syscalls::decode;
use crate::tracer::faults::{bit, blocked_after, opened};
use crate::tracer::memory::{self, record};
use crate::tracer::{Entry, Stopped, registers};

impl Memory {
    /// It is about to set what a signal does. To ignore SIGSEGV is to have no handler for it.
    pub fn sets_action(&mut self, thread: &Stopped, entry: &Entry) {
        let tid = thread.tid();
        if entry.number != libc::SYS_rt_sigaction || entry.args[0] as c_int != libc::SIGSEGV {
            return;
        }
        let was = self.space(tid).ignores;
        self.task(tid).sets = Some((entry.args[1], was));
        if entry.args[1] == 0 {
            return;
        }
        let ignores = decode::enter(tid, entry).action() == Some(Action::Ignore);
        self.space(tid).ignores = ignores;
        if !ignores {
            return;
        }
        // As the kernel has it: handler, flags, restorer, mask.
        let Some([_, flags, restorer, mask]) = record::<[u64; 4]>(tid, entry.args[1]) else {
            return;
        };
        let Ok(scratch) = registers::scratch(thread) else { return };
        let default = libc::SIG_DFL as u64;
        if memory::write(thread, scratch, &[default, flags, restorer, mask]).is_ok() {
            let _ = registers::set_argument(thread, 1, scratch);
        }
    }

    /// A call has ended that may have set or asked what SIGSEGV does, or whether it is blocked.
    pub fn about_faults(&mut self, thread: &Stopped, entry: &Entry, result: i64) {
        let tid = thread.tid();
        match entry.number {
            libc::SYS_rt_sigaction => {
                let Some((argument, was)) = self.task(tid).sets.take() else { return };
                let _ = registers::set_argument(thread, 1, argument);
                if was && entry.args[2] != 0 && result == 0 {
                    let _ = memory::write(thread, entry.args[2], &[libc::SIG_IGN as u64]);
                }
            }
            libc::SYS_rt_sigprocmask if result == 0 => self.masked(thread, entry),
            libc::SYS_rt_sigreturn => {
                let task = self.task(tid);
                task.blocks = task.blocked_before.pop().unwrap_or(task.blocks);
            }
            _ => {}
        }
    }

    /// It has changed its mask.
    fn masked(&mut self, thread: &Stopped, entry: &Entry) {
        let tid = thread.tid();
        let before = self.task(tid).blocks;
        self.task(tid).blocks = blocked_after(tid, entry, before);
        let old = entry.args[2];
        if before
            && old != 0
            && let Some(mask) = record::<u64>(tid, old)
        {
            let _ = memory::write(thread, old, &[mask | bit(libc::SIGSEGV)]);
        }
        if !self.space(tid).watches() {
            // It is as the program has it, and the kernel knows it.
            self.task(tid).blocks = false;
        }
    }

    /// SIGSEGV must not be blocked while a thread runs whose memory is closed.
    pub fn keep_faults_open(&mut self, thread: &Stopped) {
        if !self.space(thread.tid()).watches() {
            return;
        }
        if let Some(open) = opened(thread.blocked()) {
            self.task(thread.tid()).blocks = true;
            let _ = thread.set_blocked(open);
        }
    }
}
