//! The programs of a run: what is known of them, and what a call of theirs does.

use libc::c_int;

use super::blocked;
use super::clock::Clock;
use super::disturbed::Disturbed;
use super::judge::Judge;
use super::model::{Model, State, Wait};
use super::shared::locks::Locks;
use super::shared::objects::Objects;
use super::shared::order::{Order, Race};
use super::story::Narrator;
use super::touched::Touched;
use super::tracees::{Heard, Tracees};
use super::{Result, Trouble, World};
use crate::explore::calls::{self, FAULTS, Visible};
use crate::explore::elsewhere;
use crate::explore::footprint::{Footprint, Thing};
use crate::explore::printed::Printed;
use crate::syscalls::cells::{CallRow, Changes, Touch, Wakes};
use crate::syscalls::{self, decode};
use crate::tracer::{Entry, How, auxv, registers};

/// See the module. A thread is meant by its place among the tasks.
pub struct Programs<'a> {
    pub world: &'a mut World,
    pub model: Model,
    pub tracees: Tracees,
    pub clock: Clock,
    pub touched: Touched,
    pub judge: Judge,
    pub narrator: Narrator,
    /// They are to be held before they learn which process they are.
    pub starting: bool,
    /// They are to be copied: the first thread of each learns the number that its copies will have.
    pub copied_as: Option<i32>,
    pub printed: Printed,
    /// A call was made since the last look that may have.
    pub may_have_printed: bool,
    /// Memory that is watched.
    pub objects: Objects,
    pub order: Order,
    pub races: Vec<Race>,
    /// So often one that waits for memory to change has gone round in its circle once more.
    pub rounds: u32,
    pub locks: Locks,
    /// What is done to them in this run.
    pub disturbed: Disturbed,
}

impl<'a> Programs<'a> {
    /// None yet. With `tell`, their story is recorded.
    pub fn new(world: &'a mut World, tell: bool) -> Programs<'a> {
        let touched = Touched::new(world.rows_matter, world.asked.interleaving);
        let clock = world.clock.clone();
        Programs {
            world,
            model: Model::default(),
            tracees: Tracees::default(),
            clock,
            touched,
            judge: Judge::default(),
            narrator: Narrator::new(tell),
            starting: false,
            copied_as: None,
            printed: Printed::default(),
            may_have_printed: false,
            objects: Objects::default(),
            order: Order::default(),
            races: vec![],
            rounds: 0,
            locks: Locks::new(),
            disturbed: Disturbed::default(),
        }
    }

    /// What is new in standard output and standard error was written by this one.
    pub fn has_printed(&mut self, i: usize) {
        if !std::mem::take(&mut self.may_have_printed) {
            return;
        }
        let main = self.model.process(i).main;
        let id = self.model.tasks[main].id;
        let new = self.printed.add(main, id, &mut self.world.room.streams);
        self.narrator.prints(new);
        if self.printed.is_too_much() {
            self.judge.not_judged("it prints more than the explorer keeps");
        }
    }

    // ---- one thread, at a stop

    /// The call that it is about to make is not made: it stands where that would have ended. False:
    /// it was killed, and the next wait reports that.
    pub fn skip(&mut self, i: usize) -> Result<bool> {
        registers::skip(self.tracees.standing(i)?).map_err(Trouble::of("ptrace"))?;
        self.tracees.go_on(i, How::Syscall, 0)?;
        match self.tracees.wait(i)? {
            Heard::Stop(_) => Ok(true),
            end => {
                self.tracees.put_back(i, end);
                Ok(false)
            }
        }
    }

    pub fn set_result(&mut self, i: usize, result: i64) -> Result<()> {
        let done = registers::set_result(self.tracees.standing(i)?, result);
        done.map_err(Trouble::of("ptrace"))
    }

    /// How it goes on from where it is: to the end of its call, if it is in one.
    pub fn how(&self, i: usize) -> How {
        if self.model.tasks[i].in_call { How::Syscall } else { How::Cont }
    }

    pub fn hide_vdso(&self, i: usize) -> Result<()> {
        auxv::hide_vdso(self.tracees.standing(i)?).map_err(Trouble::of("process_vm_writev"))
    }

    /// Is its last call the one that ends the thread alone?
    pub fn ends_thread(&self, i: usize) -> bool {
        let row = self.model.tasks[i].entry.and_then(|entry| syscalls::row(entry.number));
        row.is_some_and(|row| row.changes == Changes::Thread)
    }

    /// Does its last call send a signal?
    pub fn sends_signal(&self, i: usize) -> bool {
        let row = self.model.tasks[i].entry.as_ref().and_then(calls::known);
        row.is_some_and(|row| row.sends_signal())
    }

    // ---- its calls

    /// A call with no effect that others can see is made at once. False: it is visible.
    pub fn passes(&mut self, i: usize, entry: &Entry) -> Result<bool> {
        if self.starting && calls::is_its_own(entry) {
            return Ok(false);
        }
        let how = match calls::visible(self.model.tasks[i].tid, entry, self.model.locks) {
            Visible::Yes => return Ok(false),
            Visible::No if !self.has_to_end(i, entry) && !self.is_in_handler(i) => How::Cont,
            Visible::No | Visible::Mapping => {
                let task = &mut self.model.tasks[i];
                (task.entry, task.in_call, task.passed) = (Some(*entry), true, true);
                How::Syscall
            }
            Visible::Question(clock) => match self.clock.read(entry, clock) {
                Some(answer) => {
                    self.touched.made.reads(Thing::Time);
                    if !self.skip(i)? {
                        return Ok(true);
                    }
                    self.write(i, answer.at, &answer.words)?;
                    self.set_result(i, answer.result)?;
                    How::Cont
                }
                None => How::Cont,
            },
        };
        let row = syscalls::row(entry.number).filter(|_| !entry.foreign);
        match row.map_or(Changes::Nothing, |row| row.changes) {
            Changes::KeepsNumber if let Some(first) = self.copied_as => {
                if self.skip(i)? {
                    self.set_result(i, (first + i as i32).into())?;
                }
                self.model.tasks[i].number_at = entry.args[0];
            }
            Changes::ParentDeath if entry.args[0] as c_int == libc::PR_SET_PDEATHSIG => {
                self.model.process_mut(i).follows = entry.args[1] as c_int;
                if let Some(parent) = self.model.process(i).parent {
                    self.touched.made.reads(Thing::Process(parent as u32));
                    if self.model.processes[parent].end.is_some() {
                        let line = self.made_by(i)?;
                        self.disturbed.late.push((i, line));
                    }
                }
            }
            Changes::Group => self.model.process_mut(i).own_group = true,
            Changes::GroupOf => {
                let process = match entry.args[0] as i32 {
                    0 => Some(self.model.tasks[i].process),
                    pid => self.model.with_pid(pid),
                };
                if let Some(process) = process {
                    self.model.processes[process].own_group = true;
                }
            }
            _ => {}
        }
        self.tracees.go_on(i, how, 0)?;
        Ok(true)
    }

    /// Is a call made at once, whatever others do?
    pub fn would_pass(&self, i: usize, entry: &Entry) -> bool {
        let visible = calls::visible(self.model.tasks[i].tid, entry, self.model.locks);
        !matches!(visible, Visible::Yes)
    }

    /// Makes the call before which it was held.
    pub fn enter(&mut self, i: usize, entry: Entry) -> Result<()> {
        let tid = self.model.tasks[i].tid;
        self.model.tasks[i].entry = Some(entry);
        if !std::mem::take(&mut self.touched.has_call) {
            self.touched.call(&self.model, i, &entry);
        }
        self.catch_up();
        let made = &self.touched.made;
        self.world.room.has_objects |= made.makes_objects();
        self.world.room.has_files |= made.makes_files() || calls::opens_to_write(&entry);
        if let Some(place) = calls::place(tid, &entry, &self.world.room.found_at) {
            self.world.room.places.is_used(place);
        }
        let room = &self.world.room;
        self.world.leaves_files |= elsewhere::changes(tid, &entry, |path| room.is_own(path));
        if self.world.is_beside && !self.world.has_its_own() {
            return Err(Trouble::because("it would come into the way of another run"));
        }
        if self.touched.looks_at_rows && !self.touched.rows_matter {
            (self.touched.rows_matter, self.world.rows_matter) = (true, true);
            self.world.starts_again = true;
        }
        if blocked::tells_sleepers(&entry) || blocked::ends_sleeps(&self.model, &entry) {
            self.sleepers_matter();
        }
        self.sends(i, &entry);
        let of_nothing = |row: &CallRow| row.touches.is_empty() && !row.may_sleep(&entry);
        if !calls::known(&entry).is_some_and(of_nothing) {
            self.model.tasks[i].looks.looks_elsewhere();
        }
        self.order.call(i, self.touched.made.things());
        self.model.tasks[i].made = self.touched.made.clone();
        if let Some(kind) = calls::gets(entry.number) {
            self.world.room.tables.before_get(kind);
        }
        self.model.tasks[i].call = self.narrator.spell(tid, &entry);
        self.find_line_of_call(i);
        self.model.tasks[i].source = self.made_by(i)?;
        if self.judge.over {
            self.narrator.not_made(&self.model, i);
            return Ok(());
        }
        if self.is_made_to_fail(i, &entry)? {
            return Ok(());
        }
        let row = calls::known(&entry);
        self.may_have_printed |= row.is_none_or(|row| row.touches == [Touch::Descriptor]);
        if row.is_some_and(|row| row.touches == [Touch::Closed]) {
            let tgid = self.model.process(i).tgid;
            self.model.forget_closed(Some((tgid, entry.args[0] as c_int)));
        }
        match row.map_or(Changes::Nothing, |row| row.changes) {
            Changes::Lock => self.model.locks = true,
            how if self.keeps_time(i, &entry, how)? => return Ok(()),
            Changes::Action => {
                let action = calls::action(tid, &entry);
                let flags = decode::action_flags(tid, &entry);
                self.sets_action(i, &entry)?;
                self.model.process_mut(i).set_action(entry.args[0] as c_int, action, flags);
            }
            Changes::Program => self.remember_locks(),
            Changes::Thread | Changes::Process => {
                self.remember_locks_at_exit(i);
                if self.narrator.wanted {
                    self.narrator.call(&mut self.model, i, None);
                }
                self.model.tasks[i].in_call = false;
                self.model.process_mut(i).leaves =
                    self.touched.leaves(&self.model, i, self.ends_thread(i));
                return self.tracees.go_on(i, How::Cont, 0);
            }
            _ => {}
        }
        let flags = syscalls::clone_flags(tid, &entry);
        if flags & libc::CLONE_UNTRACED as u64 != 0 && entry.number == libc::SYS_clone {
            // It would run without us, and its calls would not be there.
            let seen = entry.args[0] & !(libc::CLONE_UNTRACED as u64);
            let done = registers::set_argument(self.tracees.standing(i)?, 0, seen);
            done.map_err(Trouble::of("ptrace"))?;
        }
        self.model.tasks[i].vfork = flags & libc::CLONE_VFORK as u64 != 0;
        let has_to = calls::has_to_be_followed(tid, &entry) || self.has_to_end(i, &entry);
        let for_story = self.narrator.wanted && !has_to;
        if has_to {
            self.take_limit(i, &entry)?;
        } else {
            self.touched.ended(&entry, 0);
        }
        let task = &mut self.model.tasks[i];
        (task.in_call, task.for_story) = (has_to || for_story, for_story);
        self.tracees.go_on(i, self.how(i), 0)
    }

    /// The call that its next move will certainly begin with.
    pub fn next_call(&self, i: usize, time: bool) -> Option<Entry> {
        let task = &self.model.tasks[i];
        let stands = task.state == State::Before && !self.model.is_signalled(i);
        task.entry.filter(|_| stands && !time)
    }

    /// What its next move, or time, will certainly touch.
    pub fn certain(&mut self, i: usize, time: bool) -> Footprint {
        let kept = std::mem::take(&mut self.touched.made);
        let process = self.model.tasks[i].process as u32;
        self.touched.made.reads(Thing::Process(process));
        if time {
            self.touched.made.writes(Thing::Process(process));
            self.touched.made.writes(Thing::Time);
            if self.model.is_read(i) {
                self.touched.made.writes(Thing::Descriptors);
            }
        }
        let entry = self.next_call(i, time);
        let row = entry.as_ref().and_then(calls::known);
        let ends = row.is_some_and(|row| row.changes == Changes::Process);
        if !ends {
            self.touched.sees(&self.model, i);
        }
        if let Some(access) = self.model.tasks[i].access.as_ref().filter(|_| !time) {
            access.footprint(&mut self.touched.made);
        }
        // One that comes round in a circle waits for any of these to change.
        if let Some(circle) = self.model.tasks[i].circle.as_ref().filter(|_| !time) {
            circle.found.iter().for_each(|(bytes, _)| self.touched.made.bytes(*bytes, false));
        }
        if let Some(entry) = entry {
            self.touched.call(&self.model, i, &entry);
            self.reaches(i, &entry);
        }
        if ends {
            self.touched.made.writes(Thing::Process(process));
            self.touched.made.writes(Thing::Child(process));
            if let Some(parent) = self.model.process(i).parent {
                self.touched.made.counts(Thing::Children(parent as u32));
            }
        }
        std::mem::replace(&mut self.touched.made, kept)
    }

    /// To fall asleep must be a move.
    pub fn sleepers_matter(&mut self) {
        self.world.starts_again |= !self.world.sleepers_matter;
        self.world.sleepers_matter = true;
    }

    /// Its wait ends when we say so, and not by the machine's clock.
    pub fn take_limit(&mut self, i: usize, entry: &Entry) -> Result<()> {
        let tid = self.model.tasks[i].tid;
        let Some(limit) = calls::limit(tid, entry, &self.model.sockets) else { return Ok(()) };
        let Some(until) = self.clock.deadline(&limit) else { return Ok(()) };
        limit.take_away(self.tracees.standing(i)?).map_err(Trouble::of("ptrace"))?;
        self.model.tasks[i].wait = Some(Wait { limit, until });
        self.touched.made.reads(Thing::Time);
        Ok(())
    }

    /// The limit stands where the program had it.
    pub fn give_limit_back(&self, i: usize, wait: &Wait) -> Result<()> {
        let Some(entry) = self.model.tasks[i].entry else { return Ok(()) };
        let done = wait.limit.give_back(self.tracees.standing(i)?, &entry);
        done.map_err(Trouble::of("ptrace"))
    }

    /// A signal is about to be sent, if the call sends one: to whom?
    fn sends(&mut self, i: usize, entry: &Entry) {
        let Some(CallRow { wakes: Wakes::Addressee(to), .. }) = syscalls::row(entry.number) else {
            return;
        };
        let sent = calls::sent(self.model.tasks[i].tid, entry, *to);
        let reached = self.reaches(i, entry);
        if sent.signal != 0 {
            self.model.signal_comes(reached);
        }
        if sent.signal == libc::SIGKILL {
            self.remember_locks();
        }
        let inside = reached.is_some()
            || sent.signal == 0
            || sent.is_surely_inside
            || sent.target == 0 && self.model.process(i).own_group
            || sent.target < -1 && self.model.with_pid(-sent.target).is_some();
        if !inside {
            self.judge.outsider(&self.model, i, sent.target, sent.signal);
        }
    }

    /// The process that a signal will reach, if the call sends one and it is known.
    fn reaches(&mut self, i: usize, entry: &Entry) -> Option<usize> {
        let Some(CallRow { wakes: Wakes::Addressee(to), .. }) = syscalls::row(entry.number) else {
            return None;
        };
        let sent = calls::sent(self.model.tasks[i].tid, entry, *to);
        let reached = sent.process.and_then(|named| self.model.named(named));
        match reached {
            Some(process) if sent.signal == 0 => {
                self.touched.made.reads(Thing::Process(process as u32))
            }
            Some(process) => {
                let waits = self.keeps_pending(process, sent.signal);
                self.touched.signal(process, sent.signal, waits);
            }
            None => self.touched.made.add_everything(),
        }
        reached
    }

    /// Does a signal wait until the process asks for it, or blocks it no more?
    pub fn keeps_pending(&self, process: usize, signal: c_int) -> bool {
        let stops = [libc::SIGCONT, libc::SIGTSTP, libc::SIGTTIN, libc::SIGTTOU];
        let one = &self.model.processes[process];
        let simple = one.threads == 1 && one.end.is_none() && !stops.contains(&signal);
        simple && self.blocks(process, signal)
    }

    /// Does the main thread of a process block a signal?
    pub fn blocks(&self, process: usize, signal: c_int) -> bool {
        let one = &self.model.processes[process];
        match self.tracees.if_standing(one.main) {
            Some(thread) => thread.blocked() >> (signal - 1) & 1 == 1,
            None => calls::blocks(one.tgid, signal),
        }
    }

    /// After a move of one: the signals that it blocks may be others now.
    pub fn look_at_mask(&mut self, i: usize) {
        let task = &mut self.model.tasks[i];
        let changed = match self.tracees.if_standing(i) {
            Some(thread) => {
                let mask = thread.blocked() & !FAULTS;
                task.mask.handles = false;
                task.mask.blocks.replace(mask).map_or(!FAULTS, |before| before ^ mask)
            }
            // It may have returned from its handler, or not.
            None if task.mask.handles => !FAULTS,
            None => 0,
        };
        self.touched.blocks(task.process, changed);
    }
}
