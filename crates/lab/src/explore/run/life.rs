//! Births and ends of the programs' processes and threads.

use std::fs::File;
use std::os::fd::AsRawFd;

use libc::c_int;

use super::Result;
use super::maps::Map;
use super::model::{State, Task};
use super::programs::Programs;
use super::tracees::Heard;
use crate::event::Action;
use crate::explore::calls::{self, FAULTS};
use crate::explore::footprint::Thing;
use crate::explore::verdict::Moment;
use crate::syscalls;
use crate::tracer::memory::record;
use crate::tracer::{Death, Entry, How, Stop, Tid, names, number_inside};

/// So often is looked whether a number is free, which takes a second of our own time; then another has it already.
const LOOKS: u32 = 1_000_000;

impl Programs<'_> {
    /// A process or thread has made another one.
    pub fn born(&mut self, i: usize, child: Tid) -> Result<()> {
        let task = &self.model.tasks[i];
        let flags = task.entry.map_or(0, |entry| syscalls::clone_flags(task.tid, &entry));
        let has = |flag: c_int| flags & flag as u64 != 0;
        if has(libc::CLONE_VM) && !has(libc::CLONE_THREAD) || self.ends_are_seen_elsewhere(i) {
            self.touched.wakes_any = true;
        }
        let ids = &mut self.world.ids;
        let new = if has(libc::CLONE_THREAD) {
            self.tracees.expect(child, self.model.process(i).tgid);
            self.model.thread(ids, i, child)
        } else {
            self.tracees.expect(child, child);
            let borrows = has(libc::CLONE_VM).then(|| number_inside(child));
            self.model.fork(ids, i, child, borrows)
        };
        self.order.born(i, new);
        if self.model.tasks.len() > self.world.most.threads {
            self.judge.not_judged("it makes more processes and threads than may be");
        }
        self.model.tasks[new].mask.blocks =
            self.tracees.if_standing(i).map(|one| one.blocked() & !FAULTS);
        self.model.tasks[new].blocks_faults = self.model.tasks[i].blocks_faults;
        let (maps, pid) = (self.model.process(new).maps.clone(), self.model.pid(i));
        self.model.attached_last(&maps, pid);
        loop {
            match self.tracees.wait(new)? {
                Heard::Stop(Stop::Started) => return Ok(()),
                Heard::Stop(_) => self.tracees.go_on(new, How::Cont, 0)?,
                Heard::End(death) => return self.ended(new, death),
            }
        }
    }

    /// Does the thread that is born have its word, which the kernel clears when it ends, in memory that other
    /// processes see? clone(2), CLONE_CHILD_CLEARTID
    fn ends_are_seen_elsewhere(&self, i: usize) -> bool {
        let task = &self.model.tasks[i];
        let word = task.entry.map_or(0, |entry| match entry.number {
            libc::SYS_clone3 => {
                record::<[u64; 3]>(task.tid, entry.args[0]).map_or(0, |clone| clone[2])
            }
            _ => entry.args[3],
        });
        let holds = |map: &Map| (map.start..map.end()).contains(&word);
        self.model.process(i).maps.iter().any(holds)
    }

    /// It runs another program.
    pub fn exec(&mut self, i: usize) -> Result<()> {
        if self.narrator.wanted {
            self.narrator.call(&mut self.model, i, Some(0));
        }
        for sibling in self.model.siblings(i) {
            self.has_gone(sibling);
        }
        self.mark_locks(i);
        self.model.exec(i);
        self.faults_after_exec(i)?;
        self.give_up_objects();
        self.model.forget_closed(None);
        self.hide_vdso(i)
    }

    /// A thread has ended, or its whole process.
    pub fn ended(&mut self, i: usize, death: Death) -> Result<()> {
        let process = self.model.tasks[i].process;
        self.has_gone(i);
        self.model.tasks[i].in_call = false;
        let siblings = self.model.siblings(i);
        if !siblings.is_empty() && self.ends_thread(i) && matches!(death, Death::Exited(_)) {
            // Who waits for it is in its own process, all of whose moves count as one memory's.
            if self.touched.wakes_any || self.model.processes[process].leaves.locks {
                self.touched.made.writes(Thing::Futexes);
            }
            self.order.call(i, self.touched.made.things());
            return Ok(());
        }
        let main = self.model.processes[process].main;
        let left = main != i && self.model.tasks[main].state == State::Gone;
        for sibling in siblings {
            self.tracees.await_end(sibling)?;
            self.has_gone(sibling);
        }
        // A main thread that left before the others has only ended now.
        if left {
            self.tracees.await_end(main)?;
        }
        let (how, moment) = match death {
            Death::Killed { signal, core } => {
                // Its core is a file.
                self.world.room.has_files |= core;
                (names::signal(signal), Moment::Killed { signal })
            }
            Death::Exited(code) => (code.to_string(), Moment::Exit { code }),
        };
        self.narrator.tell(&self.model, i, moment);
        let pid = self.model.pid(i);
        let maps = self.model.end(process, how);
        self.model.attached_last(&maps, pid);
        self.give_up_objects();
        self.model.forget_closed(None);
        self.touched.maps(&maps);
        self.ended_for_others(process);
        self.order.call(i, self.touched.made.things());
        if let Death::Killed { signal, .. } = death {
            self.judge.death(&self.model, i, signal);
        }
        // A process that dies with its parent is dying now.
        for heir in self.model.heirs(process) {
            self.touched.made.writes(Thing::Process(heir.process as u32));
            self.model.signal_comes(Some(heir.process));
            if heir.signal == libc::SIGKILL {
                self.await_death(self.model.processes[heir.process].main)?;
            }
        }
        Ok(())
    }

    /// A thread is no more: its stores have reached the memory, and its locks are marked.
    fn has_gone(&mut self, i: usize) {
        self.drain_all(i);
        self.mark_locks(i);
        self.model.tasks[i].state = State::Gone;
    }

    /// What others may notice when a process has ended.
    fn ended_for_others(&mut self, process: usize) {
        // Its parent hears of it; and a process group that loses its last parent, if one is stopped.
        let stopped = self.model.tasks.iter().any(|task| task.state == State::Stopped);
        self.model.signal_comes(self.model.processes[process].parent.filter(|_| !stopped));
        let one = &self.model.processes[process];
        let made = &mut self.touched.made;
        made.writes(Thing::Process(process as u32));
        made.writes(Thing::Child(process as u32));
        if !one.leaves.known {
            made.writes(Thing::Descriptors);
            made.writes(Thing::Futexes);
        }
        one.undone.iter().for_each(|id| made.writes(Thing::Sem(*id)));
        if self.model.locks && !one.leaves.unlocked {
            made.writes(Thing::Files);
        }
        let Some(parent) = one.parent else { return };
        // The first of several wakes one that sleeps until any of them has ended.
        let waits = self.model.tasks.iter().any(|task| task.process == parent && task.waits());
        let children = Thing::Children(parent as u32);
        if waits {
            made.writes(children)
        } else {
            made.counts(children)
        }
        let (number, parent) = (parent, &self.model.processes[parent]);
        let takes = |task: &Task| {
            let takes = |entry: &Entry| calls::takes(task.tid, entry, libc::SIGCHLD);
            task.state == State::Asleep && task.entry.as_ref().is_some_and(takes)
        };
        let taken = self.model.tasks.iter().any(|task| task.process == number && takes(task));
        let handler = parent.action(libc::SIGCHLD) == Action::Handler;
        let blocks = self.blocks(number, libc::SIGCHLD);
        let waits = blocks && !taken && self.keeps_pending(number, libc::SIGCHLD);
        if taken || handler || blocks {
            self.touched.signal(number, libc::SIGCHLD, waits);
        }
        self.touched.made.reads(Thing::Heeds(number as u32));
    }

    /// Waits for one that SIGKILL was sent to.
    fn await_death(&mut self, main: usize) -> Result<()> {
        for sibling in self.model.siblings(main) {
            self.tracees.await_end(sibling)?;
            self.has_gone(sibling);
        }
        if self.model.tasks[main].state == State::Gone {
            return Ok(());
        }
        let death = self.tracees.await_end(main)?;
        self.ended(main, death)
    }

    /// All processes that are left end now, even if a signal asks us to stop meanwhile.
    pub fn clear(&mut self) -> Result<()> {
        let model = &self.model;
        // Parents first: what they would have to reap is the room's to reap then.
        for (number, process) in model.processes.iter().enumerate() {
            let lives = process.end.is_none();
            if lives {
                // SAFETY: a tracee that we have not reaped: the number is its own.
                unsafe { libc::kill(process.tgid, libc::SIGKILL) };
            }
            let left = |i: &usize| {
                let task = &model.tasks[*i];
                task.process == number && (task.state != State::Gone || process.main == *i && lives)
            };
            // The kernel reports the main thread's end last.
            let mut order: Vec<usize> = (0..model.tasks.len()).filter(left).collect();
            order.sort_by_key(|i| process.main == *i);
            order.into_iter().try_for_each(|i| self.tracees.clear(i))?;
        }
        until_free(self.model.tasks.iter().map(|task| task.tid));
        Ok(())
    }
}

/// The kernel tells of a parent's end, and gives up the numbers of the children that it had not reaped a moment
/// later, when nobody finds them any more: the next run is to have the same numbers.
fn until_free(tids: impl Iterator<Item = Tid>) {
    let Ok(file) = File::open("/dev/null") else { return };
    // SAFETY: a descriptor of ours, and a number: who is told of its state, which never changes.
    let set = |tid: Tid| unsafe { libc::fcntl(file.as_raw_fd(), libc::F_SETOWN, tid) };
    for tid in tids {
        for _ in (0..LOOKS).take_while(|_| set(tid) == 0) {
            // SAFETY: it takes nothing.
            unsafe { libc::sched_yield() };
        }
    }
}
