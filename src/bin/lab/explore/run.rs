//! One run of the real programs, in which only one process or thread moves at a time.
//!
//! Everybody is held just before a visible call, in user mode. A *move* makes that call, and what the
//! program does after it up to just before the next. If the call sleeps, the move ends there; when
//! somebody else's move wakes it, it is held again before it knows, and going on is a move of its own.
//!
//! A hold is at the call's seccomp stop. If a signal may have come meanwhile, the call is first turned
//! into none, and the thread put back onto the instruction (`tracer::registers`): then the signal
//! is delivered before the call, as it would have been.

use std::collections::hash_map::DefaultHasher;
use std::collections::{HashMap, VecDeque};
use std::fs::File;
use std::hash::{Hash, Hasher};
use std::os::unix::fs::FileExt;
use std::time::{SystemTime, UNIX_EPOCH};
use std::{mem, ptr};

use libc::{c_int, c_void};
use nix::errno::Errno;
use nix::sys::ptrace;
use nix::sys::uio::{RemoteIoVec, process_vm_writev};
use nix::unistd::Pid;
use sysv::tables::Kind;

use super::calls::{self, Limit};
use super::footprint::{Footprint, Thing};
use super::room::{self, Room};
use super::schedule::{MOST, Schedule, Turn};
use super::search::{Guide, Mover, Place, cost};
use super::verdict::{Finding, Moment, Story};
use super::{Result, Trouble};
use crate::asked::{self, Ended, Patience};
use crate::event::{Action, Call};
use crate::syscalls::cells::{Changes, Clock, Follow, Object, Point, Unit, Wakes};
use crate::syscalls::{self, decode};
use crate::tracer::memory::{bytes, fill, record, string};
use crate::tracer::starter::{self, Refused};
use crate::tracer::{Entry, Tid, names, registers};

/// Processor time after which a program that makes no visible call is taken to be spinning: it is
/// held, and others may move. In milliseconds.
const SPIN: i64 = 6;
/// So many times in a row when nobody else can move: then it spins for ever.
const SPINS: u32 = 200;
/// So often at one place, with the same in every register: it does.
const CIRCLES: u32 = 6;
/// Time passes so often in a row, and nobody else can move: then it will always.
const TICKS: u32 = 1000;
/// A run with more moves than this does not end.
const MOVES: usize = 20_000;
/// Of so many moves in a row, each only looked again at what had not changed.
const LOOKS: u32 = 300;
/// So often one that sleeps in a loop may wake up although others could move.
const SLEEPS: u32 = 4;
/// More shared memory than this is not compared: it counts as changed.
const COMPARED: usize = 1 << 20;
/// A result of a call that the kernel will make again: -512 to -516.
const RESTART: std::ops::RangeInclusive<i64> = -516..=-512;

/// What stays from run to run: which process is which.
pub struct World {
    pub room: Room,
    pub programs: usize,
    ids: HashMap<Vec<u32>, u32>,
    runs: i32,
}

impl World {
    pub fn new(room: Room, programs: usize) -> World {
        World { room, programs, ids: HashMap::new(), runs: 0 }
    }
}

/// How a run went.
#[derive(Debug, Default)]
pub struct Outcome {
    pub findings: Vec<Finding>,
    /// How each process ended, in the order of their births: `0`, `1`, `SIGTERM`, `asleep`.
    pub ends: Vec<String>,
    pub schedule: Schedule,
    pub moves: usize,
    pub preemptions: u32,
    /// The guide let go of it.
    pub dropped: bool,
    /// What happened, if that was asked for.
    pub story: Story,
}

#[derive(Clone, Copy, PartialEq, Debug)]
enum State {
    /// New, or interrupted while it spun.
    Start,
    /// Just before a call.
    Before,
    /// A call has ended, and it does not know yet.
    After(i64),
    Asleep,
    /// By SIGSTOP.
    Stopped,
    Gone,
}

#[derive(Debug)]
enum Stop {
    Entry(Entry, u64),
    Exit(i64),
    Signal(c_int, Option<Tid>),
    Born(Tid),
    Exec,
    Trap,
    Group,
    Ended(c_int),
    Killed(c_int),
    /// No stop: it sleeps.
    Asleep,
}

struct Task {
    tid: Tid,
    process: usize,
    id: u32,
    path: Vec<u32>,
    births: u32,
    state: State,
    entry: Option<Entry>,
    call: Option<Call>,
    limit: Option<(Limit, u64)>,
    /// It is being put back onto its call, which will then be made.
    rewound: bool,
    /// An interrupt of ours will still be reported.
    trap: bool,
    in_call: bool,
    vfork: bool,
    stat: Option<File>,
    syscall: Option<File>,
    early: VecDeque<Stop>,
    /// How many signals had been sent when it was held.
    signals: u64,
    /// Where it was found spinning, and how often.
    places: Vec<(u64, u32)>,
    /// What it looked at last, and how often in a row with the same answer.
    look: (u64, u32),
    /// Somebody else first.
    yields: bool,
}

struct Process {
    tgid: Tid,
    /// Its number in the room.
    pid: i32,
    parent: Option<usize>,
    /// Where it stands among the tasks.
    main: usize,
    actions: [Action; 65],
    maps: Vec<Map>,
    alarm: Option<u64>,
    /// The signal for its parent's end.
    follows: c_int,
    own_group: bool,
    threads: u32,
    end: Option<String>,
    last_signal: Option<c_int>,
}

/// An object that is no more.
struct Removed {
    kind: Kind,
    id: i32,
    /// The letter of who removed it.
    by: u8,
}

#[derive(Clone, Copy, PartialEq)]
struct Map {
    start: u64,
    len: usize,
    memory: u64,
}

/// One run under way.
pub struct Run<'a> {
    world: &'a mut World,
    first_pid: i32,
    tasks: Vec<Task>,
    processes: Vec<Process>,
    made: Footprint,
    /// What shared memory held after the last move.
    contents: HashMap<u64, u64>,
    pipes: HashMap<String, u64>,
    removed: Vec<Removed>,
    signals: u64,
    /// Nanoseconds since the start, as the programs see them.
    now: u64,
    clocks: [u64; 2],
    reads: u32,
    outcome: Outcome,
    tell: bool,
    over: bool,
}

impl World {
    /// Runs the programs once, as the guide says. With `tell`, the outcome has the whole story.
    pub fn run(&mut self, guide: &mut dyn Guide, tell: bool) -> Result<Outcome> {
        self.room.renew();
        let real = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_nanos() as u64);
        self.runs += 1;
        let mut run = Run {
            first_pid: room::first_pid(if tell { 0 } else { self.runs }),
            tasks: vec![],
            processes: vec![],
            made: Footprint::default(),
            contents: HashMap::new(),
            pipes: HashMap::new(),
            removed: vec![],
            signals: 0,
            now: 0,
            clocks: [real, monotonic()],
            reads: 0,
            outcome: Outcome::default(),
            tell,
            over: false,
            world: self,
        };
        let done = run.start().and_then(|()| run.play(guide));
        let done = done.and(run.clear());
        let outcome = mem::take(&mut run.outcome);
        done.map(|()| outcome)
    }
}

fn monotonic() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: writes one timespec.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &mut time) };
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

impl Run<'_> {
    fn start(&mut self) -> Result<()> {
        for n in 0..self.world.programs {
            let number = self.first_pid + n as i32;
            let (tid, _) = self.world.room.start(n, number)?;
            let process = self.processes.len();
            self.processes.push(Process {
                tgid: tid,
                pid: number,
                parent: None,
                main: self.tasks.len(),
                actions: [Action::Default; 65],
                maps: vec![],
                alarm: None,
                follows: 0,
                own_group: false,
                threads: 1,
                end: None,
                last_signal: None,
            });
            let i = self.add(tid, process, vec![n as u32]);
            self.until_it_runs(i)?;
            self.no_vdso(i);
        }
        Ok(())
    }

    /// Lets one that stands before its exec become the program.
    fn until_it_runs(&mut self, i: usize) -> Result<()> {
        let patience = Patience::of(starter::LIMIT);
        loop {
            self.resume(i, libc::PTRACE_CONT, 0);
            let tid = self.tasks[i].tid;
            match patience.wait(tid) {
                Ok(status) => match stop_of(tid, status) {
                    Some(Stop::Exec) => return Ok(()),
                    Some(Stop::Ended(_) | Stop::Killed(_)) => {
                        self.tasks[i].state = State::Gone;
                        self.processes[self.tasks[i].process].end = Some("127".into());
                        return Err(self.world.room.refusal());
                    }
                    _ => {}
                },
                Err(Ended::Asked(signal)) => return Err(Trouble::Signal(signal)),
                Err(_) => {
                    return Err(Trouble::because(
                        Refused::Stuck(starter::whereabouts(tid)).to_string(),
                    ));
                }
            }
        }
    }

    fn add(&mut self, tid: Tid, process: usize, path: Vec<u32>) -> usize {
        let next = self.world.ids.len() as u32;
        let id = *self.world.ids.entry(path.clone()).or_insert(next);
        self.tasks.push(Task {
            tid,
            process,
            id,
            path,
            births: 0,
            state: State::Start,
            entry: None,
            call: None,
            limit: None,
            rewound: false,
            trap: false,
            in_call: false,
            vfork: false,
            stat: None,
            syscall: None,
            early: VecDeque::new(),
            signals: self.signals,
            places: vec![],
            look: (0, 0),
            yields: false,
        });
        self.tasks.len() - 1
    }

    /// Moves, until all have ended or nobody can.
    fn play(&mut self, guide: &mut dyn Guide) -> Result<()> {
        let mut last: Option<Mover> = None;
        let (mut ticks, mut looks) = (0, 0);
        while !self.over {
            if let Some(signal) = asked::to_stop() {
                return Err(Trouble::Signal(signal));
            }
            let movers = self.movers();
            let idle = !self.tasks.iter().any(|task| can_move(task) && !task.yields);
            if movers.is_empty() {
                self.judge();
                return Ok(());
            }
            let current = movers.iter().position(|(mover, _)| Some(*mover) == last && !mover.time);
            let letters = movers.iter().map(|(_, i)| self.letter(*i)).collect();
            let due = |at: &usize| self.due(movers[*at].1).filter(|_| movers[*at].0.time);
            let first = (0..movers.len()).filter(|at| due(at).is_some()).min_by_key(due);
            let place = Place {
                movers: movers.iter().map(|(mover, _)| *mover).collect(),
                letters,
                current,
                due: first.filter(|_| idle),
            };
            let Some(chosen) = guide.choose(&place) else {
                self.outcome.dropped = true;
                return Ok(());
            };
            let (mover, i) = movers[chosen];
            if movers.len() > 1 {
                let turn = Turn { letter: place.letters[chosen], time: mover.time };
                self.outcome.schedule.0.push(turn);
            }
            self.outcome.preemptions += cost(&place, chosen);
            self.outcome.moves += 1;
            self.begin(i, mover, last, cost(&place, chosen) > 0);
            if mover.time {
                self.time(i)?
            } else {
                self.go(i)?
            }
            self.settle()?;
            self.look_at_memory(i);
            guide.moved(mem::take(&mut self.made));
            last = Some(mover);
            // Somebody has moved: who waited for that may look again.
            let task = &self.tasks[i];
            let repeats = task.yields && !mover.time;
            if !repeats {
                self.tasks.iter_mut().enumerate().for_each(|(j, task)| task.yields &= j == i);
            } else if movers.len() > 1
                || self.tasks.iter().filter(|task| can_move(task)).count() > 1
            {
                self.tasks.iter_mut().enumerate().filter(|(j, _)| *j != i).for_each(|(_, task)| {
                    task.yields = false;
                });
            }
            looks = if repeats { looks + 1 } else { 0 };
            ticks = if idle && mover.time {
                ticks + 1
            } else if idle {
                ticks
            } else {
                0
            };
            if looks > LOOKS || ticks > TICKS || self.outcome.moves > MOVES {
                self.finding(Finding::Endless { letter: self.letter(i), pid: self.pid(i) });
                return Ok(());
            }
        }
        Ok(())
    }

    /// Who can move, and its place among the tasks.
    fn movers(&self) -> Vec<(Mover, usize)> {
        let ready = |calm: bool| {
            let one = move |(i, task): (usize, &Task)| {
                let mover = Mover { id: task.id, time: false };
                (can_move(task) && (calm || !task.yields)).then_some((mover, i))
            };
            self.tasks.iter().enumerate().filter_map(one).collect::<Vec<_>>()
        };
        let mut movers = ready(false);
        let calm = movers.is_empty();
        if calm {
            movers = ready(true);
        }
        // Who sleeps, looks and sleeps again may do so when the others have moved.
        let due = |(i, task): (usize, &Task)| {
            let patient = calm || task.look.1 < SLEEPS;
            self.due(i).filter(|_| patient).map(|_| (Mover { id: task.id, time: true }, i))
        };
        movers.extend(self.tasks.iter().enumerate().filter_map(due));
        movers
    }

    /// Can time do something for it? When, and is it an alarm?
    fn due(&self, i: usize) -> Option<(u64, bool)> {
        let task = &self.tasks[i];
        let process = &self.processes[task.process];
        let limit = task.limit.filter(|_| task.state == State::Asleep).map(|(_, at)| (at, false));
        let heard = process.actions[libc::SIGALRM as usize] == Action::Handler;
        let mine = process.main == i && task.state != State::Gone && heard;
        let alarm = process.alarm.filter(|_| mine).map(|at| (at, true));
        limit.into_iter().chain(alarm).min()
    }

    fn letter(&self, i: usize) -> u8 {
        i.min(MOST - 1) as u8
    }

    fn pid(&self, i: usize) -> i32 {
        self.processes[self.tasks[i].process].pid
    }

    // ---- one move

    fn begin(&mut self, i: usize, mover: Mover, last: Option<Mover>, taken: bool) {
        let process = self.tasks[i].process as u32;
        self.made.reads(Thing::Process(process));
        self.tasks[i].yields = false;
        if mover.time {
            self.made.writes(Thing::Process(process));
            self.made.writes(Thing::Time);
        }
        if self.tell && last.is_some_and(|last| last != mover) {
            self.tell(i, Moment::Turn { taken });
        }
    }

    /// Lets one go on from where it is held to where it is held next, sleeps, or ends.
    fn go(&mut self, i: usize) -> Result<()> {
        match self.tasks[i].state {
            State::Before => {
                let Some(entry) = self.tasks[i].entry else { return Ok(()) };
                if self.tasks[i].signals == self.signals {
                    self.enter(i, entry)?;
                } else {
                    self.rewind(i, &entry)?;
                }
            }
            _ => self.resume(i, libc::PTRACE_CONT, 0),
        }
        if self.over { Ok(()) } else { self.advance(i) }
    }

    /// Puts it back onto the instruction of its call. What is pending is delivered there.
    fn rewind(&mut self, i: usize, entry: &Entry) -> Result<()> {
        let tid = self.tasks[i].tid;
        // One that was killed meanwhile is told by the next wait.
        let _ = registers::skip(tid);
        self.resume(i, libc::PTRACE_SYSCALL, 0);
        if let Some(stop @ (Stop::Ended(_) | Stop::Killed(_))) = self.wait(i, true)? {
            self.tasks[i].early.push_front(stop);
            return Ok(());
        }
        let _ = registers::rewind(tid, entry.number, entry.args[0]);
        self.tasks[i].rewound = true;
        self.resume(i, libc::PTRACE_CONT, 0);
        Ok(())
    }

    /// Follows one until it is held, sleeps, or has ended.
    fn advance(&mut self, i: usize) -> Result<()> {
        let clock = self.processor_time(i);
        loop {
            let stop = self.next(i, clock)?;
            match stop {
                Stop::Entry(entry, at) => {
                    if mem::take(&mut self.tasks[i].rewound) {
                        self.enter(i, entry)?;
                        if self.over {
                            return Ok(());
                        }
                    } else if !self.passes(i, &entry)? {
                        self.hold(i, entry, at);
                        return Ok(());
                    }
                }
                Stop::Exit(result) => {
                    self.left(i, result);
                    if self.is_heard(i, result) {
                        self.tasks[i].state = State::After(result);
                        return Ok(());
                    }
                    self.resume(i, libc::PTRACE_CONT, 0);
                }
                Stop::Signal(signal, from) => self.deliver(i, signal, from),
                Stop::Born(child) => {
                    self.born(i, child)?;
                    self.resume(i, libc::PTRACE_SYSCALL, 0);
                }
                Stop::Exec => {
                    self.exec(i)?;
                    self.resume(i, libc::PTRACE_CONT, 0);
                }
                Stop::Trap if mem::take(&mut self.tasks[i].trap) => {
                    let how = if self.tasks[i].in_call {
                        libc::PTRACE_SYSCALL
                    } else {
                        libc::PTRACE_CONT
                    };
                    self.resume(i, how, 0);
                }
                Stop::Trap => {
                    self.spun(i);
                    return Ok(());
                }
                Stop::Group => {
                    self.tasks[i].state = State::Stopped;
                    self.resume(i, libc::PTRACE_LISTEN, 0);
                    return Ok(());
                }
                Stop::Asleep => {
                    self.tasks[i].state = State::Asleep;
                    if self.tell {
                        self.tell_call(i, None);
                    }
                    return Ok(());
                }
                Stop::Ended(_) | Stop::Killed(_) => return self.ended(i, stop),
            }
        }
    }

    /// Has the call that ended told somebody something, who may act on it before the caller's next
    /// store to memory that both have?
    fn is_heard(&self, i: usize, result: i64) -> bool {
        let task = &self.tasks[i];
        let process = &self.processes[task.process];
        let shares = process.threads > 1 || !process.maps.is_empty();
        let Some(entry) = task.entry.filter(|_| shares && result >= 0) else { return false };
        let Some(row) = syscalls::row(entry.number) else { return false };
        match row.wakes {
            Wakes::Nobody => false,
            Wakes::Waiters | Wakes::Child(_) | Wakes::Addressee(_) => true,
            Wakes::Futex => !row.may_sleep(&entry),
            Wakes::Reader => {
                self.descriptor(i, entry.args[0]).is_some_and(|link| !link.starts_with('/'))
            }
        }
    }

    /// It used its time without a visible call: a loop, or a long computation.
    fn spun(&mut self, i: usize) {
        let task = &mut self.tasks[i];
        task.state = State::Start;
        task.yields = true;
        let alone = self.tasks.iter().enumerate().all(|(j, other)| j == i || !can_move(other));
        let quiet = (0..self.tasks.len()).all(|j| j == i || self.due(j).is_none());
        let task = &mut self.tasks[i];
        let known = task.look.0 == 1;
        task.look = if known && alone && quiet { (1, task.look.1 + 1) } else { (1, 1) };
        if task.look.1 == 1 {
            task.places.clear();
        }
        // The same registers at the same place, again and again: a loop in which nothing changes.
        let place = registers::digest(task.tid).unwrap_or(0);
        match task.places.iter_mut().find(|known| known.0 == place) {
            Some(known) => known.1 += 1,
            None => task.places.push((place, 1)),
        }
        let circle = task.places.iter().any(|known| known.1 >= CIRCLES);
        if self.tell && !known {
            self.tell(i, Moment::Spins);
        }
        if circle || self.tasks[i].look.1 > SPINS {
            self.finding(Finding::Endless { letter: self.letter(i), pid: self.pid(i) });
            self.over = true;
        }
    }

    fn hold(&mut self, i: usize, entry: Entry, at: u64) {
        let task = &mut self.tasks[i];
        task.state = State::Before;
        task.entry = Some(entry);
        task.signals = self.signals;
        self.reads = 0;
        // The same call from the same place, with nothing new: it polls.
        let mut hasher = DefaultHasher::new();
        (entry.number, entry.args, at).hash(&mut hasher);
        let mark = hasher.finish() | 2;
        task.look = if task.look.0 == mark { (mark, task.look.1 + 1) } else { (mark, 0) };
        let sleeps = calls::limit(task.tid, &entry).is_some_and(|limit| limit.sleep);
        task.yields = task.look.1 > 2 && !sleeps;
    }

    /// A call that nobody else can tell from no call: it is made at once. False: it is visible.
    fn passes(&mut self, i: usize, entry: &Entry) -> Result<bool> {
        let (tid, args) = (self.tasks[i].tid, entry.args);
        let Some(row) = syscalls::row(entry.number).filter(|_| !entry.foreign) else {
            self.resume(i, libc::PTRACE_CONT, 0);
            return Ok(true);
        };
        let boring = match row.point {
            Point::Yes => false,
            Point::No | Point::Passes => true,
            Point::IfSet => args[1] == 0,
            Point::Lock => ![libc::F_SETLK, libc::F_SETLKW, libc::F_OFD_SETLK, libc::F_OFD_SETLKW]
                .contains(&(args[1] as c_int)),
            Point::Open { path } => {
                args[path + 1] & (libc::O_CREAT | libc::O_WRONLY | libc::O_RDWR) as u64 == 0
                    && string(tid, args[path], 256).is_some_and(|path| is_everybodys(&path))
            }
            Point::Read | Point::Close => match self.descriptor(i, args[0]) {
                Some(link) if link.starts_with("pipe:") || link.starts_with("socket:") => false,
                Some(link) if link.starts_with("anon_inode") => false,
                Some(link) => row.point == Point::Close || is_everybodys(link.as_bytes()),
                None => true,
            },
            Point::Mapping => {
                self.tasks[i].entry = Some(*entry);
                self.tasks[i].in_call = true;
                self.resume(i, libc::PTRACE_SYSCALL, 0);
                return Ok(true);
            }
            Point::Clock(clock) => return self.clock(i, entry, clock),
        };
        match row.changes {
            Changes::ParentDeath if args[0] as c_int == libc::PR_SET_PDEATHSIG => {
                self.processes[self.tasks[i].process].follows = args[1] as c_int;
            }
            Changes::Group => self.processes[self.tasks[i].process].own_group = true,
            _ => {}
        }
        if boring {
            self.resume(i, libc::PTRACE_CONT, 0);
        }
        Ok(boring)
    }

    /// Answers what time it is: as many nanoseconds as have passed in this run.
    fn clock(&mut self, i: usize, entry: &Entry, how: Clock) -> Result<bool> {
        let which = if how == Clock::Named { entry.args[0] as c_int } else { libc::CLOCK_REALTIME };
        let base = match which {
            libc::CLOCK_REALTIME | libc::CLOCK_REALTIME_COARSE => self.clocks[0],
            libc::CLOCK_MONOTONIC
            | libc::CLOCK_MONOTONIC_COARSE
            | libc::CLOCK_MONOTONIC_RAW
            | libc::CLOCK_BOOTTIME => self.clocks[1],
            _ => {
                self.resume(i, libc::PTRACE_CONT, 0);
                return Ok(true);
            }
        };
        self.made.reads(Thing::Time);
        // Who asks again and again waits for time to pass.
        self.reads += 1;
        self.now += 1000 << self.reads.saturating_sub(64).min(14);
        let time = base + self.now;
        let (seconds, nanos) = (time / 1_000_000_000, time % 1_000_000_000);
        let (at, answer) = match how {
            Clock::Named => (entry.args[1], [seconds, nanos]),
            Clock::Day => (entry.args[0], [seconds, nanos / 1000]),
            Clock::Seconds => (0, [0, 0]),
        };
        let tid = self.tasks[i].tid;
        let _ = registers::skip(tid);
        self.resume(i, libc::PTRACE_SYSCALL, 0);
        if let Some(stop @ (Stop::Ended(_) | Stop::Killed(_))) = self.wait(i, true)? {
            self.tasks[i].early.push_front(stop);
            return Ok(true);
        }
        put(tid, at, &answer);
        let result = if how == Clock::Seconds { seconds as i64 } else { 0 };
        let _ = registers::set_result(tid, result);
        self.resume(i, libc::PTRACE_CONT, 0);
        Ok(true)
    }

    /// Makes the call before which it was held.
    fn enter(&mut self, i: usize, entry: Entry) -> Result<()> {
        self.tasks[i].entry = Some(entry);
        self.touches(i, &entry);
        if let Some(kind) = calls::gets(entry.number) {
            self.world.room.before_get(kind);
        }
        if self.tell {
            self.tasks[i].call = Some(decode::enter(self.tasks[i].tid, &entry));
        }
        if self.over {
            return Ok(());
        }
        let tid = self.tasks[i].tid;
        let row = syscalls::row(entry.number);
        match row.map_or(Changes::Nothing, |row| row.changes) {
            how @ (Changes::Alarm | Changes::Timer) => return self.set_alarm(i, &entry, how),
            Changes::Action => self.action(self.tasks[i].process, tid, &entry.args),
            Changes::Thread | Changes::Process => {
                if self.tell {
                    self.tell_call(i, None);
                }
                let task = &mut self.tasks[i];
                task.in_call = false;
                self.resume(i, libc::PTRACE_CONT, 0);
                return Ok(());
            }
            _ => {}
        }
        let flags = syscalls::clone_flags(tid, &entry);
        self.tasks[i].vfork = flags & libc::CLONE_VFORK as u64 != 0;
        if !self.tell && self.is_plain(i, &entry) {
            self.tasks[i].in_call = false;
            self.resume(i, libc::PTRACE_CONT, 0);
            return Ok(());
        }
        self.limit(i, &entry);
        self.tasks[i].in_call = true;
        self.resume(i, libc::PTRACE_SYSCALL, 0);
        Ok(())
    }

    /// A call that cannot sleep, and whose answer nobody but the caller needs.
    fn is_plain(&self, i: usize, entry: &Entry) -> bool {
        match syscalls::row(entry.number).map_or(Follow::Yes, |row| row.follow) {
            Follow::Yes => false,
            Follow::No => true,
            Follow::NotToNull => {
                self.descriptor(i, entry.args[0]).is_some_and(|link| link == "/dev/null")
            }
        }
    }

    /// Its wait ends when we say so, and not by the machine's clock.
    fn limit(&mut self, i: usize, entry: &Entry) {
        let tid = self.tasks[i].tid;
        let Some(limit) = calls::limit(tid, entry) else { return };
        let at = match limit.until {
            None => self.now.saturating_add(limit.length),
            Some(libc::CLOCK_REALTIME) => limit.length.saturating_sub(self.clocks[0]),
            Some(_) => limit.length.saturating_sub(self.clocks[1]),
        };
        if at <= self.now {
            return;
        }
        if limit.sleep {
            let Ok(scratch) = registers::scratch(tid) else { return };
            put(tid, scratch, &[1 << 32, 0]);
            let _ = registers::set_argument(tid, limit.argument, scratch);
            if let Some(flags) = limit.flags {
                let _ = registers::set_argument(tid, flags, 0);
            }
        } else {
            let for_ever = if limit.unit == Unit::Millis { u64::MAX } else { 0 };
            let _ = registers::set_argument(tid, limit.argument, for_ever);
        }
        self.tasks[i].limit = Some((limit, at));
    }

    /// A call has ended: what that means for others, and what is told of it.
    fn left(&mut self, i: usize, result: i64) {
        let Some(entry) = self.tasks[i].entry else { return };
        let (tid, process) = (self.tasks[i].tid, self.tasks[i].process);
        self.tasks[i].in_call = false;
        self.tasks[i].vfork = false;
        if let Some((limit, _)) = self.tasks[i].limit.take() {
            let _ = registers::set_argument(tid, limit.argument, limit.value);
            if let Some(flags) = limit.flags {
                let _ = registers::set_argument(tid, flags, entry.args[flags]);
            }
        }
        let args = entry.args;
        if let Some(kind) = calls::gets(entry.number).filter(|_| result >= 0) {
            self.world.room.after_get(kind, result as c_int);
        }
        let Some(row) = syscalls::row(entry.number) else { return };
        let done = !(-4095..0).contains(&result);
        match (row.object, row.changes) {
            (Object::Attach, _) if done => self.attached(i, args[0] as i32, result as u64),
            (Object::Detach, _) if done => {
                self.processes[process].maps.retain(|map| map.start != args[0]);
            }
            (_, Changes::Mapping) if done => {
                let births = &mut self.tasks[i].births;
                *births += 1;
                let memory =
                    1 << 40 | u64::from(self.tasks[i].id) << 16 | u64::from(self.tasks[i].births);
                let map = Map { start: result as u64, len: args[1] as usize, memory };
                if args[2] & libc::PROT_WRITE as u64 != 0 {
                    self.processes[process].maps.push(map);
                }
                return;
            }
            (_, Changes::Pipe) if done => {
                let ends: Option<[i32; 2]> = record(tid, args[0]);
                let link = ends.and_then(|ends| self.descriptor(i, ends[0] as u64));
                self.tasks[i].births += 1;
                let name = u64::from(self.tasks[i].id) << 16 | u64::from(self.tasks[i].births);
                link.map(|link| self.pipes.insert(link, name));
            }
            _ if row.makes_child() && result > 0 => {
                let newest =
                    self.processes.iter_mut().rev().find(|child| child.parent == Some(process));
                if let Some(child) = newest.filter(|child| child.pid == 0) {
                    child.pid = result as i32;
                }
            }
            _ => {}
        }
        self.judge_call(i, &entry, result);
        if self.tell {
            self.tell_call(i, Some(result));
        }
    }

    fn attached(&mut self, i: usize, id: i32, start: u64) {
        // SAFETY: IPC_STAT fills one record, in the namespace that we share with the program.
        let mut ds: libc::shmid_ds = unsafe { mem::zeroed() };
        // SAFETY: see above.
        let found = unsafe { libc::shmctl(id, libc::IPC_STAT, &mut ds) } == 0;
        let len = if found { ds.shm_segsz } else { usize::MAX };
        let map = Map { start, len, memory: id as u64 };
        self.processes[self.tasks[i].process].maps.push(map);
    }

    fn action(&mut self, process: usize, tid: Tid, args: &[u64; 6]) {
        let handler: Option<u64> = record(tid, args[1]);
        let action = match handler {
            Some(0) => Action::Default,
            Some(1) => Action::Ignore,
            _ => Action::Handler,
        };
        if let Some(known) = self.processes[process].actions.get_mut(args[0] as usize) {
            *known = action;
        }
    }

    /// alarm and setitimer: the alarm is ours to send.
    fn set_alarm(&mut self, i: usize, entry: &Entry, how: Changes) -> Result<()> {
        let (tid, process) = (self.tasks[i].tid, self.tasks[i].process);
        let length = match how {
            Changes::Alarm => Some(entry.args[0] * 1_000_000_000),
            _ if entry.args[0] as c_int != libc::ITIMER_REAL => None,
            _ => calls::timer(tid, entry.args[1]),
        };
        let Some(length) = length else {
            self.tasks[i].in_call = true;
            self.resume(i, libc::PTRACE_SYSCALL, 0);
            return Ok(());
        };
        let before = self.processes[process].alarm.map_or(0, |at| at.saturating_sub(self.now));
        self.processes[process].alarm = (length > 0).then(|| self.now + length);
        let _ = registers::skip(tid);
        self.resume(i, libc::PTRACE_SYSCALL, 0);
        if let Some(stop @ (Stop::Ended(_) | Stop::Killed(_))) = self.wait(i, true)? {
            self.tasks[i].early.push_front(stop);
            return Ok(());
        }
        let result = if how == Changes::Alarm { before.div_ceil(1_000_000_000) } else { 0 };
        if how == Changes::Timer && entry.args[2] != 0 {
            put(tid, entry.args[2], &[0, 0, before / 1_000_000_000, before / 1000 % 1_000_000]);
        }
        let _ = registers::set_result(tid, result as i64);
        if self.tell {
            self.tell_call(i, Some(result as i64));
        }
        self.resume(i, libc::PTRACE_CONT, 0);
        Ok(())
    }

    /// Time passes for one: its sleep or its wait reaches its limit, or its alarm goes off.
    fn time(&mut self, i: usize) -> Result<()> {
        let Some((at, alarm)) = self.due(i) else { return Ok(()) };
        self.now = self.now.max(at);
        if self.tell {
            self.tell(i, Moment::Time { alarm });
        }
        let (tid, process) = (self.tasks[i].tid, self.tasks[i].process);
        if alarm {
            self.processes[process].alarm = None;
            self.signals += 1;
            // SAFETY: a tracee that we have not reaped: the number is its own.
            unsafe { libc::kill(self.processes[process].tgid, libc::SIGALRM) };
            return Ok(());
        }
        let answer = self.tasks[i].limit.map_or(0, |(limit, _)| limit.answer);
        request(libc::PTRACE_INTERRUPT, tid, 0);
        self.tasks[i].trap = true;
        match self.wait(i, true)? {
            Some(Stop::Exit(_)) => {
                let _ = registers::set_result(tid, answer);
                self.left(i, answer);
                self.resume(i, libc::PTRACE_CONT, 0);
                self.advance(i)
            }
            Some(stop) => {
                self.tasks[i].early.push_front(stop);
                self.advance(i)
            }
            None => Ok(()),
        }
    }

    // ---- what happens to processes

    fn deliver(&mut self, i: usize, signal: c_int, from: Option<Tid>) {
        let process = &mut self.processes[self.tasks[i].process];
        let action = process.actions.get(signal as usize).copied().unwrap_or(Action::Default);
        let ignored = ignores(action, signal);
        if !ignored {
            self.tasks[i].rewound = false;
            process.last_signal = Some(signal);
        }
        if self.tell && !(ignored && signal == libc::SIGCHLD) {
            let from = from.and_then(|from| self.processes.iter().position(|one| one.tgid == from));
            let from = from.map(|from| self.letter(self.processes[from].main));
            let handler = action == Action::Handler;
            self.tell(i, Moment::Signal { signal, from, handler, ignored });
        }
        let how = if self.tasks[i].in_call { libc::PTRACE_SYSCALL } else { libc::PTRACE_CONT };
        self.resume(i, how, signal);
    }

    fn born(&mut self, i: usize, child: Tid) -> Result<()> {
        let entry = self.tasks[i].entry;
        let flags = entry.map_or(0, |entry| syscalls::clone_flags(self.tasks[i].tid, &entry));
        let parent = self.tasks[i].process;
        let mut path = self.tasks[i].path.clone();
        path.push(self.tasks[i].births);
        self.tasks[i].births += 1;
        let process = if flags & libc::CLONE_THREAD as u64 != 0 {
            self.processes[parent].threads += 1;
            parent
        } else {
            let one = &self.processes[parent];
            let vfork = flags & libc::CLONE_VM as u64 != 0;
            let pid = if vfork { self.number_in_room(child) } else { 0 };
            let born = Process {
                tgid: child,
                pid,
                parent: Some(parent),
                main: self.tasks.len(),
                actions: one.actions,
                maps: one.maps.clone(),
                alarm: None,
                follows: 0,
                own_group: one.own_group,
                threads: 1 + u32::from(vfork),
                end: None,
                last_signal: None,
            };
            self.processes.push(born);
            self.processes.len() - 1
        };
        let new = self.add(child, process, path);
        loop {
            match self.wait(new, true)? {
                Some(Stop::Trap) => break,
                Some(stop @ (Stop::Ended(_) | Stop::Killed(_))) => return self.ended(new, stop),
                _ => self.resume(new, libc::PTRACE_CONT, 0),
            }
        }
        Ok(())
    }

    fn number_in_room(&self, tid: Tid) -> i32 {
        let status = self.world.room.text(&format!("{tid}/status"));
        let line = status.lines().find_map(|line| line.strip_prefix("NSpid:"));
        line.and_then(|line| line.split_whitespace().last()?.parse().ok()).unwrap_or(0)
    }

    fn exec(&mut self, i: usize) -> Result<()> {
        let index = self.tasks[i].process;
        let process = &mut self.processes[index];
        process.maps.clear();
        process.threads = 1;
        for action in &mut process.actions {
            if *action == Action::Handler {
                *action = Action::Default;
            }
        }
        let task = &mut self.tasks[i];
        task.in_call = false;
        task.limit = None;
        if self.tell {
            self.tell_call(i, Some(0));
        }
        // Other threads are gone, without a word.
        for j in 0..self.tasks.len() {
            if j != i && self.tasks[j].process == index && self.tasks[j].state != State::Gone {
                self.tasks[j].state = State::Gone;
            }
        }
        self.no_vdso(i);
        Ok(())
    }

    /// Without the vDSO a program asks the kernel what time it is, so that we can answer.
    fn no_vdso(&self, i: usize) {
        const SYSINFO: u64 = 33;
        let tid = self.tasks[i].tid;
        let path = format!("{tid}/auxv");
        let text = self.world.room.open(&path).map(|mut file| {
            let mut raw = vec![];
            let _ = std::io::Read::read_to_end(&mut file, &mut raw);
            raw
        });
        let text = text.unwrap_or_default();
        let Ok(stack) = ptrace::getregs(Pid::from_raw(tid)) else { return };
        // The auxiliary vector stands on the stack, after the arguments and the environment.
        let mut at = stack.rsp;
        let words = |at: u64| record::<u64>(tid, at).unwrap_or(0);
        let argc = words(at);
        at += 8 * (argc + 2);
        let mut page = [0_u8; 8192];
        let mut got = fill(tid, at, &mut page);
        let word = |page: &[u8], i: usize| {
            u64::from_ne_bytes(page[i * 8..i * 8 + 8].try_into().unwrap_or_default())
        };
        let mut n = 0;
        loop {
            if (n + 1) * 8 > got {
                at += got as u64;
                got = fill(tid, at, &mut page);
                n = 0;
                if got < 8 {
                    return;
                }
            }
            n += 1;
            if word(&page, n - 1) == 0 {
                break;
            }
        }
        at += 8 * n as u64;
        for pair in 0..text.len() / 16 {
            if word(&text, pair * 2) == SYSINFO {
                put(tid, at + 16 * pair as u64, &[1]);
            }
        }
    }

    /// A thread has ended, or its whole process.
    fn ended(&mut self, i: usize, stop: Stop) -> Result<()> {
        let index = self.tasks[i].process;
        self.tasks[i].state = State::Gone;
        self.tasks[i].in_call = false;
        let alone =
            !self.tasks.iter().any(|task| task.process == index && task.state != State::Gone);
        let row = self.tasks[i].entry.and_then(|entry| syscalls::row(entry.number));
        let thread = row.is_some_and(|row| row.changes == Changes::Thread);
        if !alone && thread && matches!(stop, Stop::Ended(_)) {
            self.made.writes(Thing::Futexes);
            return Ok(());
        }
        let (end, moment) = match stop {
            Stop::Killed(signal) => (names::signal(signal), Moment::Killed { signal }),
            Stop::Ended(code) => (code.to_string(), Moment::Exit { code }),
            _ => return Ok(()),
        };
        for j in 0..self.tasks.len() {
            if self.tasks[j].process == index && self.tasks[j].state != State::Gone {
                self.reap(j)?;
            }
        }
        if self.tell {
            self.tell(i, moment);
        }
        let process = &mut self.processes[index];
        process.alarm = None;
        process.end = Some(end);
        let maps = mem::take(&mut process.maps);
        let parent = process.parent;
        self.made.writes(Thing::Process(index as u32));
        self.made.writes(Thing::Descriptors);
        self.made.writes(Thing::Futexes);
        maps.iter().for_each(|map| self.made.writes(Thing::Shm(map.memory as i32)));
        self.signals += 1;
        if let Some(parent) = parent {
            self.made.writes(Thing::Children(parent as u32));
            if self.processes[parent].actions[libc::SIGCHLD as usize] == Action::Handler {
                self.made.writes(Thing::Process(parent as u32));
            }
        }
        if let Stop::Killed(signal) = stop {
            self.judge_death(i, signal);
        }
        // Who dies with its parent is dying now.
        for child in 0..self.processes.len() {
            let one = &self.processes[child];
            if one.parent == Some(index) && one.end.is_none() && one.follows != 0 {
                let (main, follows) = (one.main, one.follows);
                self.made.writes(Thing::Process(child as u32));
                if follows == libc::SIGKILL {
                    self.await_death(main)?;
                }
            }
        }
        Ok(())
    }

    /// Waits for one whose whole process is ending.
    fn reap(&mut self, j: usize) -> Result<()> {
        while self.tasks[j].state != State::Gone {
            match self.wait(j, true)? {
                None | Some(Stop::Ended(_) | Stop::Killed(_)) => self.tasks[j].state = State::Gone,
                _ => self.resume(j, libc::PTRACE_CONT, 0),
            }
        }
        Ok(())
    }

    /// Waits for one that SIGKILL was sent to.
    fn await_death(&mut self, i: usize) -> Result<()> {
        let process = self.tasks[i].process;
        let others: Vec<usize> =
            (0..self.tasks.len()).filter(|&j| j != i && self.tasks[j].process == process).collect();
        for j in others {
            self.reap(j)?;
        }
        if self.tasks[i].state == State::Gone {
            return Ok(());
        }
        let stop = loop {
            match self.wait(i, true)? {
                Some(stop @ (Stop::Ended(_) | Stop::Killed(_))) => break stop,
                None => break Stop::Killed(libc::SIGKILL),
                _ => self.resume(i, libc::PTRACE_CONT, 0),
            }
        };
        self.ended(i, stop)
    }

    // ---- who has been woken

    /// After a move: who slept and was woken by it is held, who sleeps on is asleep for certain.
    fn settle(&mut self) -> Result<()> {
        for i in 0..self.tasks.len() {
            while matches!(self.tasks[i].state, State::Asleep | State::Stopped) {
                match self.wait(i, false)? {
                    Some(stop) => self.woken(i, stop)?,
                    // Asleep, and nothing has come meanwhile: no wake-up is on its way.
                    None if self.sleeps(i) => match self.wait(i, false)? {
                        Some(stop) => self.woken(i, stop)?,
                        None => break,
                    },
                    None => {
                        // SAFETY: it takes nothing.
                        unsafe { libc::sched_yield() };
                    }
                }
            }
        }
        Ok(())
    }

    fn woken(&mut self, i: usize, stop: Stop) -> Result<()> {
        match stop {
            Stop::Exit(result) if RESTART.contains(&result) && self.only_ignored(i) => {
                // A signal that it ignores: without us it would not even have been woken.
                self.sleep_on(i)
            }
            Stop::Exit(result) => {
                self.left(i, result);
                self.tasks[i].state = State::After(result);
                self.tasks[i].look = (0, 0);
                Ok(())
            }
            Stop::Ended(_) | Stop::Killed(_) => self.ended(i, stop),
            Stop::Signal(signal, from) => {
                self.deliver(i, signal, from);
                Ok(())
            }
            Stop::Trap if self.tasks[i].state == State::Stopped => {
                self.tasks[i].state = State::Start;
                Ok(())
            }
            Stop::Group => {
                self.tasks[i].state = State::Stopped;
                self.resume(i, libc::PTRACE_LISTEN, 0);
                Ok(())
            }
            _ => {
                let how =
                    if self.tasks[i].in_call { libc::PTRACE_SYSCALL } else { libc::PTRACE_CONT };
                self.resume(i, how, 0);
                Ok(())
            }
        }
    }

    /// Is every signal that interrupted it one that it ignores?
    fn only_ignored(&self, i: usize) -> bool {
        let task = &self.tasks[i];
        let status = self.world.room.text(&format!("{}/status", task.tid));
        let mask = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            line.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0)
        };
        let open = (mask("SigPnd:") | mask("ShdPnd:")) & !mask("SigBlk:");
        let actions = &self.processes[task.process].actions;
        let due = |signal: &c_int| open >> (signal - 1) & 1 == 1;
        (1..=64).filter(due).all(|signal| ignores(actions[signal as usize], signal))
    }

    /// Sees one through the kernel's restart of its call, back to sleep.
    fn sleep_on(&mut self, i: usize) -> Result<()> {
        let Some(entry) = self.tasks[i].entry else { return Ok(()) };
        if let Some((limit, _)) = self.tasks[i].limit {
            let tid = self.tasks[i].tid;
            let _ = registers::set_argument(tid, limit.argument, limit.value);
            if let Some(flags) = limit.flags {
                let _ = registers::set_argument(tid, flags, entry.args[flags]);
            }
        }
        self.resume(i, libc::PTRACE_CONT, 0);
        loop {
            match self.wait(i, true)? {
                Some(Stop::Signal(signal, _)) => self.resume(i, libc::PTRACE_CONT, signal),
                Some(Stop::Entry(again, _)) => {
                    let deadline = self.tasks[i].limit.map(|(_, at)| at);
                    self.limit(i, &again);
                    if let (Some((_, at)), Some(before)) = (&mut self.tasks[i].limit, deadline) {
                        *at = before;
                    }
                    self.resume(i, libc::PTRACE_SYSCALL, 0);
                    return Ok(());
                }
                Some(stop @ (Stop::Ended(_) | Stop::Killed(_))) => return self.ended(i, stop),
                Some(_) => self.resume(i, libc::PTRACE_CONT, 0),
                None => return Ok(()),
            }
        }
    }

    // ---- waiting

    /// The next stop of one that moves, or that it sleeps.
    fn next(&mut self, i: usize, clock: i64) -> Result<Stop> {
        let entry = self.tasks[i].entry.filter(|_| self.tasks[i].in_call);
        let may_sleep = entry.is_some_and(|entry| calls::may_sleep(&entry));
        let process = self.tasks[i].process;
        let threads =
            self.tasks.iter().filter(|task| task.process == process && task.state != State::Gone);
        let threads = threads.count() > 1;
        if !may_sleep && !threads {
            loop {
                if let Some(stop) = self.wait_or_tick(i)? {
                    return Ok(stop);
                }
                self.interrupt_if_it_spins(i, clock)?;
            }
        }
        loop {
            // SAFETY: it takes nothing.
            unsafe { libc::sched_yield() };
            if let Some(stop) = self.wait(i, false)? {
                return Ok(stop);
            }
            if threads {
                self.hear_siblings(i)?;
                if self.is_zombie(i) {
                    return Ok(Stop::Ended(0));
                }
            }
            if may_sleep && self.sleeps(i) {
                return Ok(self.wait(i, false)?.unwrap_or(Stop::Asleep));
            }
            if !may_sleep {
                self.interrupt_if_it_spins(i, clock)?;
            }
        }
    }

    /// A thread that ends its process takes the others along, and the main thread's end is only told
    /// after theirs.
    fn hear_siblings(&mut self, i: usize) -> Result<()> {
        for j in 0..self.tasks.len() {
            if j == i || self.tasks[j].process != self.tasks[i].process {
                continue;
            }
            if self.tasks[j].state == State::Gone || !self.tasks[j].early.is_empty() {
                continue;
            }
            match self.wait(j, false)? {
                Some(Stop::Ended(_) | Stop::Killed(_)) => self.tasks[j].state = State::Gone,
                Some(stop) => self.tasks[j].early.push_back(stop),
                None => {}
            }
        }
        Ok(())
    }

    /// A main thread that has ended before the others. (Any other that has is told of by the next
    /// wait, and has to be: the main thread's end is only told after theirs.)
    fn is_zombie(&mut self, i: usize) -> bool {
        let main = self.processes[self.tasks[i].process].main == i;
        let thread_end = self.tasks[i].entry.is_some_and(|entry| entry.number == libc::SYS_exit);
        main && thread_end && self.state_of(i) == b'Z'
    }

    fn interrupt_if_it_spins(&mut self, i: usize, clock: i64) -> Result<()> {
        if let Some(signal) = asked::to_stop() {
            return Err(Trouble::Signal(signal));
        }
        if self.processor_time(i) - clock > SPIN * 1_000_000 {
            request(libc::PTRACE_INTERRUPT, self.tasks[i].tid, 0);
        }
        Ok(())
    }

    /// Processor time that a process has used, in nanoseconds.
    fn processor_time(&self, i: usize) -> i64 {
        let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        let tgid = self.processes[self.tasks[i].process].tgid;
        // SAFETY: writes one timespec. The number of a process's clock: clock_getcpuclockid(3).
        unsafe { libc::clock_gettime((!tgid) << 3 | 2, &mut time) };
        time.tv_sec * 1_000_000_000 + time.tv_nsec
    }

    /// Does it sleep until somebody wakes it? The state alone does not tell: one that is on its way to
    /// sleep, and may yet change its mind, is `S` already. To say in which call it is, the kernel waits
    /// until it has left the run queue: then it is asleep, until somebody's wake-up makes it `R`.
    fn sleeps(&mut self, i: usize) -> bool {
        let looks = match self.state_of(i) {
            b'S' => true,
            b'D' => self.tasks[i].vfork,
            b'T' | b't' => return self.tasks[i].state == State::Stopped,
            _ => false,
        };
        looks && {
            let tid = self.tasks[i].tid;
            if self.tasks[i].syscall.is_none() {
                self.tasks[i].syscall = self.world.room.open(&format!("{tid}/syscall"));
            }
            let mut text = [0; 8];
            let call = self.tasks[i].syscall.as_ref();
            let got = call.map_or(0, |file| file.read_at(&mut text, 0).unwrap_or(0));
            got > 0 && text[0].is_ascii_digit()
        }
    }

    /// The letter that /proc has for its state. One that a call of ours has just woken is `R` from
    /// that moment on, whether it has run since or not.
    fn state_of(&mut self, i: usize) -> u8 {
        let tid = self.tasks[i].tid;
        if self.tasks[i].stat.is_none() {
            self.tasks[i].stat = self.world.room.open(&format!("{tid}/stat"));
        }
        let mut text = [0; 64];
        let stat = self.tasks[i].stat.as_ref();
        let got = stat.map_or(0, |file| file.read_at(&mut text, 0).unwrap_or(0));
        let end = text[..got].iter().rposition(|&byte| byte == b')');
        end.and_then(|end| text.get(end + 2)).copied().unwrap_or(b'X')
    }

    /// `None`: some time has passed.
    fn wait_or_tick(&mut self, i: usize) -> Result<Option<Stop>> {
        match self.poll(i, true) {
            Err(Errno::EINTR) => Ok(None),
            answer => answer.map_err(Trouble::of("waitpid")),
        }
    }

    /// Waits for a stop of one task; `None`: there is none yet.
    fn wait(&mut self, i: usize, block: bool) -> Result<Option<Stop>> {
        loop {
            match (self.poll(i, block), asked::to_stop()) {
                (Err(Errno::EINTR), None) => {}
                (Err(Errno::EINTR), Some(signal)) => return Err(Trouble::Signal(signal)),
                (answer, _) => return answer.map_err(Trouble::of("waitpid")),
            }
        }
    }

    fn poll(&mut self, i: usize, block: bool) -> nix::Result<Option<Stop>> {
        if let Some(stop) = self.tasks[i].early.pop_front() {
            return Ok(Some(stop));
        }
        let tid = self.tasks[i].tid;
        let options = libc::__WALL | if block { 0 } else { libc::WNOHANG };
        loop {
            let mut status = 0;
            // SAFETY: waitpid writes one int.
            match Errno::result(unsafe { libc::waitpid(tid, &mut status, options) }) {
                Ok(0) => return Ok(None),
                // Another thread's exec has taken it away.
                Err(Errno::ECHILD) => return Ok(Some(Stop::Killed(libc::SIGKILL))),
                answer => answer?,
            };
            if let Some(stop) = stop_of(tid, status) {
                return Ok(Some(stop));
            }
        }
    }

    fn resume(&self, i: usize, how: libc::c_uint, signal: c_int) {
        request(how, self.tasks[i].tid, signal as usize);
    }

    /// Everybody who is left ends now, whoever asks us to stop meanwhile.
    fn clear(&mut self) -> Result<()> {
        for process in self.processes.iter().filter(|process| process.end.is_none()) {
            // SAFETY: a tracee that we have not reaped: the number is its own.
            unsafe { libc::kill(process.tgid, libc::SIGKILL) };
        }
        // The main thread's end is told last.
        let mut order: Vec<usize> = (0..self.tasks.len()).collect();
        order.sort_by_key(|&i| self.processes[self.tasks[i].process].main == i);
        for i in order {
            let process = self.tasks[i].process;
            let main = self.processes[process].main == i && self.processes[process].end.is_none();
            if self.tasks[i].state == State::Gone && !main {
                continue;
            }
            self.tasks[i].early.clear();
            if !starter::reap(self.tasks[i].tid) {
                let place = starter::whereabouts(self.tasks[i].tid);
                let why = format!("SIGKILL was sent and does not end it: {place}");
                return Err(Trouble::because(why));
            }
        }
        Ok(())
    }
}

fn can_move(task: &Task) -> bool {
    matches!(task.state, State::Start | State::Before | State::After(_))
}

fn ignores(action: Action, signal: c_int) -> bool {
    let harmless = [libc::SIGCHLD, libc::SIGCONT, libc::SIGURG, libc::SIGWINCH].contains(&signal);
    action == Action::Ignore || action == Action::Default && harmless
}

/// Files that programs find and do not change.
fn is_everybodys(path: &[u8]) -> bool {
    let heads: [&[u8]; 9] = [
        b"/lib",
        b"/usr/",
        b"/etc/",
        b"/sys/",
        b"/dev/null",
        b"/dev/urandom",
        b"/proc/self/",
        b"/proc/thread-self/",
        b"/proc/sys/",
    ];
    // Wherever the loader looks for a library.
    let library = path.windows(3).any(|part| part == b".so");
    library || heads.iter().any(|head| path.starts_with(head))
}

/// Writes numbers into a tracee's memory.
fn put(tid: Tid, at: u64, words: &[u64]) {
    if at == 0 {
        return;
    }
    let raw: Vec<u8> = words.iter().flat_map(|word| word.to_ne_bytes()).collect();
    let remote = [RemoteIoVec { base: at as usize, len: raw.len() }];
    // A bad address is the program's own affair: the call would have failed with EFAULT.
    let _ = process_vm_writev(Pid::from_raw(tid), &[std::io::IoSlice::new(&raw)], &remote);
}

fn request(request: libc::c_uint, tid: Tid, data: usize) {
    // SAFETY: these requests take a number, and touch no memory of ours. One that fails was killed,
    // which the next wait will tell.
    unsafe { libc::ptrace(request, tid, ptr::null_mut::<c_void>(), data) };
}

/// `None`: it has died since, which the next wait will tell.
fn stop_of(tid: Tid, status: c_int) -> Option<Stop> {
    if libc::WIFEXITED(status) {
        return Some(Stop::Ended(libc::WEXITSTATUS(status)));
    }
    if libc::WIFSIGNALED(status) {
        return Some(Stop::Killed(libc::WTERMSIG(status)));
    }
    let (signal, event, pid) = (libc::WSTOPSIG(status), status >> 16, Pid::from_raw(tid));
    match event {
        0 if signal == libc::SIGTRAP | 0x80 => call_stop(pid),
        libc::PTRACE_EVENT_SECCOMP => call_stop(pid),
        0 => {
            let info = ptrace::getsiginfo(pid).ok()?;
            let (code, from, _) = crate::tracer::sender(&info);
            Some(Stop::Signal(signal, (code <= 0).then_some(from)))
        }
        libc::PTRACE_EVENT_FORK | libc::PTRACE_EVENT_VFORK | libc::PTRACE_EVENT_CLONE => {
            Some(Stop::Born(ptrace::getevent(pid).ok()? as Tid))
        }
        libc::PTRACE_EVENT_EXEC => Some(Stop::Exec),
        libc::PTRACE_EVENT_STOP if signal != libc::SIGTRAP => Some(Stop::Group),
        _ => Some(Stop::Trap),
    }
}

fn call_stop(pid: Pid) -> Option<Stop> {
    let info = ptrace::syscall_info(pid).ok()?;
    // SAFETY: op says which of the union's members the kernel filled.
    unsafe {
        let (number, args) = match info.op {
            libc::PTRACE_SYSCALL_INFO_ENTRY => (info.u.entry.nr, info.u.entry.args),
            libc::PTRACE_SYSCALL_INFO_SECCOMP => (info.u.seccomp.nr, info.u.seccomp.args),
            libc::PTRACE_SYSCALL_INFO_EXIT => return Some(Stop::Exit(info.u.exit.sval)),
            _ => return Some(Stop::Trap),
        };
        let foreign = info.arch != registers::ARCH || number & registers::FOREIGN != 0;
        let place = info.instruction_pointer ^ info.stack_pointer.rotate_left(32);
        Some(Stop::Entry(Entry { number: number as i64, args, foreign }, place))
    }
}

mod judge;
