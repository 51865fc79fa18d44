//! `lab trace --memory`: each access to shared memory is seen.
//!
//! | module | what it holds |
//! |---|---|
//! | [`spaces`] | which memory is shared, and where: it is kept closed (PROT_NONE) |
//! | [`faults`] | SIGSEGV, which is the tracer's |
//! | [`locks`] | robust locks of threads that end |
//!
//! An access raises SIGSEGV. The memory is opened for the thread that makes it, in its address space alone,
//! the processor makes one instruction, and the memory is closed again. Whole areas of memory are opened and
//! closed, so none is split in two, which would count as an attachment; and nothing is attached by the tracer.
//!
//! The kernel finds closed memory closed, too: it is opened for a call that points there. mprotect(2)

use std::collections::BTreeMap;

use libc::{c_int, siginfo_t};
use nix::errno::Errno;

use super::signals;
use crate::syscalls::{self, OURS, pointers};
use crate::tracer::faults::{bit, others};
use crate::tracer::instruction::{Instructions, Part};
use crate::tracer::registers::{self, Registers};
use crate::tracer::{Entry, How, Stop, Stopped, Tid, Tracer, fault, memory};

mod faults;
mod locks;
mod spaces;

use spaces::{Map, Space};

/// SEGV_ACCERR: the memory is there, and closed. <asm-generic/siginfo.h>
const CLOSED: c_int = 2;
/// After so many accesses without a call, memory stays open up to the next call: it would take too long.
const PATIENCE: u32 = 4096;
/// So many bytes of an access are told.
const TOLD: u64 = 64;

/// An access that was made.
pub struct Touch {
    /// Which memory: a segment's id, or a number for a mapping.
    pub memory: u64,
    pub at: u64,
    pub len: u64,
    pub reads: bool,
    pub writes: bool,
    pub locked: bool,
    /// What the bytes hold afterwards.
    pub holds: Vec<u8>,
    /// The thread's registers, before it.
    pub registers: Registers,
}

/// What becomes of a stop.
pub enum Seen {
    /// It is the program's: to be told, and gone on from; if this says how, so.
    Its(Stopped, Stop, Option<How>),
    /// It is ours: accesses were made, and the thread goes on.
    Ours(Stopped, Vec<Touch>),
    /// Something else has come, and is reported next.
    Other,
}

/// What is known of a thread.
#[derive(Clone, Default)]
struct Task {
    space: usize,
    /// The call that it is in.
    entry: Option<Entry>,
    /// The call was skipped, and is made again when memory is as it has to be.
    skipped: bool,
    /// Memory is as this call needs it.
    ready: bool,
    /// Memory was opened for it.
    opened: bool,
    /// It is about to run a handler.
    enters: bool,
    /// It wants SIGSEGV blocked.
    blocks: bool,
    /// The same of what handlers have interrupted.
    blocked_before: Vec<bool>,
    /// Of a call that sets what SIGSEGV does: the argument that it had, and whether that was ignored before.
    sets: Option<(u64, bool)>,
}

/// See the module.
#[derive(Default)]
pub struct Memory {
    tasks: BTreeMap<Tid, Task>,
    spaces: Vec<Space>,
    instructions: Instructions,
    /// Memory was left open for long.
    pub left_open: bool,
    /// A robust lock of a thread that has ended could not be marked.
    pub unmarked: bool,
}

/// `None`: something else has come. An error: the thread was killed.
type Held = Result<Option<Stopped>, Errno>;

impl Memory {
    fn task(&mut self, tid: Tid) -> &mut Task {
        let spaces = &mut self.spaces;
        self.tasks.entry(tid).or_insert_with(|| {
            spaces.push(Space::default());
            Task { space: spaces.len() - 1, ..Task::default() }
        })
    }

    fn space(&mut self, tid: Tid) -> &mut Space {
        let space = self.task(tid).space;
        &mut self.spaces[space]
    }

    /// A thread stands still.
    pub fn stop(&mut self, thread: Stopped, stop: Stop, tracer: &mut Tracer) -> Seen {
        let tid = thread.tid();
        let its = |held: Held, stop: Stop, how: Option<How>| match held {
            Ok(Some(thread)) => Seen::Its(thread, stop, how),
            _ => Seen::Other,
        };
        let ours = |held: Held| match held {
            Ok(Some(thread)) => Seen::Ours(thread, vec![]),
            _ => Seen::Other,
        };
        match stop {
            Stop::Entry(entry) => {
                self.task(tid).entry = Some(entry);
                if !self.task(tid).ready && self.has_to_change(tid, &entry) {
                    self.task(tid).skipped = true;
                    return ours(registers::skip(&thread).map(|()| Some(thread)));
                }
                self.sets_action(&thread, &entry);
                Seen::Its(thread, stop, None)
            }
            Stop::Exit(_) if self.task(tid).skipped => ours(self.make_ready(thread, tracer)),
            Stop::Exit(result) => match self.after_call(thread, result, tracer) {
                Ok((held, true)) => its(Ok(held), stop, None),
                Ok((held, false)) => ours(Ok(held)),
                Err(_) => Seen::Other,
            },
            Stop::Signal(info) => self.signal(thread, info, tracer),
            Stop::Born(child) => {
                self.born(tid, child);
                Seen::Its(thread, stop, None)
            }
            Stop::Exec(former) => {
                self.exec(&thread, former);
                Seen::Its(thread, stop, None)
            }
            Stop::Ends => {
                let touches = self.ends(&thread);
                Seen::Ours(thread, touches)
            }
            Stop::Started if self.space(tid).open && self.task(tid).entry.is_none() => {
                // It was born while memory was open.
                its(self.close(thread, tracer), stop, None)
            }
            _ => Seen::Its(thread, stop, None),
        }
    }

    /// A thread has ended.
    pub fn ended(&mut self, tid: Tid) {
        self.tasks.remove(&tid);
    }

    fn born(&mut self, tid: Tid, child: Tid) {
        let parent = self.task(tid).clone();
        let flags = parent.entry.map_or(0, |entry| syscalls::clone_flags(tid, &entry));
        let mut space = parent.space;
        if flags & libc::CLONE_VM as u64 == 0 {
            self.spaces.push(self.spaces[space].clone());
            space = self.spaces.len() - 1;
        }
        let (blocks, blocked_before) = (parent.blocks, parent.blocked_before);
        self.tasks.insert(child, Task { space, blocks, blocked_before, ..Task::default() });
    }

    /// It runs another program, which finds SIGSEGV as it was.
    fn exec(&mut self, thread: &Stopped, former: Tid) {
        let tid = thread.tid();
        let was = self.tasks.remove(&former).unwrap_or_default();
        let ignores = self.spaces.get(was.space).is_some_and(|space| space.ignores);
        self.spaces.push(Space { ignores, ..Space::default() });
        let space = self.spaces.len() - 1;
        self.tasks.insert(tid, Task { space, entry: was.entry, ..Task::default() });
        if was.blocks {
            // If it was killed, the next wait says so.
            let _ = thread.set_blocked(thread.blocked() | bit(libc::SIGSEGV));
        }
    }

    // ---- calls

    /// Is memory not as it has to be for this call?
    fn has_to_change(&mut self, tid: Tid, entry: &Entry) -> bool {
        let space = self.space(tid);
        // exec gives up the memory, and with it the robust locks.
        let replaces = matches!(entry.number, libc::SYS_execve | libc::SYS_execveat);
        let points = || pointers::point_at(tid, entry, |at| space.map_at(at).is_some());
        space.open || space.watches() && (points() || replaces && pointers::holds_locks(tid))
    }

    /// A thread stands at the end of a call that was skipped: memory is made as the call needs it, and it
    /// stands before the call again.
    fn make_ready(&mut self, thread: Stopped, tracer: &mut Tracer) -> Held {
        let tid = thread.tid();
        let Some(entry) = self.task(tid).entry else { return Ok(Some(thread)) };
        registers::rewind(&thread, entry.number, entry.args[0])?;
        let task = self.task(tid);
        (task.skipped, task.ready) = (false, true);
        let Some(thread) = self.close(thread, tracer)? else { return Ok(None) };
        if !self.has_to_change(tid, &entry) {
            return Ok(Some(thread));
        }
        self.task(tid).opened = true;
        self.open(thread, tracer)
    }

    /// A call has ended. False: it has not, but is made again.
    fn after_call(
        &mut self,
        thread: Stopped,
        result: i64,
        tracer: &mut Tracer,
    ) -> Result<(Option<Stopped>, bool), Errno> {
        let tid = thread.tid();
        let Some(entry) = self.task(tid).entry else { return Ok((Some(thread), true)) };
        // It goes on where its handler has interrupted it.
        let returns = entry.number == libc::SYS_rt_sigreturn;
        if !returns {
            self.space(tid).call_at = registers::all(&thread)?.call_instruction();
        }
        self.space(tid).count = 0;
        self.space(tid).looked.clear();
        if !returns
            && result == -i64::from(libc::EFAULT)
            && !self.task(tid).opened
            && self.space(tid).watches()
        {
            // Only because memory is closed? It is made again with open memory.
            registers::rewind(&thread, entry.number, entry.args[0])?;
            let task = self.task(tid);
            (task.ready, task.opened) = (true, true);
            return Ok((self.open(thread, tracer)?, false));
        }
        let task = self.task(tid);
        let opened = std::mem::take(&mut task.opened);
        (task.entry, task.ready) = (None, false);
        let row = syscalls::row(entry.number).filter(|_| !entry.foreign);
        let own_mask = row.is_some_and(|row| row.own_mask);
        let mut thread = thread;
        // To set another mask where one waits with its own would be to lose what it has waited for.
        if opened && !own_mask {
            let Some(closed) = self.close(thread, tracer)? else { return Ok((None, true)) };
            thread = closed;
        }
        if row.is_some_and(|row| row.is_of_maps()) && result >= 0 {
            let Some(looked) = self.maps_changed(thread, &entry, tracer)? else {
                return Ok((None, true));
            };
            thread = looked;
        }
        self.about_faults(&thread, &entry, result);
        if !own_mask {
            self.keep_faults_open(&thread);
        }
        Ok((Some(thread), true))
    }

    /// Which shared memory is mapped now? What is new is closed.
    fn maps_changed(&mut self, thread: Stopped, entry: &Entry, tracer: &mut Tracer) -> Held {
        let tid = thread.tid();
        let to_close = self.space(tid).look(tid, entry);
        if to_close.is_empty() {
            return Ok(Some(thread));
        }
        let mask = keeps_signals_away(&thread)?;
        let closed = self.protect(thread, &to_close, |_| libc::PROT_NONE, mask, tracer)?;
        let Some(thread) = closed else { return Ok(None) };
        thread.set_blocked(mask)?;
        Ok(Some(thread))
    }

    // ---- accesses

    fn signal(&mut self, thread: Stopped, info: Box<siginfo_t>, tracer: &mut Tracer) -> Seen {
        let (tid, signal) = (thread.tid(), info.si_signo);
        if std::mem::take(&mut self.task(tid).enters) && signal == libc::SIGTRAP {
            self.keep_faults_open(&thread);
            return Seen::Ours(thread, vec![]);
        }
        let at = fault(&info).filter(|_| signal == libc::SIGSEGV && info.si_code == CLOSED);
        if let Some(at) = at.filter(|at| self.space(tid).map_at(*at).is_some()) {
            return self.access(thread, at, info, tracer);
        }
        let ignored = signal == libc::SIGSEGV && self.space(tid).ignores;
        if ignored && info.si_code <= 0 {
            return Seen::Ours(thread, vec![]);
        }
        let how = self.delivers(tid, signal);
        Seen::Its(thread, Stop::Signal(info), how)
    }

    /// A signal is delivered. If a handler runs, the thread stops at its beginning: there SIGSEGV may be blocked.
    fn delivers(&mut self, tid: Tid, signal: c_int) -> Option<How> {
        if !self.space(tid).watches() || !signals::handles(tid, signal) {
            return None;
        }
        let task = self.task(tid);
        task.enters = true;
        task.blocked_before.push(task.blocks);
        Some(How::Step)
    }

    /// A thread stands before an access to memory that is closed, and makes it.
    fn access(
        &mut self,
        thread: Stopped,
        at: u64,
        info: Box<siginfo_t>,
        tracer: &mut Tracer,
    ) -> Seen {
        let tid = thread.tid();
        let Some(next) = self.instructions.next(&thread) else {
            return Seen::Its(thread, Stop::Signal(info), None);
        };
        let mut parts = next.one_step();
        if !parts.iter().any(|part| (part.at..part.at.saturating_add(part.len)).contains(&at)) {
            // One that we do not read right: it may do anything there.
            parts.push(Part { at, len: 1, reads: true, writes: true });
        }
        let space = self.space(tid);
        let Some(touched) = space.touched(&parts) else {
            // The program may not, and is to hear of it.
            let how = self.delivers(tid, libc::SIGSEGV);
            return Seen::Its(thread, Stop::Signal(info), how);
        };
        // The same look again is a wait, which may be long.
        let looks = parts.iter().all(|part| !part.writes);
        if !looks || space.looked.insert((next.at, at)) {
            space.count += 1;
        }
        if !looks {
            space.looked.clear();
        }
        let patient = space.count <= PATIENCE;
        let held = if space.open || !patient {
            self.left_open |= !patient;
            self.open(thread, tracer)
        } else {
            self.step_over(thread, &touched, tracer)
        };
        let Ok(Some(thread)) = held else { return Seen::Other };
        let told = touched.into_iter().map(|(map, part)| Touch {
            memory: map.memory,
            at: map.inside(part.at),
            len: part.len,
            reads: part.reads,
            writes: part.writes,
            locked: next.locked,
            holds: memory::bytes(tid, part.at, part.len.min(TOLD) as usize),
            registers: next.registers.clone(),
        });
        let told = if self.space(tid).open { vec![] } else { told.collect() };
        Seen::Ours(thread, told)
    }

    /// One instruction, with the memory that it touches open.
    fn step_over(&mut self, thread: Stopped, touched: &[(Map, Part)], tracer: &mut Tracer) -> Held {
        let mut maps: Vec<Map> = touched.iter().map(|(map, _)| *map).collect();
        maps.dedup();
        let mask = keeps_signals_away(&thread)?;
        let opened = self.protect(thread, &maps, Map::protection, mask, tracer)?;
        let Some(thread) = opened else { return Ok(None) };
        let tid = thread.tid();
        let Some(thread) = tracer.step(thread, |thread| thread.set_blocked(mask))? else {
            // It has met something else: there memory is open, up to the next call.
            self.space(tid).open = true;
            return Ok(None);
        };
        let closed = self.protect(thread, &maps, |_| libc::PROT_NONE, mask, tracer)?;
        let Some(thread) = closed else { return Ok(None) };
        thread.set_blocked(mask)?;
        Ok(Some(thread))
    }

    // ---- calls of ours

    fn open(&mut self, thread: Stopped, tracer: &mut Tracer) -> Held {
        self.space(thread.tid()).open = true;
        self.protect_all(thread, Map::protection, tracer)
    }

    fn close(&mut self, thread: Stopped, tracer: &mut Tracer) -> Held {
        if !std::mem::take(&mut self.space(thread.tid()).open) {
            return Ok(Some(thread));
        }
        self.protect_all(thread, |_| libc::PROT_NONE, tracer)
    }

    fn protect_all(
        &mut self,
        thread: Stopped,
        as_what: impl Fn(&Map) -> c_int,
        tracer: &mut Tracer,
    ) -> Held {
        let maps = self.space(thread.tid()).maps.clone();
        if maps.is_empty() {
            return Ok(Some(thread));
        }
        let mask = keeps_signals_away(&thread)?;
        let Some(thread) = self.protect(thread, &maps, as_what, mask, tracer)? else {
            return Ok(None);
        };
        thread.set_blocked(mask)?;
        Ok(Some(thread))
    }

    /// Opens or closes memory. `mask`: the signals that the thread blocks else.
    fn protect(
        &mut self,
        thread: Stopped,
        maps: &[Map],
        as_what: impl Fn(&Map) -> c_int,
        mask: u64,
        tracer: &mut Tracer,
    ) -> Held {
        let mut thread = thread;
        for map in maps {
            let protection = as_what(map) as u64;
            let args = [map.start, map.end - map.start, protection, OURS.into(), 0];
            match self.inject(thread, libc::SYS_mprotect, args, mask, tracer)? {
                Some(next) => thread = next,
                None => return Ok(None),
            }
        }
        Ok(Some(thread))
    }

    /// Lets a thread that stands still in user mode, or at a call's end, make a call of ours.
    fn inject(
        &mut self,
        thread: Stopped,
        number: i64,
        args: [u64; 5],
        mask: u64,
        tracer: &mut Tracer,
    ) -> Held {
        let at = self.space(thread.tid()).call_at;
        let before = registers::all(&thread)?;
        registers::set_all(&thread, &before.for_call_at(at, number, args))?;
        let as_it_was = |thread: &Stopped| {
            registers::set_all(thread, &before)?;
            thread.set_blocked(mask)
        };
        let Some(thread) = tracer.step(thread, as_it_was)? else { return Ok(None) };
        registers::set_all(&thread, &before)?;
        Ok(Some(thread))
    }
}

/// From now on no signal comes to a thread but those that it raises itself. Answers what it has blocked.
fn keeps_signals_away(thread: &Stopped) -> Result<u64, Errno> {
    let mask = thread.blocked();
    thread.set_blocked(others())?;
    Ok(mask)
}
