//! What is wrong with a run.

use libc::c_int;

use super::model::{Model, State};
use crate::event::Command;
use crate::explore::tables;
use crate::explore::verdict::{Asleep, Finding, Kind, Sleeper};
use crate::syscalls;
use crate::syscalls::cells::Object;
use crate::tracer::Entry;

/// See the module.
#[derive(Default)]
pub struct Judge {
    pub findings: Vec<Finding>,
    /// How each process had ended when the last one was found.
    pub ends: Vec<String>,
    /// What was found ends the run.
    pub over: bool,
    /// Why it cannot be said whether something is wrong.
    pub not_judged: Option<&'static str>,
    removed: Vec<Removed>,
    /// The letters of those whom getppid has answered 0.
    orphans: Vec<usize>,
}

/// An object that is no more.
struct Removed {
    kind: Kind,
    id: i32,
    /// The letter of the process that removed it.
    by: usize,
}

impl Judge {
    fn find(&mut self, model: &Model, finding: Finding) {
        self.findings.push(finding);
        self.ends = model.ends();
    }

    /// Something is found after which nothing is worth to be seen.
    fn find_last(&mut self, model: &Model, finding: Finding) {
        self.find(model, finding);
        self.over = true;
    }

    /// No process can move: they have all ended, or sleep for ever.
    pub fn nobody_moves(&mut self, model: &Model) {
        self.ends = model.ends();
        let asleep = model.tasks.iter().enumerate().filter(|(_, task)| task.state != State::Gone);
        let sleepers = asleep.map(|(i, task)| Sleeper {
            letter: i,
            pid: model.pid(i),
            asleep: match (task.state, task.entry) {
                (State::Stopped, _) => Asleep::Stopped,
                (_, None) => Asleep::Elsewhere,
                (_, Some(entry)) => Asleep::Call(entry.number),
            },
            alarm: model.kills_by_time(i),
        });
        let sleepers: Vec<Sleeper> = sleepers.collect();
        if !sleepers.is_empty() && model.foreign_timer {
            return self
                .not_judged("a process sleeps with a timer that the explorer does not control");
        }
        if !sleepers.is_empty() {
            return self.find(model, Finding::Deadlock { sleepers });
        }
        for kind in [Kind::Shm, Kind::Msg, Kind::Sem] {
            for id in tables::ids(kind) {
                self.find(model, Finding::Left { kind, id });
            }
        }
    }

    /// The run ends here, and nobody can say whether something is wrong with it.
    pub fn not_judged(&mut self, why: &'static str) {
        self.not_judged = Some(why);
        self.over = true;
    }

    /// It goes on and on, and nothing changes.
    pub fn endless(&mut self, model: &Model, i: usize) {
        if model.foreign_timer {
            return self
                .not_judged("a process computes, with a timer that the explorer does not control");
        }
        self.find_last(model, Finding::Endless { letter: i, pid: model.pid(i) });
    }

    /// A signal for a pid that is none of the program's.
    pub fn outsider(&mut self, model: &Model, i: usize, target: i32, signal: c_int) {
        let (letter, pid, parent) = (i, model.pid(i), self.orphans.contains(&i));
        self.find_last(model, Finding::Outsider { letter, pid, target, signal, parent });
    }

    /// A signal has killed one.
    pub fn death(&mut self, model: &Model, i: usize, signal: c_int) {
        let (letter, pid) = (i, model.pid(i));
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
            _ => {
                let had = model.process(i).had_handler(signal);
                Finding::NoHandler { letter, pid, signal, had }
            }
        };
        self.find_last(model, finding);
    }

    /// A call has ended. One of System V: was the object still there?
    pub fn call(&mut self, model: &Model, i: usize, entry: &Entry, result: i64) {
        if entry.number == libc::SYS_getppid && result == 0 {
            self.orphans.push(i);
        }
        let Some(row) = syscalls::row(entry.number) else { return };
        let kind = match row.object {
            Object::None | Object::Get { .. } | Object::Detach => return,
            Object::Attach => Kind::Shm,
            Object::Use(kind) | Object::Control { kind, .. } => kind,
        };
        let (id, command) = (entry.args[0] as i32, row.command(entry));
        let gone = [-i64::from(libc::EINVAL), -i64::from(libc::EIDRM)].contains(&result);
        let (letter, pid) = (i, model.pid(i));
        let by = self.removed.iter().find(|one| one.kind == kind && one.id == id).map(|one| one.by);
        match (command, by) {
            (Some(Command::Remove), Some(by)) if gone || result == 0 => {
                self.find_last(model, Finding::RemovedTwice { kind, id, by, letter, pid });
            }
            (Some(Command::Remove), None) if result == 0 => {
                self.removed.push(Removed { kind, id, by: letter });
            }
            (command, Some(by))
                if result == -i64::from(libc::EINVAL) && command != Some(Command::Stat) =>
            {
                let call = syscalls::spoken(row.name, entry.args[3] != 0);
                self.find_last(model, Finding::DeadId { kind, id, by, call, letter, pid });
            }
            _ => {}
        }
    }
}
