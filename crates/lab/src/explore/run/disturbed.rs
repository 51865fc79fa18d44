//! What is done to the programs of a run on purpose: a call fails, a signal comes, a handler is followed
//! instruction by instruction.

use std::rc::Rc;

use libc::c_int;
use nix::errno::Errno;

use super::model::State;
use super::moves::Moves;
use super::programs::Programs;
use super::tracees::Heard;
use super::{Result, Trouble};
use crate::explore::calls;
use crate::explore::verdict::Kind;
use crate::syscalls::{self, cells::Changes, decode};
use crate::tracer::functions::Functions;
use crate::tracer::registers::Registers;
use crate::tracer::{Entry, How, Stop, registers};

/// So many instructions of a handler are followed.
const STEPS: usize = 50_000;

/// A run with more than this is not seen to its end.
#[derive(Clone, Copy, Debug)]
pub struct Most {
    /// Processes and threads.
    pub threads: usize,
    pub moves: usize,
    /// System V objects that it asks for, and bytes of segments: then ENOSPC, as shmmni and shmall have it.
    pub objects: u64,
    pub bytes: u64,
}

impl Default for Most {
    fn default() -> Most {
        Most { threads: usize::MAX, moves: 100_000, objects: u64::MAX, bytes: u64::MAX }
    }
}

/// What is done in a run. `nth` counts from 0, for each thread of its own.
#[derive(Clone, Debug)]
pub enum Disturbance {
    /// A thread's n-th call that is among these is not made, and answers this.
    Fails { letter: usize, nth: usize, with: Rc<Vec<(String, Errno)>> },
    /// Before a thread's n-th call this signal comes: to the first process, or to all, as from a terminal.
    Signal { letter: usize, nth: usize, signal: c_int, to_all: bool },
    /// It is noted which functions are called inside a handler. `signal`: one that comes before the n-th call of the
    /// first thread.
    Audit { signal: Option<(usize, c_int)> },
}

/// What was done in a run.
#[derive(Clone, Default, Debug)]
pub struct Disturbed {
    count: usize,
    objects: u64,
    bytes: u64,
    /// Where it was done, if the run came there.
    pub at: Option<Struck>,
    /// The functions that were called inside of handlers, and how many handlers were followed.
    pub inside: Vec<Inside>,
    pub handlers: u64,
    /// Who has asked for a signal at its parent's death when that was dead already, and by which line.
    pub late: Vec<(usize, Option<String>)>,
    /// Handlers that have begun, and have not returned; one that interrupts another stands behind it.
    followed: Vec<Followed>,
}

/// A handler that is followed.
#[derive(Clone, Debug)]
struct Followed {
    /// The thread in which it runs.
    task: usize,
    signal: c_int,
    /// Where the stack was at its first instruction: when it is above that, the handler has returned.
    stack: Option<u64>,
    /// The file of the instruction before, and the registers at the last one of the program itself.
    from: Option<usize>,
    own: Option<Registers>,
    steps: usize,
}

/// A call that failed, or before which a signal came.
#[derive(Clone, Debug)]
pub struct Struck {
    pub letter: usize,
    /// The first thread of its process: what any of its threads prints is told of this one.
    pub main: usize,
    /// Its process, by birth, as `ends` has it.
    pub process: usize,
    /// `shmget`, `fork`
    pub name: String,
    /// The call, spelled.
    pub call: String,
    pub errno: Option<Errno>,
    pub source: Option<String>,
}

/// A function that was called inside of a handler.
#[derive(Clone, Debug)]
pub struct Inside {
    pub letter: usize,
    pub signal: c_int,
    /// Its names in its file, which is the program's own or a library's.
    pub name: String,
    pub own: bool,
    pub source: Option<String>,
}

/// A call, as a list of calls that are to fail has it.
fn listed(entry: &Entry) -> String {
    let row = syscalls::row(entry.number);
    match row {
        Some(row) if row.makes_child() => "fork".into(),
        _ => syscalls::spoken(&syscalls::name(entry.number), entry.args[3] != 0).to_string(),
    }
}

impl Programs<'_> {
    /// Is it in a handler that is followed?
    pub fn is_in_handler(&self, i: usize) -> bool {
        self.disturbed.followed.iter().any(|one| one.task == i)
    }

    /// The line of the program by which one makes its call, if a story is wanted.
    pub fn made_by(&mut self, i: usize) -> Result<Option<String>> {
        if !self.narrator.wanted {
            return Ok(None);
        }
        let thread = self.tracees.standing(i)?;
        let registers = registers::all(thread).map_err(Trouble::of("ptrace"))?;
        let process = &mut self.model.processes[self.model.tasks[i].process];
        Ok(self.world.sources.own_line(thread, &registers, &mut process.file))
    }

    /// Does this call fail because it was asked for? Then it has.
    pub fn is_made_to_fail(&mut self, i: usize, entry: &Entry) -> Result<bool> {
        if self.is_too_much(entry) {
            return self.fails(i, Errno::ENOSPC).map(|()| true);
        }
        let Some(Disturbance::Fails { letter, nth, with }) = self.world.disturbance.clone() else {
            return Ok(false);
        };
        let name = listed(entry);
        let ours = syscalls::row(entry.number).is_some_and(|row| row.changes == Changes::Action)
            && !syscalls::handler_is_seen(entry.args[0] as c_int);
        let errno = with.iter().find(|(one, _)| *one == name).map(|(_, errno)| *errno);
        let Some(errno) = errno.filter(|_| letter == i && !ours) else { return Ok(false) };
        self.disturbed.count += 1;
        if self.disturbed.count != nth + 1 {
            return Ok(false);
        }
        let task = &self.model.tasks[i];
        let call = decode::enter(task.tid, entry).line();
        let (process, source) = (task.process, task.source.clone());
        let main = self.model.process(i).main;
        self.disturbed.at =
            Some(Struck { letter: i, main, process, name, call, errno: Some(errno), source });
        self.fails(i, errno).map(|()| true)
    }

    /// The call is not made, and answers this.
    fn fails(&mut self, i: usize, errno: Errno) -> Result<()> {
        if self.skip(i)? {
            let answer = -i64::from(errno as i32);
            self.set_result(i, answer)?;
            self.narrator.call(&mut self.model, i, Some(answer));
            self.tracees.go_on(i, How::Cont, 0)?;
        }
        Ok(())
    }

    /// Does it ask for more objects, or larger segments, than there may be?
    fn is_too_much(&mut self, entry: &Entry) -> bool {
        let Some(kind) = calls::gets(entry.number) else { return false };
        let most = self.world.most;
        let flags = if kind == Kind::Msg { entry.args[1] } else { entry.args[2] };
        let makes =
            entry.args[0] as c_int == libc::IPC_PRIVATE || flags as c_int & libc::IPC_CREAT != 0;
        if !makes {
            return false;
        }
        let bytes = if kind == Kind::Shm { entry.args[1] } else { 0 };
        self.disturbed.objects += 1;
        let all = self.disturbed.bytes.saturating_add(bytes);
        let fits = self.disturbed.objects <= most.objects && all <= most.bytes;
        if fits {
            self.disturbed.bytes = all;
        }
        !fits
    }
}

impl Moves<'_> {
    /// One that is held before a call is about to make it: does a signal come first?
    pub fn disturb(&mut self, i: usize) {
        let all = &mut self.all;
        let (letter, nth, signal, to_all) = match all.world.disturbance {
            Some(Disturbance::Signal { letter, nth, signal, to_all }) => {
                (letter, nth, signal, to_all)
            }
            Some(Disturbance::Audit { signal: Some((nth, signal)) }) => (0, nth, signal, false),
            _ => return,
        };
        let task = &all.model.tasks[i];
        let Some(entry) = task.entry.filter(|_| letter == i && task.state == State::Before) else {
            return;
        };
        all.disturbed.count += 1;
        if all.disturbed.count != nth + 1 {
            return;
        }
        let call = decode::enter(task.tid, &entry).line();
        let name = listed(&entry);
        let (main, process) = (all.model.process(i).main, all.model.tasks[i].process);
        let source = all.made_by(i).ok().flatten();
        all.disturbed.at =
            Some(Struck { letter: i, main, process, name, call, errno: None, source });
        for (n, one) in all.model.processes.iter().enumerate() {
            if one.end.is_none() && (to_all || n == 0) {
                // SAFETY: a tracee that we have not reaped: the number is its own.
                unsafe { libc::kill(one.tgid, signal) };
            }
        }
        all.model.signal_comes(None);
    }

    /// A handler begins: it is followed until it returns.
    pub fn audit(&mut self, i: usize, signal: c_int) -> Result<()> {
        let followed = Followed { task: i, signal, stack: None, from: None, own: None, steps: 0 };
        self.all.disturbed.followed.push(followed);
        self.all.disturbed.handlers += 1;
        self.all.tracees.go_on(i, How::Step, signal)?;
        self.follow_handler(i)
    }

    /// Lets one go on after a call: step by step, if it is in a handler that is followed.
    pub fn goes_on_after(&mut self, i: usize) -> Result<()> {
        if !self.all.is_in_handler(i) {
            return self.all.tracees.go_on(i, How::Cont, 0);
        }
        self.all.tracees.go_on(i, How::Step, 0)?;
        self.follow_handler(i)
    }

    /// Until it returns, or makes a call that is looked at: [`Moves::goes_on_after`] goes on from there.
    fn follow_handler(&mut self, i: usize) -> Result<()> {
        let all = &mut self.all;
        let is_its = |one: &Followed| one.task == i;
        let mut functions = Functions::of(all.model.tasks[i].tid);
        while let Some(at) = all.disturbed.followed.iter().rposition(is_its) {
            let heard = all.tracees.wait(i)?;
            // At the first instruction of a handler the kernel says another reason than at the next ones.
            if !matches!(&heard, Heard::Stop(Stop::Signal(info)) if info.si_signo == libc::SIGTRAP)
            {
                all.tracees.put_back(i, heard);
                return Ok(());
            }
            let thread = all.tracees.standing(i)?;
            let registers = registers::all(thread).map_err(Trouble::of("ptrace"))?;
            let (here, stack) = (registers.program_counter(), registers.stack_pointer());
            let followed = &mut all.disturbed.followed[at];
            followed.steps += 1;
            if stack > *followed.stack.get_or_insert(stack) || followed.steps > STEPS {
                all.disturbed.followed.remove(at);
                if all.is_in_handler(i) {
                    all.tracees.go_on(i, How::Step, 0)?;
                }
                continue;
            }
            let file = functions.file_of(here);
            // What a library calls in itself is its own affair; the loader only looks functions up.
            let from = followed.from;
            let called = file != from && from.is_some_and(|from| functions.is_own(from));
            let (signal, before) = (followed.signal, followed.own.clone());
            if !file.is_some_and(|file| functions.is_loader(file)) {
                followed.from = file;
            }
            if file.is_some_and(|file| functions.is_own(file)) {
                followed.own = Some(registers.clone());
            }
            if (called || file.is_some_and(|file| functions.is_own(file)))
                && let Some(name) = functions.begins_at(here)
            {
                let process = &mut all.model.processes[all.model.tasks[i].process];
                let sources = &mut all.world.sources;
                let source = sources.own_line(thread, &registers, &mut process.file);
                // The last call of a function may be a jump: then nothing on the stack says who has made it.
                let source = source.or_else(|| {
                    before.and_then(|before| sources.own_line(thread, &before, &mut process.file))
                });
                let inside = Inside { letter: i, signal, name, own: !called, source };
                all.disturbed.inside.push(inside);
            }
            all.tracees.go_on(i, How::Step, 0)?;
        }
        all.tracees.go_on(i, all.how(i), 0)
    }
}
