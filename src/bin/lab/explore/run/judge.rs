//! What a call touches, what is wrong with it, and how it is told.

use super::*;
use crate::event::Command;
use crate::explore::verdict::{Asleep, Sleeper, Told};
use crate::syscalls::cells::{Addressee, CallRow, Object, Touch};

impl Run<'_> {
    /// What the call that is about to be made can touch: what its row says, of the things at hand.
    pub(super) fn touches(&mut self, i: usize, entry: &Entry) {
        let touches =
            syscalls::row(entry.number).map_or(&[Touch::Everything][..], |row| row.touches);
        let process = self.tasks[i].process as u32;
        for touch in touches {
            match *touch {
                Touch::Everything => self.made.add_everything(),
                Touch::Object => self.touches_object(i, entry),
                Touch::Attached => {
                    for map in self.processes[process as usize].maps.clone() {
                        self.made.writes(Thing::Shm(map.memory as i32));
                    }
                }
                Touch::Addressee => self.sends(i, entry),
                Touch::Children => self.made.writes(Thing::Children(process)),
                Touch::Pids => self.made.writes(Thing::Pids),
                Touch::Descriptor => self.touches_descriptor(i, entry.args[0]),
                Touch::Descriptors => self.made.writes(Thing::Descriptors),
                Touch::Polled => self.made.reads(Thing::Descriptors),
                Touch::Files => self.made.writes(Thing::Files),
                Touch::Proc(path) => {
                    let path = string(self.tasks[i].tid, entry.args[path], 256).unwrap_or_default();
                    if path.starts_with(b"/proc/") {
                        self.made.add_everything();
                    }
                }
                Touch::Futexes => self.made.writes(Thing::Futexes),
                Touch::Time => self.made.reads(Thing::Time),
            }
        }
    }

    fn touches_object(&mut self, i: usize, entry: &Entry) {
        let Some(row) = syscalls::row(entry.number) else { return };
        let id = entry.args[0] as i32;
        match row.object {
            Object::None => {}
            Object::Get { kind, .. } => self.made.writes(thing(kind, -1)),
            Object::Attach => self.made.writes(thing(Kind::Shm, id)),
            Object::Use(kind) => self.made.writes(thing(kind, id)),
            Object::Detach => {
                let maps = &self.processes[self.tasks[i].process].maps;
                match maps.iter().find(|map| map.start == entry.args[0]) {
                    Some(map) => self.made.writes(Thing::Shm(map.memory as i32)),
                    None => self.made.add_everything(),
                }
            }
            Object::Control { kind, .. } => {
                if row.command(entry) == Some(Command::Stat) {
                    return self.made.reads(thing(kind, id));
                }
                self.made.writes(thing(kind, id));
                self.made.writes(thing(kind, -1));
            }
        }
    }

    fn touches_descriptor(&mut self, i: usize, fd: u64) {
        match self.descriptor(i, fd) {
            // What is only printed is nobody's to read.
            Some(link) if link == "/dev/null" => {}
            None => {}
            Some(link) if link.starts_with("pipe:") => match self.pipes.get(&link) {
                Some(&name) => self.made.writes(Thing::Pipe(name)),
                None => self.made.writes(Thing::Descriptors),
            },
            Some(link) if link.starts_with("/proc/") => self.made.add_everything(),
            Some(link) if link.starts_with('/') => self.made.writes(Thing::Files),
            Some(_) => self.made.writes(Thing::Descriptors),
        }
    }

    /// A signal is about to be sent: to whom?
    fn sends(&mut self, i: usize, entry: &Entry) {
        let Some(CallRow { wakes: Wakes::Addressee(to), .. }) = syscalls::row(entry.number) else {
            return;
        };
        let args = entry.args;
        let (target, signal) = (args[0] as i32, args[to.signal()] as c_int);
        let me = self.tasks[i].process;
        let known = |pid: i32| self.processes.iter().position(|one| one.pid == pid);
        let reached = match to {
            Addressee::Pidfd => {
                let tid = self.tasks[i].tid;
                let info = self.world.room.text(&format!("{tid}/fdinfo/{}", args[0]));
                let pid = info.lines().find_map(|line| line.strip_prefix("Pid:"));
                let pid: Option<Tid> = pid.and_then(|pid| pid.trim().parse().ok());
                pid.and_then(|pid| self.processes.iter().position(|one| one.tgid == pid))
            }
            Addressee::Thread => None,
            Addressee::Process | Addressee::ThreadOf => known(target),
        };
        self.signals += u64::from(signal != 0);
        match reached {
            Some(process) if signal == 0 => self.made.reads(Thing::Process(process as u32)),
            Some(process) => self.made.writes(Thing::Process(process as u32)),
            None => self.made.add_everything(),
        }
        let inside = reached.is_some()
            || matches!(to, Addressee::Thread | Addressee::Pidfd)
            || signal == 0
            || target == 0 && self.processes[me].own_group
            || target < -1 && known(-target).is_some();
        if !inside {
            let finding =
                Finding::Outsider { letter: self.letter(i), pid: self.pid(i), target, signal };
            self.finding(finding);
            self.over = true;
        }
    }

    /// What a descriptor is; `None`: it is not open.
    pub(super) fn descriptor(&self, i: usize, fd: u64) -> Option<String> {
        self.world.room.link(&format!("{}/fd/{}", self.tasks[i].tid, fd as i32))
    }

    /// After a move: has the memory changed that others see?
    pub(super) fn look_at_memory(&mut self, i: usize) {
        let process = self.tasks[i].process;
        if self.processes[process].threads > 1 {
            self.made.writes(Thing::Memory(1 << 48 | process as u64));
        }
        if self.tasks[i].state == State::Gone && self.processes[process].end.is_some() {
            return;
        }
        for map in self.processes[process].maps.clone() {
            if map.len > COMPARED {
                self.made.writes(Thing::Memory(map.memory));
                continue;
            }
            let mut hasher = DefaultHasher::new();
            bytes(self.tasks[i].tid, map.start, map.len).hash(&mut hasher);
            let now = hasher.finish();
            match self.contents.insert(map.memory, now) {
                Some(before) if before != now => self.made.writes(Thing::Memory(map.memory)),
                _ => self.made.reads(Thing::Memory(map.memory)),
            }
        }
    }

    // ---- what is wrong

    pub(super) fn finding(&mut self, finding: Finding) {
        self.outcome.findings.push(finding);
        self.name_ends();
    }

    fn name_ends(&mut self) {
        let end = |process: &Process| process.end.clone().unwrap_or("lives".into());
        self.outcome.ends = self.processes.iter().map(end).collect();
    }

    /// Nobody can move: they have all ended, or sleep for ever.
    pub(super) fn judge(&mut self) {
        self.name_ends();
        let asleep = self.tasks.iter().enumerate().filter(|(_, task)| task.state != State::Gone);
        let sleeper = |(i, task): (usize, &Task)| Sleeper {
            letter: self.letter(i),
            pid: self.pid(i),
            asleep: match (task.state, task.entry) {
                (State::Stopped, _) => Asleep::Stopped,
                (_, None) => Asleep::Elsewhere,
                (_, Some(entry)) => Asleep::Call(entry.number),
            },
            alarm: self.processes[task.process].alarm.is_some(),
        };
        let sleepers: Vec<Sleeper> = asleep.map(sleeper).collect();
        if !sleepers.is_empty() {
            return self.finding(Finding::Deadlock { sleepers });
        }
        for kind in [Kind::Shm, Kind::Msg, Kind::Sem] {
            let table = self.world.room.text(&format!("sysvipc/{}", kind.name()));
            let id = |row: &str| row.split_whitespace().nth(1)?.parse().ok();
            for id in table.lines().skip(1).filter_map(id) {
                self.finding(Finding::Left { kind, id });
            }
        }
    }

    pub(super) fn judge_death(&mut self, i: usize, signal: c_int) {
        let (letter, pid) = (self.letter(i), self.pid(i));
        let finding = match signal {
            libc::SIGSEGV
            | libc::SIGBUS
            | libc::SIGFPE
            | libc::SIGILL
            | libc::SIGABRT
            | libc::SIGSYS
            | libc::SIGTRAP => Finding::Crash { letter, pid, signal },
            // Signals that are sent to end a process; a reader that has gone; an alarm as a guard.
            libc::SIGKILL
            | libc::SIGTERM
            | libc::SIGINT
            | libc::SIGHUP
            | libc::SIGQUIT
            | libc::SIGPIPE
            | libc::SIGALRM
            | libc::SIGXCPU
            | libc::SIGXFSZ => return,
            _ => Finding::NoHandler { letter, pid, signal },
        };
        self.finding(finding);
        self.over = true;
    }

    /// A System V call has ended: was the object still there?
    pub(super) fn judge_call(&mut self, i: usize, entry: &Entry, result: i64) {
        let Some(row) = syscalls::row(entry.number) else { return };
        let kind = match row.object {
            Object::None | Object::Get { .. } | Object::Detach => return,
            Object::Attach => Kind::Shm,
            Object::Use(kind) | Object::Control { kind, .. } => kind,
        };
        let (id, command) = (entry.args[0] as i32, row.command(entry));
        let gone = [-i64::from(libc::EINVAL), -i64::from(libc::EIDRM)].contains(&result);
        let (letter, pid) = (self.letter(i), self.pid(i));
        let by = self.removed.iter().find(|one| one.kind == kind && one.id == id).map(|one| one.by);
        match (command, by) {
            (Some(Command::Remove), Some(by)) if gone || result == 0 => {
                self.finding(Finding::RemovedTwice { kind, id, by, letter, pid });
            }
            (Some(Command::Remove), None) if result == 0 => {
                self.removed.push(Removed { kind, id, by: letter });
                return;
            }
            (command, Some(by))
                if result == -i64::from(libc::EINVAL) && command != Some(Command::Stat) =>
            {
                self.finding(Finding::DeadId { kind, id, by, call: row.name, letter, pid });
            }
            _ => return,
        }
        self.over = true;
    }

    // ---- the story

    pub(super) fn tell(&mut self, i: usize, moment: Moment) {
        let (letter, pid) = (self.letter(i), self.pid(i));
        self.outcome.story.push(Told { letter, pid, moment });
    }

    /// What a call that has begun or ended is told as. Without a `result` it sleeps, or will not
    /// return.
    pub(super) fn tell_call(&mut self, i: usize, result: Option<i64>) {
        let (Some(entry), Some(mut call)) = (self.tasks[i].entry, self.tasks[i].call.take()) else {
            return;
        };
        if let Some(result) = result {
            decode::leave(self.tasks[i].tid, &entry, &mut call, result);
        }
        let ends = syscalls::row(entry.number)
            .is_some_and(|row| matches!(row.changes, Changes::Thread | Changes::Process));
        let asleep = result.is_none() && !ends;
        self.tell(i, Moment::Call { call: call.clone(), asleep });
        self.tasks[i].call = Some(call);
    }
}

/// A System V object; -1: the table of its kind.
fn thing(kind: Kind, id: i32) -> Thing {
    match kind {
        Kind::Shm => Thing::Shm(id),
        Kind::Msg => Thing::Msg(id),
        Kind::Sem => Thing::Sem(id),
    }
}
