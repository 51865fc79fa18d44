//! Calls that cannot be made yet: a semop that would sleep, a wait for a child that lives, a poll that waits for the
//! ends of processes. Nobody can tell one that sleeps in such a call from one that has not come to it. So it is not a move to fall
//! asleep; the call is made when it can end.
//!
//! Some programs can tell: a handler interrupts a sleeper alone (EINTR), a removal ends its sleep
//! (EIDRM), and GETNCNT counts those that sleep. As soon as a program does one of these, sleepers
//! *matter*: the exploration starts again, and every call is made when its turn has come.

use libc::c_int;
use nix::errno::Errno;

use super::model::{Model, State};
use crate::event::{Action, Command};
use crate::explore::calls;
use crate::explore::descriptors::{PIDFD, descriptor, of_pidfd, polled};
use crate::explore::verdict::Kind;
use crate::syscalls::cells::Object;
use crate::tracer::memory::record;
use crate::tracer::{Entry, Tid};

/// The signals that a thread blocks, without those of [`calls::FAULTS`].
#[derive(Default)]
pub struct Mask {
    /// Once that was asked.
    pub blocks: Option<u64>,
    /// A handler has begun since.
    pub handles: bool,
}

impl Model {
    /// It is held. Signals that come from now on have come since.
    pub fn is_held(&mut self, i: usize, state: State) {
        let signals = self.process(i).signals;
        let task = &mut self.tasks[i];
        (task.state, task.signals) = (state, signals);
    }

    /// A signal is on its way to a process; `None`: to any of them.
    pub fn signal_comes(&mut self, process: Option<usize>) {
        match process {
            Some(one) => self.processes[one].signals += 1,
            None => self.processes.iter_mut().for_each(|one| one.signals += 1),
        }
    }

    /// May a signal have come since it is held?
    pub fn is_signalled(&self, i: usize) -> bool {
        self.tasks[i].signals != self.process(i).signals
    }
}

/// What a call before which one is held has to wait for.
#[derive(Clone, Debug)]
pub enum WaitsFor {
    Semaphores {
        id: c_int,
        operations: Vec<(u16, i32)>,
    },
    Child {
        pid: i32,
    },
    /// By pidfds: one of these has ended. A signal that this mask lets in interrupts the wait.
    Ends {
        tgids: Vec<Tid>,
        mask: Option<u64>,
    },
}

impl WaitsFor {
    /// The signals that are blocked meanwhile; `None`: those that are blocked anyway.
    fn mask(&self) -> Option<u64> {
        if let WaitsFor::Ends { mask, .. } = self { *mask } else { None }
    }
}

/// What a call may have to wait for, if that can be known before it is made.
pub fn waits_for(tid: Tid, entry: &Entry) -> Option<WaitsFor> {
    let known = !entry.foreign;
    match entry.number {
        libc::SYS_semop | libc::SYS_semtimedop if known && is_semop(entry) => {
            let all = calls::operations(tid, entry);
            let waits = |one: &libc::sembuf| c_int::from(one.sem_flg) & libc::IPC_NOWAIT == 0;
            let operations = all.iter().map(|one| (one.sem_num, one.sem_op.into())).collect();
            let id = entry.args[0] as c_int;
            (!all.is_empty() && all.iter().all(waits))
                .then_some(WaitsFor::Semaphores { id, operations })
        }
        libc::SYS_wait4 if known && entry.args[2] == 0 => {
            let pid = entry.args[0] as i32;
            (pid > 0 || pid == -1).then_some(WaitsFor::Child { pid })
        }
        libc::SYS_poll if known && (entry.args[2] as c_int) < 0 => waits_for_ends(tid, entry, None),
        libc::SYS_ppoll if known && entry.args[2] == 0 => {
            let mask: Option<u64> = record(tid, entry.args[3]);
            // What is pending already ends it at once.
            let pending = calls::pending(tid, mask) != 0;
            if pending { None } else { waits_for_ends(tid, entry, mask) }
        }
        _ => None,
    }
}

/// Does a poll without a limit ask about the ends of processes alone?
fn waits_for_ends(tid: Tid, entry: &Entry, mask: Option<u64>) -> Option<WaitsFor> {
    let list = polled(tid, entry).filter(|list| !list.is_empty())?;
    let ends = |one: &libc::pollfd| {
        let fd = (one.events & libc::POLLIN != 0).then_some(one.fd as u64)?;
        descriptor(tid, fd).filter(|link| link == PIDFD).and_then(|_| of_pidfd(tid, fd))
    };
    let tgids = list.iter().map(ends).collect::<Option<Vec<_>>>()?;
    Some(WaitsFor::Ends { tgids, mask })
}

/// Would the call sleep now?
pub fn would_sleep(model: &Model, i: usize, waits: &WaitsFor) -> bool {
    match waits {
        WaitsFor::Semaphores { id, operations } => takes_too_much(*id, operations),
        WaitsFor::Child { pid } => {
            let me = model.tasks[i].process;
            let mut mine = model
                .processes
                .iter()
                .filter(|one| one.parent == Some(me) && !one.reaped && [-1, one.pid].contains(pid));
            let ignored = model.process(i).action(libc::SIGCHLD) == Action::Ignore;
            let lives = mine.clone().any(|one| one.end.is_none());
            lives && !ignored && mine.all(|one| one.end.is_none() && one.pid != 0)
        }
        WaitsFor::Ends { tgids, .. } => tgids.iter().all(|tgid| {
            let of = model.with_tgid(*tgid).map(|process| &model.processes[process]);
            of.is_some_and(|one| one.end.is_none())
        }),
    }
}

/// As the kernel does it: one operation after the other, all or none.
fn takes_too_much(id: c_int, operations: &[(u16, i32)]) -> bool {
    let mut values: Vec<(u16, i32)> = vec![];
    for &(which, by) in operations {
        let at = match values.iter().position(|(known, _)| *known == which) {
            Some(at) => at,
            // SAFETY: GETVAL fills nothing.
            None => match Errno::result(unsafe { libc::semctl(id, which.into(), libc::GETVAL) }) {
                Ok(value) => {
                    values.push((which, value));
                    values.len() - 1
                }
                // The call will say what is wrong.
                Err(_) => return false,
            },
        };
        let value = &mut values[at].1;
        if by == 0 && *value != 0 || *value + by < 0 {
            return true;
        }
        *value += by;
    }
    false
}

/// What is pending for one and interrupts its call, or would.
pub fn open(model: &Model, i: usize) -> u64 {
    let task = &model.tasks[i];
    calls::pending(task.tid, task.waits_for.as_ref().and_then(WaitsFor::mask))
}

/// Can what has been pending for one since it is held be told from what comes while it sleeps? A
/// handler interrupts its call, and a stop does.
pub fn is_interrupted(model: &Model, i: usize) -> bool {
    let process = model.process(i);
    let open = open(model, i);
    let stops = [libc::SIGSTOP, libc::SIGTSTP, libc::SIGTTIN, libc::SIGTTOU, libc::SIGCONT];
    let tells = |signal: c_int| match process.action(signal) {
        Action::Handler => true,
        _ => stops.contains(&signal),
    };
    (1..=64).any(|signal| open >> (signal - 1) & 1 == 1 && tells(signal))
}

/// Does a call that is about to be made tell who sleeps from who does not?
pub fn tells_sleepers(entry: &Entry) -> bool {
    let Some(row) = calls::known(entry) else { return false };
    let sets = matches!(row.object, Object::Control { kind: Kind::Sem, .. });
    sets && matches!(entry.args[2] as c_int, libc::GETNCNT | libc::GETZCNT)
}

/// Has it found its set removed? One that had slept there would have been told so.
pub fn came_too_late(entry: &Entry, result: i64) -> bool {
    let gone = [-i64::from(libc::EINVAL), -i64::from(libc::EIDRM)].contains(&result);
    !entry.foreign && gone && is_semop(entry)
}

/// The C library makes a semop of a semtimedop without a limit.
fn is_semop(entry: &Entry) -> bool {
    let unlimited = entry.number == libc::SYS_semtimedop && entry.args[3] == 0;
    entry.number == libc::SYS_semop || unlimited
}

/// Does a call that removes a set end somebody's sleep, or would it?
pub fn ends_sleeps(model: &Model, entry: &Entry) -> bool {
    let Some(row) = calls::known(entry) else { return false };
    let removes = matches!(row.object, Object::Control { kind: Kind::Sem, .. })
        && row.command(entry) == Some(Command::Remove);
    let waits = |state: State, waits: &Option<WaitsFor>| {
        matches!(waits, Some(WaitsFor::Semaphores { id, .. }) if *id == entry.args[0] as c_int)
            && state == State::Before
    };
    removes && model.tasks.iter().any(|task| waits(task.state, &task.waits_for))
}
