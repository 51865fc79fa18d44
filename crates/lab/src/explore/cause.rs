//! The moment that decided a bad run, and the cure: what an answer says beyond what is wrong.

use std::fmt;

use libc::c_int;

use super::schedule::letter;
use super::verdict::{Asleep, Finding, Kind, Line, Moment, Sleeper, Story, as_in_c, word};
use crate::event::{Call, Command, Operation};
use crate::syscalls;
use crate::syscalls::cells::{LetsIn, Object, Sleep};
use crate::tracer::names;

/// What helps against a finding, and which section of the workbook shows it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Cure {
    pub what: &'static str,
    pub section: &'static str,
    /// A step of its lab and its note; 0: the section as a whole.
    pub step: u32,
}

impl fmt::Display for Cure {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{}: section {}", self.what, self.section)?;
        if self.step > 0 { write!(f, ", step {}", self.step) } else { Ok(()) }
    }
}

const fn cure(what: &'static str, section: &'static str, step: u32) -> Cure {
    Cure { what, section, step }
}

const BLOCK: Cure = cure("block it before fork, wait in sigsuspend", "4.8", 9);
const BLOCK_IN_BOTH: Cure = cure(
    "block it before the other can know the pid, let it in only by ppoll or sigsuspend",
    "4.9",
    9,
);
const COUNT: Cure =
    cure("count in shared memory; a pending signal is one, however often it was sent", "4.8", 12);
const WAIT_FOR_ITS_END: Cure =
    cure("wait for the end of the other process, too: SIGCHLD, or its pidfd in ppoll", "4.9", 8);
const TRY_AGAIN: Cure =
    cure("a client that comes first tries again until the server is there", "4.9", 1);
const ANOTHER_THREAD: Cure =
    cure("wake a thread by a semaphore or a futex; a signal may go to any thread", "4.10", 7);
const POST_FIRST: Cure = cure("one of them must post before it waits", "4.10", 0);
const SAME_ORDER: Cure = cure("take the semaphores in the same order everywhere", "4.10", 0);
const POST_ALWAYS: Cure = cure(
    "post on every path to the end; with SEM_UNDO the kernel gives back what was taken",
    "4.10",
    0,
);
const TYPES: Cure = cure("give each receiver a message type of its own", "4.1", 3);
const CLOSE_ENDS: Cure =
    cure("close each end of a pipe that a process does not use, right after fork", "4.2", 3);
const PREDICATE: Cure = cure(
    "check and change the condition while holding the mutex, and check it before the wait",
    "4.10",
    0,
);
const NO_LOCK_IN_HANDLER: Cure =
    cure("take no lock in a handler: store to a flag, post a semaphore, or call write", "4.10", 0);
const TELL_FIRST: Cure = cure("one of them must wake the other before it waits", "4.8", 4);
const GO_ON: Cure =
    cure("a stopped process goes on with SIGCONT; wait with a limit, and say so", "4.9", 8);
const HANDLER_FIRST: Cure = cure("install the handler before fork", "4.8", 6);
const HANDLER_IN_BOTH: Cure =
    cure("install the handler before the other can know the pid", "4.9", 9);
const CHECK_SHMAT: Cure =
    cure("compare the result of shmat with (void *)-1 before it is used as an address", "4.5", 6);
const NOT_AFTER_SHMDT: Cure =
    cure("use no pointer into the segment after shmdt; attach the segment again", "4.6", 3);
const NOT_READ_ONLY: Cure = cure("attach without SHM_RDONLY in order to write", "4.5", 4);
const IN_THE_SEGMENT: Cure =
    cure("stay within the segment: nothing guards what follows its last page", "4.5", 2);
const MAPPED: Cure = cure("access only memory that is mapped, and for this access", "4.5", 2);
const ONE_STEP: Cure =
    cure("check and act in one call: IPC_CREAT|IPC_EXCL, or O_CREAT|O_EXCL", "4.4", 3);
const LET_IT_WAIT: Cure = cure(
    "let the one wait until the other has told it: block the signal, wait in sigsuspend",
    "4.8",
    9,
);
const CHECK_ANSWERS: Cure = cure("check the result of each call before it is used", "4.4", 2);
const ONE_REMOVES: Cure = cure("let one process remove it: the one that ends last", "4.7", 7);
const ATTACH_FIRST: Cure =
    cure("remove it when all have attached it: the memory stays until the last detach", "4.7", 4);
const REMOVE_QUEUE_LAST: Cure = cure("remove the queue when no process uses it any more", "4.1", 4);
const REMOVE_SET_LAST: Cure =
    cure("remove the semaphores when no process uses them any more", "4.2", 3);
const REMOVE: Cure =
    cure("remove it on every path; best as soon as all have attached it", "4.7", 4);
const CHECK_PID: Cure = cure(
    "check a pid before it gets a signal: above 0, alive, and a process that has the segment",
    "4.9",
    3,
);
const SLEEP_FOR_A_TURN: Cure =
    cure("change a turn only when it is yours, and sleep while it is not", "4.10", 2);

/// What is known of the cause of a finding.
pub struct Cause {
    /// The line that decided, and why.
    pub decides: Option<(usize, String)>,
    pub cure: Cure,
}

/// A line of the story, and what is to be said of it.
type Decides = Option<(usize, String)>;

/// Looks for the cause of a finding in the story of its run.
pub fn of(story: &Story, finding: &Finding) -> Cause {
    let end = story.len().checked_sub(1);
    let (decides, cure) = match finding {
        Finding::Deadlock { sleepers } => deadlock(story, sleepers),
        Finding::NoHandler { letter: one, signal, pid } => {
            let why = format!(
                "{} is delivered to {}, which has no handler for it yet",
                names::signal(*signal),
                letter(*one)
            );
            let cure = if is_related(story, *pid) { HANDLER_FIRST } else { HANDLER_IN_BOTH };
            (delivered_last(story, *one, *signal).map(|at| (at, why)), cure)
        }
        Finding::Crash { letter, signal, .. } => crash(story, *letter, *signal),
        Finding::RemovedTwice { by, id, kind, .. } => {
            (removal(story, *kind, *id, *by), ONE_REMOVES)
        }
        Finding::DeadId { by, id, kind, .. } => {
            let cure = match kind {
                Kind::Shm => ATTACH_FIRST,
                Kind::Msg => REMOVE_QUEUE_LAST,
                Kind::Sem => REMOVE_SET_LAST,
            };
            (removal(story, *kind, *id, *by), cure)
        }
        Finding::Outsider { .. } => (end.map(|at| (at, finding.to_string())), CHECK_PID),
        Finding::Endless { .. } => (end.map(|at| (at, finding.to_string())), SLEEP_FOR_A_TURN),
        Finding::Left { id, kind } => {
            let at = story
                .iter()
                .position(|told| called(told).is_some_and(|call| opens(call, *kind, *id)));
            let why = format!("{} {id} is made here, and no process removes it", word(*kind));
            let cure = match kind {
                Kind::Shm => REMOVE,
                Kind::Msg => REMOVE_QUEUE_LAST,
                Kind::Sem => REMOVE_SET_LAST,
            };
            (at.map(|at| (at, why)), cure)
        }
    };
    Cause { decides, cure }
}

// ---- what the story says

fn called(told: &Line) -> Option<&Call> {
    if let Moment::Call { call, .. } = &told.moment { Some(call) } else { None }
}

fn object(call: &Call) -> Option<Object> {
    Some(syscalls::row(call.number)?.object)
}

fn name(call: &Call) -> &str {
    as_in_c(&call.name)
}

/// Does the call remove this object?
fn removes(call: &Call, kind: Kind, id: i32) -> bool {
    let of = matches!(object(call), Some(Object::Control { kind: one, .. }) if one == kind);
    of && call.command() == Some(Command::Remove) && call.args[0].value == i64::from(id)
}

/// Has the call made or found this object?
fn opens(call: &Call, kind: Kind, id: i32) -> bool {
    let of = matches!(object(call), Some(Object::Get { kind: one, .. }) if one == kind);
    of && call.result == Some(id.into())
}

fn removal(story: &Story, kind: Kind, id: i32, by: usize) -> Decides {
    let at = story.iter().position(|told| {
        told.letter == by && called(told).is_some_and(|call| removes(call, kind, id))
    })?;
    Some((at, format!("{} {id} is removed here, and used again below", word(kind))))
}

fn delivered_last(story: &Story, one: usize, signal: c_int) -> Option<usize> {
    story.iter().rposition(|told| {
        told.letter == one && matches!(told.moment, Moment::Signal { signal: s, .. } if s == signal)
    })
}

/// Where a process was made by another one of the story; what made it.
fn birth(story: &Story, pid: i32) -> Option<usize> {
    story.iter().position(|told| {
        told.pid != pid
            && called(told).is_some_and(|call| {
                let makes = syscalls::row(call.number).is_some_and(|row| row.makes_child());
                makes && call.result == Some(pid.into())
            })
    })
}

/// Is it the child or the parent of another one of the story?
fn is_related(story: &Story, pid: i32) -> bool {
    let parent = story.iter().any(|told| {
        told.pid != pid && birth(story, told.pid).is_some_and(|at| story[at].pid == pid)
    });
    parent || birth(story, pid).is_some()
}

/// What a process has done up to a line, and what those did from which it was forked.
fn history(story: &Story, pid: i32, until: usize) -> Vec<(usize, &Line)> {
    let mut lines = match birth(story, pid) {
        Some(at) if at < until => history(story, story[at].pid, at),
        _ => vec![],
    };
    lines.extend(story[..until].iter().enumerate().filter(|(_, told)| told.pid == pid));
    lines
}

// ---- deadlocks

fn deadlock(story: &Story, sleepers: &[Sleeper]) -> (Decides, Cure) {
    let finders = [
        waits_for_a_signal,
        waits_for_a_semaphore,
        waits_for_a_message,
        waits_for_a_lock,
        waits_for_a_pipe,
        is_stopped,
    ];
    let found = finders
        .iter()
        .find_map(|find| sleepers.iter().find_map(|sleeper| find(story, sleepers, sleeper)));
    let (at, why, cure) = match found {
        Some((at, why, cure)) => (Some(at), why, cure),
        None => (None, String::new(), TELL_FIRST),
    };
    let decides = match at.filter(|_| !why.is_empty()) {
        Some(at) => Some((at, why)),
        None => last_asleep(story),
    };
    (decides, cure)
}

/// A line, why it decided, and the cure. An empty sentence: the last one to fall asleep decided.
type Found = Option<(usize, String, Cure)>;

fn last_asleep(story: &Story) -> Decides {
    let at =
        story.iter().rposition(|told| matches!(&told.moment, Moment::Call { asleep: true, .. }))?;
    let who = letter(story[at].letter);
    Some((at, format!("{who} is the last to fall asleep: no process is left to wake it")))
}

/// The call in which one sleeps, and where it began.
fn sleeps_in<'a>(story: &'a Story, sleeper: &Sleeper) -> Option<(usize, &'a Call)> {
    let Asleep::Call(number) = sleeper.asleep else { return None };
    let at = story.iter().rposition(|told| {
        told.letter == sleeper.letter
            && matches!(&told.moment, Moment::Call { call, asleep: true } if call.number == number)
    })?;
    Some((at, called(&story[at])?))
}

fn waits_for_a_signal(story: &Story, _: &[Sleeper], sleeper: &Sleeper) -> Found {
    let (slept, call) = sleeps_in(story, sleeper)?;
    let Sleep::Signal(lets_in) = syscalls::row(call.number)?.sleep else { return None };
    let (who, name) = (letter(sleeper.letter), name(call));
    let is_mine = |at: &usize| story[*at].letter == sleeper.letter;
    let handled = |at: &usize| matches!(story[*at].moment, Moment::Signal { handler: true, .. });
    if lets_in != LetsIn::Unblocked
        && let Some((at, signal)) = became_one(story, sleeper, slept)
    {
        let why = format!("{signal} is sent again while the first is pending: they become one");
        return Some((at, why, COUNT));
    }
    // Another thread of its process has taken it.
    let sibling = (0..slept.max(story.len()))
        .rev()
        .find(|at| handled(at) && story[*at].pid == sleeper.pid && !is_mine(at));
    if let Some(at) = sibling
        && let Moment::Signal { signal, .. } = story[at].moment
    {
        let (signal, other) = (names::signal(signal), letter(story[at].letter));
        let why =
            format!("{signal} was delivered to thread {other}, and thread {who} waits for it");
        return Some((at, why, ANOTHER_THREAD));
    }
    let came = (0..slept).rev().find(|at| is_mine(at) && handled(at));
    // A wait that it ended has made use of it.
    let lost = came.filter(|at| {
        let is_turn = |at: &usize| matches!(story[*at].moment, Moment::Turn { .. });
        let before = (0..*at).rev().find(|at| is_mine(at) && !is_turn(at));
        let ended = before.and_then(|at| called(&story[at])).is_some_and(|call| call.interrupted);
        lets_in == LetsIn::Unblocked || !ended
    });
    if let Some(at) = lost
        && let Moment::Signal { signal, .. } = story[at].moment
    {
        let signal = names::signal(signal);
        let why =
            format!("{signal} was delivered to {who} before {name}: no other signal will come");
        let cure = if is_related(story, sleeper.pid) { BLOCK } else { BLOCK_IN_BOTH };
        return Some((at, why, cure));
    }
    let found_nothing = story.iter().rposition(|told| {
        let nothing = |call: &Call| {
            matches!(object(call), Some(Object::Get { .. }))
                && call.errno == Some(nix::errno::Errno::ENOENT)
        };
        told.letter != sleeper.letter && called(told).is_some_and(nothing)
    });
    if let Some(at) = found_nothing {
        let other = letter(story[at].letter);
        return Some((
            at,
            format!("{other} finds nothing here and gives up; {who} waits for it"),
            TRY_AGAIN,
        ));
    }
    let at = ended_last(story, sleeper)?;
    let other = letter(story[at].letter);
    Some((
        at,
        format!("{other} ends here; {who} waits for a signal that only {other} would send"),
        WAIT_FOR_ITS_END,
    ))
}

/// Where a signal was sent to one again while it was pending, which then did not come twice.
fn became_one(story: &Story, sleeper: &Sleeper, slept: usize) -> Option<(usize, String)> {
    let mut pending: Vec<c_int> = vec![];
    let mut merged = None;
    for (at, told) in story[..slept].iter().enumerate() {
        if let Moment::Signal { signal, .. } = told.moment
            && told.letter == sleeper.letter
        {
            pending.retain(|one| *one != signal);
        }
        let Some(call) = called(told) else { continue };
        let sends = syscalls::row(call.number).is_some_and(|row| row.sends_signal());
        let Some(signal) = call.value("sig").filter(|_| sends && call.succeeded()) else {
            continue;
        };
        if call.args[0].value != i64::from(sleeper.pid) || signal as c_int >= libc::SIGRTMIN() {
            continue;
        }
        if pending.contains(&(signal as c_int)) {
            merged = Some((at, names::signal(signal as c_int)));
        }
        pending.push(signal as c_int);
    }
    merged
}

/// Where the last of the others has ended.
fn ended_last(story: &Story, sleeper: &Sleeper) -> Option<usize> {
    let ends = |told: &Line| matches!(told.moment, Moment::Exit { .. } | Moment::Killed { .. });
    story.iter().rposition(|told| ends(told) && told.pid != sleeper.pid)
}

/// What is done with semaphores; not what has not ended.
fn semaphores(told: &Line) -> Option<Operation> {
    called(told).filter(|call| call.succeeded()).and_then(Call::operation)
}

/// Has it taken a semaphore, and not posted since?
fn holds(story: &Story, letter: usize) -> bool {
    let held = story.iter().filter(|told| told.letter == letter).filter_map(semaphores);
    held.fold(0_u32, |held, operation| match operation {
        Operation::Take => held + 1,
        Operation::Post => held.saturating_sub(1),
        Operation::Test => held,
    }) > 0
}

fn waits_for_a_semaphore(story: &Story, sleepers: &[Sleeper], sleeper: &Sleeper) -> Found {
    let (_, call) = sleeps_in(story, sleeper)?;
    call.operation()?;
    let who = letter(sleeper.letter);
    let held = sleepers.iter().filter(|one| holds(story, one.letter)).count();
    if held > 1 {
        let (at, _) = last_asleep(story)?;
        return Some((at, "each of them has taken what another one waits for".into(), SAME_ORDER));
    }
    if let Some(at) = ended_last(story, sleeper) {
        let other = letter(story[at].letter);
        let has = if holds(story, story[at].letter) {
            " and holds a semaphore"
        } else {
            " without a post"
        };
        return Some((at, format!("{other} ends here{has}; {who} waits for it"), POST_ALWAYS));
    }
    Some((0, String::new(), POST_FIRST))
}

fn waits_for_a_message(story: &Story, _: &[Sleeper], sleeper: &Sleeper) -> Found {
    let (slept, call) = sleeps_in(story, sleeper)?;
    let Some(Object::Use(Kind::Msg)) = object(call) else { return None };
    let takes = |told: &Line| {
        called(told).is_some_and(|one| {
            one.number == call.number && one.args[0].value == call.args[0].value && one.succeeded()
        })
    };
    let at = story[..slept].iter().rposition(|told| takes(told) && told.letter != sleeper.letter);
    let Some(at) = at else { return Some((0, String::new(), TYPES)) };
    let (who, other) = (letter(sleeper.letter), letter(story[at].letter));
    Some((at, format!("{other} receives the message here that {who} waits for"), TYPES))
}

fn waits_for_a_lock(story: &Story, _: &[Sleeper], sleeper: &Sleeper) -> Found {
    let (slept, call) = sleeps_in(story, sleeper)?;
    if !matches!(syscalls::row(call.number)?.sleep, Sleep::Futex) {
        return None;
    }
    let before = (0..slept).rev().find(|at| story[*at].letter == sleeper.letter)?;
    if let Moment::Signal { signal, handler: true, .. } = story[before].moment {
        let why = format!(
            "the handler of {} waits for a lock that {} itself holds",
            names::signal(signal),
            letter(sleeper.letter)
        );
        return Some((before, why, NO_LOCK_IN_HANDLER));
    }
    Some((0, String::new(), PREDICATE))
}

fn waits_for_a_pipe(story: &Story, _: &[Sleeper], sleeper: &Sleeper) -> Found {
    let (_, call) = sleeps_in(story, sleeper)?;
    (name(call) == "read").then_some((0, String::new(), CLOSE_ENDS))
}

fn is_stopped(_: &Story, _: &[Sleeper], sleeper: &Sleeper) -> Found {
    (sleeper.asleep == Asleep::Stopped).then_some((0, String::new(), GO_ON))
}

// ---- crashes

/// Addresses that are a few bytes past -1, or that the kernel does not tell.
fn comes_from_minus_one(fault: Option<u64>) -> bool {
    fault.is_none_or(|at| at.wrapping_add(1) < 1 << 16)
}

fn crash(story: &Story, one: usize, signal: c_int) -> (Decides, Cure) {
    let Some(died) = delivered_last(story, one, signal) else { return (None, CHECK_ANSWERS) };
    let (who, name) = (letter(one), names::signal(signal));
    let past = history(story, story[died].pid, died);
    if let Moment::Signal { fault, signal: libc::SIGSEGV | libc::SIGBUS, .. } = story[died].moment
        && let Some((at, why, cure)) = of_a_segment(story, &past, fault)
    {
        return (Some((at, why)), cure);
    }
    let alone = story.iter().all(|told| {
        let makes = |call: &Call| syscalls::row(call.number).is_some_and(|row| row.makes_child());
        told.letter == one && !called(told).is_some_and(makes)
    });
    let failed = past.iter().rev().find_map(|(at, told)| {
        let call = called(told).filter(|call| told.letter == one && call.errno.is_some())?;
        Some((*at, call))
    });
    let exists = failed.is_some_and(|(_, call)| call.errno == Some(nix::errno::Errno::EEXIST));
    let cure = match signal {
        _ if exists => ONE_STEP,
        libc::SIGSEGV | libc::SIGBUS if alone => MAPPED,
        _ if alone => CHECK_ANSWERS,
        _ => LET_IT_WAIT,
    };
    let taken =
        story[..died].iter().rposition(|told| matches!(told.moment, Moment::Turn { taken: true }));
    if let Some(at) = taken {
        let other = letter(story[at].letter);
        return (
            Some((
                at,
                format!("{other} takes the turn here, and nothing makes it wait; {name} follows"),
            )),
            cure,
        );
    }
    if let Some((at, call)) = failed {
        return (
            Some((at, format!("{} fails here, in this order; {name} follows", self::name(call)))),
            cure,
        );
    }
    let last = past.last().map(|(at, _)| *at).filter(|_| !alone);
    match last {
        Some(at) => (
            Some((at, format!("{who} goes on here, and nothing makes it wait; {name} follows"))),
            cure,
        ),
        None => (Some((died, format!("{name} is delivered to {who}, which kills it"))), cure),
    }
}

/// An attachment: where it was made, its range, and whether for reading alone.
struct Attached {
    at: usize,
    start: u64,
    size: u64,
    read_only: bool,
    /// Where it was detached.
    detached: Option<usize>,
}

/// A fault that has to do with a segment of the process.
fn of_a_segment(story: &Story, past: &[(usize, &Line)], fault: Option<u64>) -> Found {
    let mut all: Vec<Attached> = vec![];
    let mut failed = None;
    for (at, told) in past {
        let Some(call) = called(told) else { continue };
        match (object(call), call.result) {
            (Some(Object::Attach), Some(-1)) => failed = Some(*at),
            (Some(Object::Attach), Some(start)) => {
                failed = None;
                let read_only = call.args[2].value & i64::from(libc::SHM_RDONLY) != 0;
                let size = size_of(story, call.args[0].value);
                all.push(Attached {
                    at: *at,
                    start: start as u64,
                    size,
                    read_only,
                    detached: None,
                });
            }
            (Some(Object::Detach), Some(0)) => {
                let start = call.args[0].value as u64;
                all.iter_mut()
                    .filter(|one| one.start == start)
                    .for_each(|one| one.detached = Some(*at));
            }
            _ => {}
        }
    }
    if let Some(at) = failed.filter(|_| comes_from_minus_one(fault)) {
        return Some((
            at,
            "shmat fails here; its result, -1, is used as an address below".into(),
            CHECK_SHMAT,
        ));
    }
    let fault = fault?;
    let one = all
        .iter()
        .rev()
        .find(|one| fault >= one.start && fault < one.start + one.size + (1 << 16))?;
    if fault >= one.start + one.size {
        let why =
            format!("attached here, {} bytes; {fault:#x}, used below, is past its end", one.size);
        return Some((one.at, why, IN_THE_SEGMENT));
    }
    if let Some(at) = one.detached {
        return Some((
            at,
            format!("detached here; {fault:#x}, in the segment, is used below"),
            NOT_AFTER_SHMDT,
        ));
    }
    let why = "attached here for reading alone; a store to it follows".to_string();
    one.read_only.then_some((one.at, why, NOT_READ_ONLY))
}

/// The size of a segment, in whole pages, as it was asked for when it was made.
fn size_of(story: &Story, id: i64) -> u64 {
    let made = story.iter().filter_map(called).find(|call| opens(call, Kind::Shm, id as i32));
    let size = made.and_then(|call| call.value("size")).unwrap_or(0) as u64;
    size.max(1).next_multiple_of(4096)
}
