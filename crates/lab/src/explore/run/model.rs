//! What is known of the processes and threads of a run: who they are, where each is held, and what its
//! process has asked the kernel for.

use std::collections::HashMap;

use libc::c_int;

use super::blocked::{Mask, WaitsFor};
use super::looks::Looks;
use super::maps::Map;
use super::shared::Open;
use super::shared::access::Access;
use super::shared::buffer::Buffer;
use super::shared::circles::Circle;
use super::timers::Timer;
use crate::event::{Action, Call};
use crate::explore::calls::{self, Limit, Named, SocketLimits};
use crate::explore::descriptors::Leaves;
use crate::explore::footprint::Footprint;
use crate::syscalls::cells::Touch;
use crate::tracer::source::Code;
use crate::tracer::{Entry, Tid};

/// Where a thread is.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum State {
    /// New, or interrupted while it spun.
    Start,
    /// Just before a call.
    Before,
    /// Just before an access to memory that is watched.
    Touching,
    /// Just before an instruction that waits for the store buffer.
    Fence,
    /// A call has ended, and it does not know yet.
    After,
    Asleep,
    /// By SIGSTOP.
    Stopped,
    Gone,
}

/// A thread.
pub struct Task {
    pub tid: Tid,
    /// Its process, among the processes.
    pub process: usize,
    /// The same for the same thread in every run.
    pub id: u32,
    /// Its parents: the births on the way to it.
    path: Vec<u32>,
    births: u32,
    /// Where its C library keeps its number, if that was looked at.
    pub number_at: u64,
    pub state: State,
    /// The call that it is about to make, in, or made last.
    pub entry: Option<Entry>,
    /// The same, spelled, if that is wanted, and by which line of the program it is made.
    pub call: Option<Call>,
    pub source: Option<String>,
    pub wait: Option<Wait>,
    /// It is being put back onto its call, which will then be made.
    pub rewound: bool,
    /// An interrupt of ours will still be reported.
    pub interrupted: bool,
    pub in_call: bool,
    /// Its end is only seen for the story.
    pub for_story: bool,
    /// It sleeps until its child has become another program, or ended.
    pub vfork: bool,
    /// How many signals its process had got when it was held.
    pub signals: u64,
    pub mask: Mask,
    pub looks: Looks,
    /// The access before which it is held.
    pub access: Option<Access>,
    /// It comes to this access in a circle.
    pub circle: Option<Circle>,
    /// It is being put back onto a call that is none of its points.
    pub passing: bool,
    /// Its end is seen all the same.
    pub passed: bool,
    /// Watched memory is open until its call has ended.
    pub opened: bool,
    /// It blocks SIGSEGV, as far as it can tell.
    pub blocks_faults: bool,
    /// It sets what SIGSEGV does: what stands in the argument, and whether it ignored the signal before.
    pub sets_faults: Option<(u64, bool)>,
    /// What it has read in this move, from where, by which instruction: what it found there, and how often in a
    /// row.
    pub read_again: HashMap<(Code, u64), (u64, u32)>,
    /// What its call touches, for the order of accesses.
    pub made: Footprint,
    /// What the call before which it is held may have to wait for.
    pub waits_for: Option<WaitsFor>,
    /// It has to: the call is not made yet.
    pub blocked: bool,
    pub buffer: Buffer,
    /// It is held where its buffer has to be emptied first, and it is not empty.
    pub waits_for_stores: bool,
    /// It was, there.
    pub waited_for_stores: bool,
}

/// A wait with a limit, which is ours to reach.
#[derive(Clone, Copy)]
pub struct Wait {
    pub limit: Limit,
    /// When it is reached, in nanoseconds since the start.
    pub until: u64,
}

/// A process.
pub struct Process {
    pub tgid: Tid,
    /// Its number in the room; 0 while it is not known.
    pub pid: i32,
    pub parent: Option<usize>,
    /// Its main thread, among the tasks.
    pub main: usize,
    /// How many signals may have been sent to it.
    pub signals: u64,
    actions: [Action; 65],
    /// The signals for which it has, or has had, a handler: bit n for signal n.
    handled: u128,
    /// Those of which the handler runs only once; likewise.
    once: u128,
    pub maps: Vec<Map>,
    /// Pages of them that are open now.
    pub open: Vec<Open>,
    /// A `syscall` instruction of the program.
    pub call_at: u64,
    /// Which program it runs, once that was asked.
    pub file: Option<usize>,
    /// The signal that it gets when its parent ends.
    pub follows: c_int,
    pub own_group: bool,
    pub threads: u32,
    /// Sets of semaphores of which something is undone when it ends.
    pub undone: Vec<i32>,
    /// What its end means for its descriptors and locks, once that is known.
    pub leaves: Leaves,
    /// Its parent knows that it has ended.
    pub reaped: bool,
    /// `0`, `1`, `SIGTERM`; `None`: it lives.
    pub end: Option<String>,
}

/// Which thread is which, from run to run.
#[derive(Clone, Default)]
pub struct Ids(pub HashMap<Vec<u32>, u32>);

impl Ids {
    fn of(&mut self, path: &[u32]) -> u32 {
        let next = self.0.len() as u32;
        *self.0.entry(path.to_vec()).or_insert(next)
    }
}

impl Task {
    /// Does it sleep until a child has ended?
    pub fn waits(&self) -> bool {
        let row = self.entry.as_ref().and_then(calls::known);
        self.state == State::Asleep && row.is_none_or(|row| row.touches.contains(&Touch::Children))
    }
}

/// The processes that die when a process has ended.
pub struct Heir {
    pub process: usize,
    pub signal: c_int,
}

/// See the module.
#[derive(Default)]
pub struct Model {
    pub tasks: Vec<Task>,
    pub processes: Vec<Process>,
    /// Somebody has taken a lock on a file: what is closed may hold one.
    pub locks: bool,
    pub timers: Vec<Timer>,
    pub sockets: SocketLimits,
    /// Somebody has set a timer that is not ours: it may wake who sleeps.
    pub foreign_timer: bool,
    /// Of each segment, the number of the process that attached or detached it last.
    pub last_attached: HashMap<i32, i32>,
    /// What a process has read of the kernel's table of segments, by a descriptor.
    pub tables: HashMap<(Tid, u64), Vec<u8>>,
}

impl Model {
    /// One has moved. Those that only go round once more make room for all others, and may do so again after them.
    pub fn has_gone_on(&mut self, i: usize) {
        if self.tasks[i].looks.goes_round {
            self.tasks[i].looks.yields = true;
        } else {
            self.tasks.iter_mut().for_each(|task| task.looks.goes_round = false);
        }
    }

    /// A program that was started, the n-th. Answers its task.
    pub fn start(&mut self, ids: &mut Ids, tid: Tid, pid: i32) -> usize {
        let process = self.processes.len();
        self.processes.push(Process {
            tgid: tid,
            pid,
            parent: None,
            main: self.tasks.len(),
            signals: 0,
            actions: [Action::Default; 65],
            handled: 0,
            once: 0,
            maps: vec![],
            open: vec![],
            call_at: 0,
            file: None,
            follows: 0,
            own_group: false,
            threads: 1,
            undone: vec![],
            leaves: Leaves::default(),
            reaped: false,
            end: None,
        });
        self.add(ids, tid, process, vec![process as u32])
    }

    /// A thread of the same process as the task that made it.
    pub fn thread(&mut self, ids: &mut Ids, maker: usize, tid: Tid) -> usize {
        let process = self.tasks[maker].process;
        self.processes[process].threads += 1;
        let path = self.path_of_child(maker);
        self.add(ids, tid, process, path)
    }

    /// A child of the task's process. One that runs in its parent's memory until its exec has its
    /// number at once; any other gets it when the parent knows it.
    pub fn fork(&mut self, ids: &mut Ids, maker: usize, tid: Tid, borrows: Option<i32>) -> usize {
        let parent = self.tasks[maker].process;
        let one = &self.processes[parent];
        let child = Process {
            tgid: tid,
            pid: borrows.unwrap_or(0),
            parent: Some(parent),
            main: self.tasks.len(),
            signals: 0,
            actions: one.actions,
            handled: one.handled,
            once: one.once,
            maps: one.maps.clone(),
            open: one.open.clone(),
            call_at: one.call_at,
            file: one.file,
            follows: 0,
            own_group: one.own_group,
            threads: 1 + u32::from(borrows.is_some()),
            undone: vec![],
            leaves: Leaves::default(),
            reaped: false,
            end: None,
        };
        self.processes.push(child);
        let path = self.path_of_child(maker);
        self.add(ids, tid, self.processes.len() - 1, path)
    }

    fn path_of_child(&mut self, maker: usize) -> Vec<u32> {
        let mut path = self.tasks[maker].path.clone();
        path.push(self.tasks[maker].births);
        self.tasks[maker].births += 1;
        path
    }

    fn add(&mut self, ids: &mut Ids, tid: Tid, process: usize, path: Vec<u32>) -> usize {
        self.tasks.push(Task {
            tid,
            process,
            id: ids.of(&path),
            path,
            births: 0,
            number_at: 0,
            state: State::Start,
            entry: None,
            call: None,
            source: None,
            wait: None,
            rewound: false,
            interrupted: false,
            in_call: false,
            for_story: false,
            vfork: false,
            signals: 0,
            mask: Mask::default(),
            looks: Looks::default(),
            access: None,
            circle: None,
            passing: false,
            passed: false,
            opened: false,
            blocks_faults: false,
            sets_faults: None,
            read_again: HashMap::new(),
            made: Footprint::default(),
            waits_for: None,
            blocked: false,
            buffer: Buffer::default(),
            waits_for_stores: false,
            waited_for_stores: false,
        });
        self.tasks.len() - 1
    }

    /// A program stands before its first call that matters: as if it had done nothing before.
    pub fn stands_at_its_start(&mut self, i: usize) {
        let task = &mut self.tasks[i];
        (task.looks, task.births) = (Looks::default(), 0);
    }

    /// Has it done nothing by then that a copy of it would not have?
    pub fn is_as_started(&self, i: usize) -> bool {
        let process = self.process(i);
        self.tasks[i].state == State::Before
            && process.maps.is_empty()
            && process.follows == 0
            && !process.own_group
    }

    /// A number for what a thread makes, the same in every run.
    pub fn name_for_product(&mut self, i: usize) -> u64 {
        let task = &mut self.tasks[i];
        task.births += 1;
        u64::from(task.id) << 16 | u64::from(task.births)
    }

    /// The process of a task.
    pub fn process(&self, i: usize) -> &Process {
        &self.processes[self.tasks[i].process]
    }

    /// The process of a task.
    pub fn process_mut(&mut self, i: usize) -> &mut Process {
        &mut self.processes[self.tasks[i].process]
    }

    /// Its process's number in the room.
    pub fn pid(&self, i: usize) -> i32 {
        self.process(i).pid
    }

    /// The process that has this number in the room.
    pub fn with_pid(&self, pid: i32) -> Option<usize> {
        self.processes.iter().position(|one| one.pid == pid)
    }

    /// The process that has this number for us.
    pub fn with_tgid(&self, tgid: Tid) -> Option<usize> {
        self.processes.iter().position(|one| one.tgid == tgid)
    }

    /// The process that a call names.
    pub fn named(&self, named: Named) -> Option<usize> {
        match named {
            Named::Pid(pid) => self.with_pid(pid),
            Named::Tgid(tgid) => self.with_tgid(tgid),
        }
    }

    /// Can it go on by itself?
    pub fn can_move(&self, i: usize) -> bool {
        let task = &self.tasks[i];
        let stands = matches!(
            task.state,
            State::Start | State::Before | State::Touching | State::Fence | State::After
        );
        stands && !task.blocked && !task.waits_for_stores
    }

    /// The other threads of its process that have not ended.
    pub fn siblings(&self, i: usize) -> Vec<usize> {
        let process = self.tasks[i].process;
        let lives = |j: &usize| {
            *j != i && self.tasks[*j].process == process && self.tasks[*j].state != State::Gone
        };
        (0..self.tasks.len()).filter(lives).collect()
    }

    /// When time can do something for it: its wait reaches its limit, or a timer of its process goes off,
    /// by its place.
    pub fn due(&self, i: usize) -> Option<(u64, Option<usize>)> {
        let task = &self.tasks[i];
        let process = &self.processes[task.process];
        let wait = task.wait.filter(|_| task.state == State::Asleep).map(|wait| (wait.until, None));
        let mine = |timer: &Timer| process.main == i && timer.process == task.process;
        let timers = self.timers.iter().enumerate().filter(|(_, timer)| mine(timer));
        let due = timers.filter_map(|(at, timer)| Some((timer.due(self)?, Some(at))));
        wait.into_iter().chain(due).min()
    }

    /// Its parent knows its child's number now.
    pub fn child_is_known(&mut self, i: usize, pid: i32) {
        let process = self.tasks[i].process;
        let newest = self.processes.iter_mut().rev().find(|child| child.parent == Some(process));
        if let Some(child) = newest.filter(|child| child.pid == 0) {
            child.pid = pid;
        }
    }

    /// It runs another program now: other threads are gone, without a word.
    pub fn exec(&mut self, i: usize) {
        for sibling in self.siblings(i) {
            self.tasks[sibling].state = State::Gone;
        }
        let task = &mut self.tasks[i];
        (task.in_call, task.wait) = (false, None);
        self.end_timers(self.tasks[i].process, false);
        let process = self.process_mut(i);
        process.maps.clear();
        process.open.clear();
        process.file = None;
        process.threads = 1;
        for action in &mut process.actions {
            if *action == Action::Handler {
                *action = Action::Default;
            }
        }
    }

    /// A process has ended, with its last thread. Answers what it had mapped.
    pub fn end(&mut self, number: usize, how: String) -> Vec<Map> {
        let process = &mut self.processes[number];
        process.end = Some(how);
        let maps = std::mem::take(&mut process.maps);
        self.end_timers(number, true);
        maps
    }

    /// The living children of a process that get a signal because it has ended.
    pub fn heirs(&self, process: usize) -> Vec<Heir> {
        let children = self.processes.iter().enumerate().filter(|(_, one)| {
            one.parent == Some(process) && one.end.is_none() && one.follows != 0
        });
        children.map(|(process, one)| Heir { process, signal: one.follows }).collect()
    }

    /// How each process ended, in the order of their births.
    pub fn ends(&self) -> Vec<String> {
        let end = |process: &Process| process.end.clone().unwrap_or("lives".into());
        self.processes.iter().map(end).collect()
    }
}

impl Process {
    /// What it does with a signal.
    pub fn action(&self, signal: c_int) -> Action {
        self.actions.get(signal as usize).copied().unwrap_or(Action::Default)
    }

    /// The signals for which it has a handler; bit n - 1 for signal n.
    pub fn handlers(&self) -> u64 {
        let has = |signal: &usize| self.actions[*signal] == Action::Handler;
        (1..=64).filter(has).fold(0, |all, signal| all | 1 << (signal - 1))
    }

    /// Has it, or had it, a handler for this signal?
    pub fn had_handler(&self, signal: c_int) -> bool {
        self.handled >> signal & 1 == 1
    }

    /// From now on it does this with a signal. One that does not exist is not set.
    pub fn set_action(&mut self, signal: c_int, action: Action, flags: u64) {
        if let Some(known) = self.actions.get_mut(signal as usize) {
            *known = action;
            self.handled |= u128::from(action == Action::Handler) << signal;
            let once = flags & libc::SA_RESETHAND as u32 as u64 != 0;
            self.once = self.once & !(1 << signal) | u128::from(once) << signal;
        }
    }

    /// Its handler for this signal runs now.
    pub fn handles(&mut self, signal: c_int) {
        if self.once >> signal & 1 == 1 {
            self.actions[signal as usize] = Action::Default;
        }
    }

    /// Does a signal change nothing for it?
    pub fn ignores(&self, signal: c_int) -> bool {
        let harmless = [libc::SIGCHLD, libc::SIGCONT, libc::SIGURG, libc::SIGWINCH];
        match self.action(signal) {
            Action::Ignore => true,
            Action::Default => harmless.contains(&signal),
            _ => false,
        }
    }

    /// Does another process see its memory, without that each access is seen?
    pub fn shares(&self) -> bool {
        self.threads > 1 || self.maps.iter().any(|map| !map.watched)
    }
}
