//! What is stored into shared memory: as it is compared at each stop, and access by access.

use libc::c_int;

use super::Teller;
use crate::event::What;
use crate::trace::contents::Change;
use crate::trace::memory::Touch;
use crate::trace::notes;
use crate::tracer::{Entry, Stopped, Tid};

impl Teller {
    /// A thread stands still: what has been stored since the last one did?
    pub fn look(&mut self, tid: Tid) {
        for Change { id, parts, more, by } in self.contents.look(tid, &self.books) {
            let mut pids: Vec<i32> = by.iter().map(|(_, pid)| *pid).collect();
            pids.dedup();
            let others = self.may_be_others(id);
            let lane = match (&by[..], &pids[..], others) {
                ([(thread, _)], _, false) => *thread,
                (_, [pid], false) => *pid,
                _ => 0,
            };
            let memory = format!("shm {id}");
            let what = What::Changed { memory, parts, more, by: pids, others };
            self.emit(lane, what, Some(notes::changed()));
        }
    }

    /// A thread has made an access to shared memory, and stands still.
    pub fn touched(&mut self, thread: &Stopped, touch: Touch) {
        let tid = thread.tid();
        let Some(pid) = self.books.pid_of(tid) else { return };
        if let Ok(id) = c_int::try_from(touch.memory)
            && touch.writes
        {
            self.contents.stored(id, touch.at, &touch.holds);
        }
        if self.books.threads_of(pid).len() > 1 {
            self.warn(
                "a process has more than one thread: while one makes an access, the others may \
                 make one that is not seen",
            );
        }
        self.journal.want_tick();
        let Some(process) = self.books.process_of_mut(tid) else { return };
        for (tid, what) in self.accesses.touched(thread, pid, process, &mut self.sources, touch) {
            self.emit_now(tid, what, None);
        }
    }

    /// A call begins that may order what its thread does with memory; any call, shown or not.
    pub fn begins(&mut self, tid: Tid, entry: &Entry) {
        if let (Some(hints), Some(pid)) = (&mut self.accesses.hints, self.books.pid_of(tid)) {
            hints.begins(tid, pid, entry);
        }
    }

    /// Have processes that are not watched attached this segment?
    fn may_be_others(&mut self, id: c_int) -> bool {
        let ours = self.books.processes().filter(|(_, process)| !process.borrowed);
        let ours = ours.flat_map(|(_, process)| process.attachments());
        let ours = ours.filter(|(_, segment)| segment.id == id).count() as u64;
        let Some(row) = self.objects.peek(id) else { return false };
        let known = |pid: i32| self.books.thread(pid).is_some() || self.books.ended(pid).is_some();
        row.nattch.is_some_and(|all| all > ours) || row.lpid.is_some_and(|pid| !known(pid))
    }

    /// A thread goes on: into its program, or in a call whose end will be reported.
    pub fn goes_on(&mut self, tid: Tid, into_program: bool) {
        self.contents.goes_on(tid, into_program);
    }
}
