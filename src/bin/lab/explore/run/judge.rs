//! What a call touches, what is wrong with it, and how it is told.

use super::*;
use crate::explore::verdict::{Sleeper, Told};

impl Run<'_> {
    /// What the call that is about to be made can touch.
    pub(super) fn touches(&mut self, i: usize, entry: &Entry) {
        use Thing::*;
        let args = entry.args;
        let process = self.tasks[i].process as u32;
        let id = args[0] as i32;
        let stat = |cmd: u64| cmd as c_int & 0xff == libc::IPC_STAT;
        match entry.number {
            number if calls::sends_signal(number) => self.sends(i, entry),
            libc::SYS_wait4 | libc::SYS_waitid => self.made.writes(Children(process)),
            libc::SYS_shmget => self.made.writes(Shm(-1)),
            libc::SYS_msgget => self.made.writes(Msg(-1)),
            libc::SYS_semget => self.made.writes(Sem(-1)),
            libc::SYS_shmat => self.made.writes(Shm(id)),
            libc::SYS_shmdt => {
                let maps = &self.processes[process as usize].maps;
                match maps.iter().find(|map| map.start == args[0]) {
                    Some(map) => self.made.writes(Shm(map.memory as i32)),
                    None => self.made.add_everything(),
                }
            }
            libc::SYS_shmctl if stat(args[1]) => self.made.reads(Shm(id)),
            libc::SYS_msgctl if stat(args[1]) => self.made.reads(Msg(id)),
            libc::SYS_semctl if stat(args[2]) => self.made.reads(Sem(id)),
            libc::SYS_shmctl => {
                [Shm(id), Shm(-1)].into_iter().for_each(|thing| self.made.writes(thing))
            }
            libc::SYS_msgctl => {
                [Msg(id), Msg(-1)].into_iter().for_each(|thing| self.made.writes(thing))
            }
            libc::SYS_semctl => {
                [Sem(id), Sem(-1)].into_iter().for_each(|thing| self.made.writes(thing))
            }
            libc::SYS_msgsnd | libc::SYS_msgrcv => self.made.writes(Msg(id)),
            libc::SYS_semop => self.made.writes(Sem(id)),
            libc::SYS_semtimedop => {
                self.made.writes(Sem(id));
                self.made.reads(Time);
            }
            number if calls::makes_process(number) => {
                self.made.writes(Pids);
                let maps = self.processes[process as usize].maps.clone();
                maps.iter().for_each(|map| self.made.writes(Shm(map.memory as i32)));
            }
            libc::SYS_execve | libc::SYS_execveat => {
                self.made.writes(Descriptors);
                let maps = self.processes[process as usize].maps.clone();
                maps.iter().for_each(|map| self.made.writes(Shm(map.memory as i32)));
            }
            libc::SYS_futex => {
                self.made.writes(Futexes);
                self.made.reads(Time);
            }
            libc::SYS_pause
            | libc::SYS_rt_sigsuspend
            | libc::SYS_rt_sigaction
            | libc::SYS_rt_sigprocmask
            | libc::SYS_pipe
            | libc::SYS_pipe2
            | libc::SYS_sched_yield
            | libc::SYS_exit
            | libc::SYS_exit_group => {}
            libc::SYS_nanosleep
            | libc::SYS_clock_nanosleep
            | libc::SYS_alarm
            | libc::SYS_setitimer
            | libc::SYS_rt_sigtimedwait => self.made.reads(Time),
            libc::SYS_poll
            | libc::SYS_ppoll
            | libc::SYS_select
            | libc::SYS_pselect6
            | libc::SYS_epoll_wait
            | libc::SYS_epoll_pwait
            | libc::SYS_epoll_pwait2 => {
                self.made.reads(Descriptors);
                self.made.reads(Time);
            }
            libc::SYS_open | libc::SYS_openat => {
                let path = args[usize::from(entry.number == libc::SYS_openat)];
                let path = string(self.tasks[i].tid, path, 256).unwrap_or_default();
                if path.starts_with(b"/proc/") {
                    self.made.add_everything();
                }
                self.made.writes(Files);
                self.made.writes(Descriptors);
            }
            libc::SYS_creat
            | libc::SYS_unlink
            | libc::SYS_unlinkat
            | libc::SYS_rename
            | libc::SYS_renameat
            | libc::SYS_renameat2
            | libc::SYS_mkdir
            | libc::SYS_rmdir
            | libc::SYS_link
            | libc::SYS_truncate => self.made.writes(Files),
            number if calls::on_descriptor(number) => match self.descriptor(i, args[0]) {
                // What is only printed is nobody's to read.
                Some(link) if link == "/dev/null" => {}
                None => {}
                Some(link) if link.starts_with("pipe:") => match self.pipes.get(&link) {
                    Some(&name) => self.made.writes(Pipe(name)),
                    None => self.made.writes(Descriptors),
                },
                Some(link) if link.starts_with("/proc/") => self.made.add_everything(),
                Some(link) if link.starts_with('/') => self.made.writes(Files),
                Some(_) => self.made.writes(Descriptors),
            },
            _ => self.made.add_everything(),
        }
    }

    /// A signal is about to be sent: to whom?
    fn sends(&mut self, i: usize, entry: &Entry) {
        let args = entry.args;
        let position = match entry.number {
            libc::SYS_tgkill | libc::SYS_rt_tgsigqueueinfo => 2,
            _ => 1,
        };
        let (target, signal) = (args[0] as i32, args[position] as c_int);
        let me = self.tasks[i].process;
        let known = |pid: i32| self.processes.iter().position(|one| one.pid == pid);
        let reached = match entry.number {
            libc::SYS_pidfd_send_signal => {
                let tid = self.tasks[i].tid;
                let info = self.world.room.text(&format!("{tid}/fdinfo/{}", args[0]));
                let pid = info.lines().find_map(|line| line.strip_prefix("Pid:"));
                let pid: Option<Tid> = pid.and_then(|pid| pid.trim().parse().ok());
                pid.and_then(|pid| self.processes.iter().position(|one| one.tgid == pid))
            }
            libc::SYS_tkill => None,
            _ => known(target),
        };
        self.signals += u64::from(signal != 0);
        match reached {
            Some(process) if signal == 0 => self.made.reads(Thing::Process(process as u32)),
            Some(process) => self.made.writes(Thing::Process(process as u32)),
            None => self.made.add_everything(),
        }
        let inside = reached.is_some()
            || [libc::SYS_tkill, libc::SYS_pidfd_send_signal].contains(&entry.number)
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
            call: match task.state {
                State::Stopped => "a stop",
                _ => task.entry.map_or("a call", |entry| calls::name(entry.number)),
            },
            alarm: self.processes[task.process].alarm.is_some(),
        };
        let sleepers: Vec<Sleeper> = asleep.map(sleeper).collect();
        if !sleepers.is_empty() {
            return self.finding(Finding::Deadlock { sleepers });
        }
        for (kind, file) in [(Kind::Shm, "shm"), (Kind::Msg, "msg"), (Kind::Sem, "sem")] {
            let table = self.world.room.text(&format!("sysvipc/{file}"));
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
        let id = entry.args[0] as i32;
        let (kind, command) = match entry.number {
            libc::SYS_shmat => (Kind::Shm, None),
            libc::SYS_shmctl => (Kind::Shm, Some(entry.args[1])),
            libc::SYS_msgsnd | libc::SYS_msgrcv => (Kind::Msg, None),
            libc::SYS_msgctl => (Kind::Msg, Some(entry.args[1])),
            libc::SYS_semop | libc::SYS_semtimedop => (Kind::Sem, None),
            libc::SYS_semctl => (Kind::Sem, Some(entry.args[2])),
            _ => return,
        };
        let command = command.map(|command| command as c_int & 0xff);
        let gone = [-i64::from(libc::EINVAL), -i64::from(libc::EIDRM)].contains(&result);
        let (letter, pid) = (self.letter(i), self.pid(i));
        let by = self.removed.get(&(kind, id)).copied();
        match (command, by) {
            (Some(libc::IPC_RMID), Some(by)) if gone || result == 0 => {
                self.finding(Finding::RemovedTwice { kind, id, by, letter, pid });
            }
            (Some(libc::IPC_RMID), None) if result == 0 => {
                self.removed.insert((kind, id), letter);
                return;
            }
            (command, Some(by))
                if result == -i64::from(libc::EINVAL) && command != Some(libc::IPC_STAT) =>
            {
                let call = calls::name(entry.number);
                self.finding(Finding::DeadId { kind, id, by, call, letter, pid });
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

    pub(super) fn spell(&self, i: usize, entry: &Entry) -> Call {
        let mut call = decode::enter(self.tasks[i].tid, entry);
        if decode::name(entry.number).is_none() {
            call.name = calls::name(entry.number).into();
            if calls::on_descriptor(entry.number) {
                let text = (entry.args[0] as i32).to_string().into();
                let value = entry.args[0] as i64;
                call.args = vec![crate::event::Arg { name: "fd".into(), text, value }];
            }
        }
        call
    }

    /// `None`: it sleeps, or will not return.
    pub(super) fn tell_call(&mut self, i: usize, result: Option<i64>) {
        let (Some(entry), Some(mut call)) = (self.tasks[i].entry, self.tasks[i].call.take()) else {
            return;
        };
        let answer = result.map(|result| {
            decode::leave(self.tasks[i].tid, &entry, &mut call, result);
            call.answer.to_string()
        });
        let ends = [libc::SYS_exit, libc::SYS_exit_group].contains(&entry.number);
        let answer = if ends { Some("?".into()) } else { answer };
        let name = calls::name(entry.number);
        self.tell(i, Moment::Call { name, line: call.line(), answer });
        self.tasks[i].call = Some(call);
    }
}
