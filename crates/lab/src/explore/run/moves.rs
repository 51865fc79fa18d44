//! One move: what one of the programs does, from where it is held to where it is held next.
//!
//! Every process is held just before a visible call, in user mode. A *move* makes that call, and
//! everything after it up to just before the next. If the call sleeps, the move ends there; when
//! another process's move wakes it, it is held again at once, and going on is a separate move.
//!
//! A hold is at the call's seccomp stop. If a signal may have come meanwhile, the call is first turned
//! into none, and the thread put back onto the instruction (`tracer::registers`): then the signal
//! is delivered before the call, as it would have been.

use libc::{c_int, siginfo_t};

use super::blocked::waits_for;
use super::disturbed::Disturbance;
use super::model::{Model, State};
use super::programs::Programs;
use super::tracees::{Heard, Moving};
use super::{Result, Trouble};
use crate::asked;
use crate::event::Action;
use crate::explore::calls;
use crate::explore::footprint::Thing;
use crate::explore::verdict::Moment;
use crate::tracer::{Entry, How, Stop, Stopped, fault, registers, sender};

/// See the module. A thread is meant by its place among the tasks.
pub struct Moves<'a> {
    /// Who moves.
    pub all: Programs<'a>,
}

impl Moves<'_> {
    /// Starts the programs, with numbers from this one on; each stands at its first call that matters.
    pub fn start(&mut self, first_pid: i32) -> Result<()> {
        self.until_they_are_known(first_pid)?;
        self.until_they_matter()
    }

    /// Starts the programs; each stands where a copy of it can take its place.
    pub fn until_they_are_known(&mut self, first_pid: i32) -> Result<()> {
        for n in 0..self.all.world.programs {
            let number = first_pid + n as i32;
            let (thread, _) = self.all.world.room.start(n, number)?;
            let tid = thread.tid();
            self.all.tracees.add(thread, tid);
            let i = self.all.model.start(&mut self.all.world.ids, tid, number);
            self.until_it_runs(i)?;
            self.all.hide_vdso(i)?;
        }
        self.all.starting = true;
        let done = self.until_they_matter();
        self.all.starting = false;
        done
    }

    /// Starts copies of programs that are held there already.
    pub fn copy(&mut self, first_pid: i32) -> Result<()> {
        let mut all = std::mem::take(&mut self.all.world.held);
        let done = all.iter_mut().enumerate().try_for_each(|(n, held)| {
            let number = first_pid + n as i32;
            let (thread, entry) = held.copy(&mut self.all.world.room, number)?;
            let tid = thread.tid();
            self.all.tracees.add(thread, tid);
            let i = self.all.model.start(&mut self.all.world.ids, tid, number);
            self.hold(i, entry);
            Ok(())
        });
        self.all.world.held = all;
        self.all.clock = self.all.world.held_clock.clone();
        done?;
        self.until_they_matter()
    }

    /// Each program goes on to its first call of which others can notice anything: whatever they do
    /// meanwhile, it does the same. One that is alone may look at files on the way.
    fn until_they_matter(&mut self) -> Result<()> {
        let alone = self.all.world.programs == 1;
        for i in 0..self.all.world.programs {
            while !self.all.judge.over {
                let task = &self.all.model.tasks[i];
                match (task.state, task.entry) {
                    (State::Start, _) => self.go(i)?,
                    (State::Before, Some(entry))
                        if alone && calls::only_looks(task.tid, &entry) =>
                    {
                        self.go(i)?
                    }
                    (State::Before, Some(entry)) if self.all.passes(i, &entry)? => {
                        self.advance(i)?
                    }
                    _ => break,
                }
                self.settle()?;
            }
            self.all.look_at_mask(i);
            self.all.touched.start();
            self.all.model.stands_at_its_start(i);
        }
        Ok(())
    }

    /// Takes the programs out of the run: each stands before its first call. `None`: they do not, or a
    /// copy would not be the same.
    pub fn take(&mut self) -> Option<Vec<(Stopped, Entry, u64)>> {
        let count = self.all.world.programs;
        let plain = (0..count).all(|i| self.all.model.is_as_started(i));
        if self.all.judge.over || !plain || self.all.model.tasks.len() != count {
            return None;
        }
        let one = |i: usize| {
            let task = &self.all.model.tasks[i];
            Some((self.all.tracees.take(i)?, task.entry?, task.number_at))
        };
        let taken = (0..count).map(one).collect();
        // They do not end with this run.
        self.all.model = Model::default();
        taken
    }

    /// Lets one that stands before its exec become the program.
    fn until_it_runs(&mut self, i: usize) -> Result<()> {
        let tid = self.all.model.tasks[i].tid;
        loop {
            self.all.tracees.go_on(i, How::Cont, 0)?;
            let told = self.all.world.room.next_of(tid)?;
            match self.all.tracees.hear(i, told) {
                Heard::Stop(Stop::Exec(_)) => return Ok(()),
                Heard::Stop(_) => {}
                Heard::End(_) => {
                    self.all.model.tasks[i].state = State::Gone;
                    self.all.model.end(self.all.model.tasks[i].process, "127".into());
                    return match asked::to_stop() {
                        Some(signal) => Err(Trouble::Signal(signal)),
                        None => Err(self.all.world.room.refusal()),
                    };
                }
            }
        }
    }

    /// Lets one go on from where it is held to where it is held next, sleeps, or ends.
    pub fn go(&mut self, i: usize) -> Result<()> {
        self.all.model.tasks[i].read_again.clear();
        let task = &self.all.model.tasks[i];
        let signalled = self.all.model.is_signalled(i);
        match (task.state, task.entry) {
            (State::Before, Some(entry)) if !signalled && self.all.is_ready_for(i, &entry) => {
                self.all.enter(i, entry)?
            }
            (State::Before, Some(entry)) => self.rewind(i, &entry)?,
            (State::Before, None) => return Ok(()),
            (State::Touching, _) => {
                self.all.close_all(i)?;
                // What is pending comes first; if nothing is, it stands there again at once.
                if signalled && calls::pending(self.all.model.tasks[i].tid, None) != 0 {
                    let task = &mut self.all.model.tasks[i];
                    (task.rewound, task.access, task.circle) = (true, None, None);
                } else if self.touch(i)? {
                    return Ok(());
                }
                self.all.keep_faults_open(i)?;
                if self.goes_on(i)? {
                    return Ok(());
                }
            }
            // The mask that it waited with is its own until its handler has run.
            _ if self.all.waited_with_a_mask(i) => self.all.tracees.go_on(i, How::Cont, 0)?,
            _ => {
                self.all.close_all(i)?;
                self.all.keep_faults_open(i)?;
                self.goes_on_after(i)?;
            }
        }
        if self.all.judge.over { Ok(()) } else { self.advance(i) }
    }

    /// Time passes for one: its sleep or its wait reaches its limit, or its alarm goes off.
    pub fn pass_time(&mut self, i: usize) -> Result<()> {
        let Some((at, timer)) = self.all.model.due(i) else { return Ok(()) };
        self.all.clock.pass_to(at);
        let passed = self.all.model.passed(timer);
        self.all.narrator.tell(&self.all.model, i, Moment::Time(passed));
        if let Some(timer) = timer {
            self.all.ring(timer);
            return Ok(());
        }
        let answer = self.all.model.tasks[i].wait.map_or(0, |wait| wait.limit.answer);
        self.all.tracees.interrupt(i)?;
        self.all.model.tasks[i].interrupted = true;
        match self.all.tracees.wait(i)? {
            Heard::Stop(Stop::Exit(result)) => {
                // A part of what was to be sent or received may have been.
                let answer = if result > 0 { result } else { answer };
                self.all.set_result(i, answer)?;
                self.all.left(i, answer)?;
                self.all.tracees.go_on(i, How::Cont, 0)?;
            }
            other => self.all.tracees.put_back(i, other),
        }
        self.advance(i)
    }

    /// Puts it back onto the instruction of its call. What is pending is delivered there.
    fn rewind(&mut self, i: usize, entry: &Entry) -> Result<()> {
        if self.all.skip(i)? {
            self.all.make_ready_for(i, entry)?;
            let thread = self.all.tracees.standing(i)?;
            let done = registers::rewind(thread, entry.number, entry.args[0]);
            done.map_err(Trouble::of("ptrace"))?;
            self.all.model.tasks[i].rewound = true;
            self.all.tracees.go_on(i, How::Cont, 0)?;
        }
        Ok(())
    }

    /// Follows one until it is held, sleeps, or has ended.
    fn advance(&mut self, i: usize) -> Result<()> {
        self.all.may_have_printed |= self.all.model.tasks[i].in_call;
        let done = self.follow(i);
        self.all.has_printed(i);
        done
    }

    fn follow(&mut self, i: usize) -> Result<()> {
        let mut since = self.all.tracees.processor_time(i);
        loop {
            let Some(heard) = self.next(i, since)? else {
                self.all.model.tasks[i].state = State::Asleep;
                if self.all.narrator.wanted {
                    self.all.narrator.call(&mut self.all.model, i, None);
                }
                return Ok(());
            };
            let held = match heard {
                Heard::Stop(Stop::Started) => {
                    let held = self.stopped(i, Stop::Started)?;
                    since = self.all.tracees.processor_time(i);
                    held
                }
                Heard::Stop(stop) => self.stopped(i, stop)?,
                Heard::End(death) => {
                    self.all.ended(i, death)?;
                    true
                }
            };
            if held || self.all.judge.over {
                return Ok(());
            }
        }
    }

    /// What comes next of one that moves.
    fn next(&mut self, i: usize, since: i64) -> Result<Option<Heard>> {
        let task = &self.all.model.tasks[i];
        let entry = task.entry.filter(|_| task.in_call);
        let may_sleep = entry.is_some_and(|entry| {
            calls::may_sleep(&entry) && !calls::ends_at_once(task.tid, &entry)
        });
        let moving = Moving { may_sleep, vfork: task.vfork, since };
        let siblings = self.all.model.siblings(i);
        let main = self.all.model.process(i).main == i;
        let leaves = main && !siblings.is_empty() && self.all.ends_thread(i);
        self.all.tracees.next(i, moving, &siblings, leaves)
    }

    /// One that moves stands still. True: it is held here, and its move is over.
    fn stopped(&mut self, i: usize, stop: Stop) -> Result<bool> {
        match stop {
            Stop::Entry(entry) if std::mem::take(&mut self.all.model.tasks[i].rewound) => {
                match std::mem::take(&mut self.all.model.tasks[i].passing) {
                    true => drop(self.all.passes(i, &entry)?),
                    false => self.all.enter(i, entry)?,
                }
            }
            Stop::Entry(entry)
                if self.all.points_at_watched(i, &entry) && self.all.would_pass(i, &entry) =>
            {
                self.all.model.tasks[i].passing = true;
                self.rewind(i, &entry)?;
            }
            Stop::Entry(entry) => {
                if !self.all.passes(i, &entry)? {
                    self.hold(i, entry);
                    return Ok(true);
                }
            }
            Stop::Exit(result) if self.all.met_closed_memory(i, result) => self.make_again(i)?,
            Stop::Exit(result) => {
                let for_story = self.all.model.tasks[i].for_story;
                self.all.left(i, result)?;
                // One that goes on after a stop tells its parent so at once, who may be this one.
                if self.all.sends_signal(i) && self.any_is_stopped() {
                    self.settle()?;
                }
                if !for_story
                    && (self.all.is_heard(i, result) || self.all.is_to_be_stored(i, result)?)
                {
                    self.all.model.tasks[i].state = State::After;
                    return Ok(true);
                }
                self.goes_on_after(i)?;
            }
            Stop::Signal(info) => match self.touches(i, &info)? {
                Some(held) => return Ok(held),
                None => self.deliver(i, &info)?,
            },
            Stop::Born(child) => {
                self.all.born(i, child)?;
                self.all.tracees.go_on(i, How::Syscall, 0)?;
            }
            Stop::Exec(_) => {
                self.all.exec(i)?;
                self.all.tracees.go_on(i, How::Cont, 0)?;
            }
            // An interrupt of before that comes now.
            Stop::Started if !self.all.model.tasks[i].buffer.is_empty() => return self.goes_on(i),
            Stop::Started if !std::mem::take(&mut self.all.model.tasks[i].interrupted) => {
                return self.spun(i);
            }
            Stop::Group(_) => {
                self.all.model.tasks[i].state = State::Stopped;
                self.all.tracees.go_on(i, How::Listen, 0)?;
                return Ok(true);
            }
            Stop::Started | Stop::Ends => self.all.tracees.go_on(i, self.all.how(i), 0)?,
        }
        Ok(false)
    }

    /// The kernel found memory closed in its call: with the memory open, the call is made again.
    fn make_again(&mut self, i: usize) -> Result<()> {
        let Some(entry) = self.all.model.tasks[i].entry else { return Ok(()) };
        self.all.close_all(i)?;
        self.all.open_for_call(i)?;
        let thread = self.all.tracees.standing(i)?;
        let done = registers::rewind(thread, entry.number, entry.args[0]);
        done.map_err(Trouble::of("ptrace"))?;
        let task = &mut self.all.model.tasks[i];
        (task.rewound, task.in_call) = (true, false);
        self.all.tracees.go_on(i, How::Cont, 0)
    }

    fn hold(&mut self, i: usize, entry: Entry) {
        self.all.clock.not_asked();
        self.all.model.is_held(i, State::Before);
        let Model { tasks, sockets, .. } = &mut self.all.model;
        let task = &mut tasks[i];
        task.entry = Some(entry);
        let sleeps = calls::limit(task.tid, &entry, sockets).is_some_and(|limit| limit.sleep);
        task.looks.at_call(&entry, sleeps);
        task.buffer.at_call();
        task.waits_for = waits_for(task.tid, &entry);
    }

    pub fn deliver(&mut self, i: usize, info: &siginfo_t) -> Result<()> {
        let signal = info.si_signo;
        // The kernel does not know that it is ignored.
        let sent = info.si_code <= 0 && signal == libc::SIGSEGV;
        if sent && self.all.model.process(i).action(signal) == Action::Ignore {
            return self.all.tracees.go_on(i, self.all.how(i), 0);
        }
        let process = self.all.model.process(i);
        let ignored = process.ignores(signal);
        let handler = process.action(signal) == Action::Handler;
        let number = self.all.model.tasks[i].process as u32;
        if ignored {
            self.all.order.hears(i, Thing::Process(number));
        } else {
            let task = &mut self.all.model.tasks[i];
            (task.rewound, task.passing) = (false, false);
            self.all.hears_signal(i);
            self.all.touched.made.writes(Thing::Pending(number, 0));
            self.all.touched.made.counts(Thing::Queued);
        }
        if handler {
            self.all.model.process_mut(i).handles(signal);
            self.all.model.tasks[i].mask.handles = true;
        }
        if !ignored && !handler {
            self.all.remember_locks();
        }
        if fault(info).is_some() {
            self.all.model.tasks[i].source = self.all.made_by(i)?;
        }
        if !(ignored && signal == libc::SIGCHLD) {
            let (code, from, _) = sender(info);
            let from = (code <= 0 && code != libc::SI_TIMER)
                .then_some(from)
                .and_then(|from| self.all.model.with_pid(from));
            let from = from.map(|from| self.all.model.processes[from].main);
            self.all.narrator.tell(
                &self.all.model,
                i,
                Moment::Signal {
                    signal,
                    code: info.si_code,
                    from,
                    handler,
                    ignored,
                    fault: fault(info),
                },
            );
        }
        // A handler starts after the kernel, and one that ends leaves nothing in its buffer.
        self.all.drain_all(i);
        if handler && matches!(self.all.world.disturbance, Some(Disturbance::Audit { .. })) {
            return self.audit(i, signal);
        }
        if handler && self.all.model.process(i).watches() {
            return self.enter_handler(i, signal);
        }
        self.all.tracees.go_on(i, self.all.how(i), signal)
    }

    /// It stands at the first instruction of its handler, whose mask may block SIGSEGV.
    fn enter_handler(&mut self, i: usize, signal: c_int) -> Result<()> {
        self.all.tracees.go_on(i, How::Step, signal)?;
        let heard = self.all.tracees.wait(i)?;
        if !matches!(&heard, Heard::Stop(Stop::Signal(info)) if info.si_signo == libc::SIGTRAP) {
            self.all.tracees.put_back(i, heard);
            return Ok(());
        }
        let blocks = self.all.model.tasks[i].blocks_faults;
        self.all.keep_faults_open(i)?;
        self.all.model.tasks[i].blocks_faults = blocks;
        self.all.tracees.go_on(i, self.all.how(i), 0)
    }
}
