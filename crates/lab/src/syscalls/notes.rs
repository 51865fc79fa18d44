//! What a call means, in plain words, and which section of the workbook explains it. Why one failed
//! stands in [`causes`].

use say::tell;
use screen::words::{self, semicolon, translated};

use libc::c_int;
use nix::errno::Errno;
use sysv::tables::Kind;

use super::causes;
use super::spoken;
use super::world::{Source, World};
use crate::event::{Action, Call, Command, Futex, Note, Operation, Row};
use crate::tracer::names;

/// What is known beside the call itself.
pub struct Facts<'a> {
    /// It has made the object that it answers.
    pub made: bool,
    /// The segment before it.
    pub before: Option<Row>,
    /// The segment after it.
    pub after: Option<Row>,
    /// For a signal: what its target was doing.
    pub target: Target,
    /// For a call that a signal has interrupted: that signal.
    pub by: Option<Interruption>,
    /// All the rest.
    pub world: &'a dyn World,
}

/// What the target of a signal is doing.
#[derive(Default, Clone, PartialEq, Debug)]
pub enum Target {
    /// A process that we do not watch, or nothing to say.
    #[default]
    Unknown,
    /// It waits in this call, and has a handler.
    Waits(String),
    /// It waits in this call for such signals, and takes it without a handler.
    Takes(String),
    /// It blocks the signal.
    Blocks,
    /// It has a handler, and does not wait.
    Runs,
    /// It is the sender.
    Itself,
    /// It has no handler, and the default kills.
    Dies,
    /// It has no handler, and the default stops.
    Stops,
    Ignores,
    /// It has ended, and nobody has waited for it.
    Ended,
}

/// A signal that interrupts a call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Interruption {
    pub signal: c_int,
    pub fate: Fate,
    /// Its handler was installed with SA_RESTART; `None`: that was not seen.
    pub restarts: Option<bool>,
}

/// What a signal does to whom it is delivered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fate {
    Handler,
    Ignored,
    Kills,
    Stops,
    Continues,
}

/// What a signal does, by what its process does with it. signal(7)
pub fn fate(signal: c_int, action: Action) -> Fate {
    match (action, signal) {
        (_, libc::SIGKILL) => Fate::Kills,
        (_, libc::SIGSTOP) => Fate::Stops,
        (Action::Handler, _) => Fate::Handler,
        (Action::Ignore, _) => Fate::Ignored,
        (_, libc::SIGCHLD | libc::SIGURG | libc::SIGWINCH) => Fate::Ignored,
        (_, libc::SIGCONT) => Fate::Continues,
        (_, libc::SIGTSTP | libc::SIGTTIN | libc::SIGTTOU) => Fate::Stops,
        _ => Fate::Kills,
    }
}

/// Says what a call that has ended means.
pub type Explain = fn(&Call, &Facts) -> Option<Note>;

/// A sentence that needs no facts.
#[derive(Clone, Copy)]
pub struct Sentence {
    text: &'static str,
    section: &'static str,
}

/// A sentence, and the section that explains it.
pub const fn say(text: &'static str, section: &'static str) -> Sentence {
    Sentence { text, section }
}

impl From<Sentence> for Note {
    fn from(sentence: Sentence) -> Note {
        Note::new(translated(sentence.text), sentence.section)
    }
}

fn note(text: impl words::Sentence, section: &'static str) -> Option<Note> {
    Some(Note::new(text.said(), section))
}

/// Why a call failed, or was interrupted.
fn failure(call: &Call, facts: &Facts, section: &'static str) -> Option<Note> {
    if call.interrupted {
        return interrupted(call, facts);
    }
    note(causes::of(call, facts.world)?, section)
}

/// Of a call that explains itself, unless a signal interrupts it.
pub fn nothing(call: &Call, facts: &Facts) -> Option<Note> {
    interrupted(call, facts).filter(|_| call.interrupted)
}

/// wait4 and waitid.
pub fn waited(call: &Call, facts: &Facts) -> Option<Note> {
    failure(call, facts, "4.8")
}

/// A call that a signal has ended before its time. The kernel decides by the call's own code which of
/// them are made again.
fn interrupted(call: &Call, facts: &Facts) -> Option<Note> {
    let Interruption { signal, fate, restarts } = facts.by?;
    let limited = call.value("timeout") != Some(0);
    let (name, signal) = (spoken(&call.name, limited), names::signal(signal));
    let code = call.answer.split_whitespace().nth(1).unwrap_or_default();
    let text = match (fate, code, restarts) {
        (Fate::Handler, "ERESTARTNOINTR", _) => {
            tell!("the handler of {signal} runs; then {name} goes on")
        }
        (Fate::Handler, "ERESTARTSYS", Some(true)) => {
            tell!("the handler of {signal} runs; then {name} goes on waiting (SA_RESTART)")
        }
        (Fate::Handler, "ERESTARTSYS", None) => tell!(
            "the handler of {signal} runs; then {name} goes on waiting with SA_RESTART, and else answers -1, EINTR"
        ),
        (Fate::Handler, ..) => {
            tell!("the handler of {signal} runs; then {name} answers -1, EINTR")
        }
        (Fate::Kills, ..) => {
            tell!("{signal} has no handler and kills the process: {name} does not return")
        }
        (Fate::Ignored, ..) => tell!("{signal} is ignored: {name} goes on waiting"),
        (Fate::Stops, ..) => tell!("{signal} stops the process; {name} goes on after SIGCONT"),
        (Fate::Continues, ..) => tell!("{signal} lets the process go on, and so does {name}"),
    };
    note(text, "4.8")
}

/// What a call that opens or makes an object says of its key and its mode.
fn opened(call: &Call, facts: &Facts, text: String, section: &'static str) -> Option<Note> {
    let key = causes::key_of_no_file(call.args[0].value, facts.world);
    let mode = call.args.last().map_or(0, |flags| flags.value) as u32 & 0o777;
    let decimal = causes::in_decimal(mode).filter(|_| facts.made);
    let parts: Vec<String> = [Some(text), key, decimal].into_iter().flatten().collect();
    note(parts.join(semicolon()), section)
}

const PRIVATE: &str = "key 0 is IPC_PRIVATE: each call makes a new one, and no key finds it";

pub fn shmget(call: &Call, facts: &Facts) -> Option<Note> {
    let is_private = call.args[0].value == 0;
    let private = translated(PRIVATE);
    let text = match call.errno {
        None if facts.made && is_private => {
            tell!("a new segment; {private}; a process that knows the id can attach it")
        }
        None if facts.made => translated("a new segment, because none had this key").into(),
        None => translated("opened: the segment that has this key").into(),
        Some(_) => return failure(call, facts, "4.4"),
    };
    opened(call, facts, text, "4.4")
}

fn nattch(row: Option<&Row>) -> String {
    let nattch = row.and_then(|row| row.nattch);
    nattch.map_or(String::new(), |nattch| tell!("; nattch is now {nattch}"))
}

pub fn shmat(call: &Call, facts: &Facts) -> Option<Note> {
    let Some(at) = call.result.filter(|_| call.errno.is_none()) else {
        return failure(call, facts, "4.5");
    };
    let read_only = call.args[2].value & i64::from(libc::SHM_RDONLY) != 0;
    let how = translated(if read_only { "read-only" } else { "read-write" });
    let at = translated(match call.args[1].value {
        0 => "an address the kernel chose",
        asked if asked == at => "the address it asked for",
        _ => "the address it asked for, rounded down (SHM_RND)",
    });
    let now = nattch(facts.after.as_ref());
    note(tell!("attached {how} at {at}{now}"), "4.5")
}

pub fn shmdt(call: &Call, facts: &Facts) -> Option<Note> {
    match call.errno {
        None if facts.before.is_some() && facts.after.is_none() => {
            note("the last detach of a removed segment: now it is destroyed", "4.7")
        }
        None => {
            let now = nattch(facts.after.as_ref());
            note(tell!("detached; the segment and its contents stay{now}"), "4.6")
        }
        Some(_) => failure(call, facts, "4.6"),
    }
}

pub fn shmctl(call: &Call, facts: &Facts) -> Option<Note> {
    let text = match (call.errno, call.command()?) {
        (Some(_), _) => return failure(call, facts, "4.7"),
        (None, Command::Remove) if facts.after.as_ref().is_some_and(Row::goes_with_last_detach) => {
            "marked: its last detach destroys it, and its key is free from now on"
        }
        (None, Command::Remove) => "removed at once, because no process had it attached",
        (None, Command::Stat) => "the kernel's record of the segment: what ipcs -m -i shows",
        (None, Command::Set) => "sets owner, group and mode; nothing else can be changed",
        (None, Command::Lock) => "its pages are not swapped out from now on",
        (None, Command::Walk) => "reads the kernel's table of segments, or its limits",
        _ => return None,
    };
    note(text, "4.7")
}

/// The call that opens or makes an object without memory of its own.
fn opened_or_made(call: &Call, facts: &Facts, kind: Kind, section: &'static str) -> Option<Note> {
    let private = translated(PRIVATE);
    let made = translated(match kind {
        Kind::Sem => "a new set of semaphores; Linux sets their values to 0",
        _ => "a new message queue",
    });
    let text = match call.errno {
        Some(_) => return failure(call, facts, section),
        None if facts.made && call.args[0].value == 0 => tell!("{made}; {private}"),
        None if facts.made => made.into(),
        None => tell!("opened: the {} that has this key", translated(kind.noun())),
    };
    opened(call, facts, text, section)
}

pub fn msgget(call: &Call, facts: &Facts) -> Option<Note> {
    opened_or_made(call, facts, Kind::Msg, "4.1")
}

pub fn msgsnd(call: &Call, facts: &Facts) -> Option<Note> {
    if !call.succeeded() {
        return failure(call, facts, "4.1");
    }
    note("copied into the kernel; it stays there until it is received", "4.1")
}

pub fn msgrcv(call: &Call, facts: &Facts) -> Option<Note> {
    const MSG_COPY: i64 = 0o40000;
    if !call.succeeded() {
        return failure(call, facts, "4.1");
    }
    if call.value("msgflg").is_some_and(|flags| flags & MSG_COPY != 0) {
        return note("copied out of the kernel; it stays in the queue (MSG_COPY)", "4.1");
    }
    note("copied out of the kernel, and removed from the queue", "4.1")
}

/// msgctl and semctl.
fn control(call: &Call, facts: &Facts, section: &'static str) -> Option<Note> {
    match call.command()? {
        _ if !call.succeeded() => failure(call, facts, section),
        Command::Remove => note("removed at once; calls that wait on it fail with EIDRM", section),
        _ => None,
    }
}

pub fn msgctl(call: &Call, facts: &Facts) -> Option<Note> {
    control(call, facts, "4.1")
}

pub fn semget(call: &Call, facts: &Facts) -> Option<Note> {
    opened_or_made(call, facts, Kind::Sem, "4.10")
}

pub fn semop(call: &Call, facts: &Facts) -> Option<Note> {
    if !call.succeeded() {
        return failure(call, facts, "4.10");
    }
    let text = match call.operation()? {
        Operation::Take => "taken: the value is lower now; the call waited if it was too low",
        Operation::Test => "the value was 0",
        Operation::Post => "posted: the value is higher now; a call that waits for this can go on",
    };
    note(text, "4.10")
}

pub fn semctl(call: &Call, facts: &Facts) -> Option<Note> {
    control(call, facts, "4.10")
}

/// What both forms of semop do while they have not ended.
pub const SEMOP_SLEEPS: Sentence = say("sleeps until the semaphores allow it", "4.10");

pub fn kill(call: &Call, facts: &Facts) -> Option<Note> {
    let pid = call.args[0].value;
    if pid > 0 || call.errno.is_some() {
        return sent(call, facts);
    }
    let whom = match pid {
        0 => translated("pid 0: each process of the sender's own process group").into(),
        -1 => {
            let failed = facts.world.failed(Source::Fork);
            match failed {
                None => translated("pid -1: each process that it may send signals to").into(),
                Some(_) => translated(
                    "pid -1: each process that it may send signals to, and what the fork that failed answered",
                )
                .into(),
            }
        }
        group => tell!("a negative pid: each process of the process group {}", -group),
    };
    note(whom, "4.9")
}

/// kill's relatives.
pub fn sent(call: &Call, facts: &Facts) -> Option<Note> {
    let number = call.value("sig")?;
    if call.errno.is_some() {
        return failure(call, facts, "4.9");
    }
    if number == 0 {
        return note("signal 0: only checks whether the process exists", "4.9");
    }
    let text = match &facts.target {
        Target::Waits(name) => {
            return note(tell!("its target was in {name}: the signal interrupts that"), "4.8");
        }
        Target::Takes(name) => {
            return note(tell!("its target was in {name}, which takes the signal"), "4.8");
        }
        Target::Blocks => "its target blocks it: it stays pending until it is unblocked or taken",
        Target::Runs => {
            "its target did not wait: if its handler runs before pause, it does not end that pause"
        }
        Target::Itself => "sent to itself: it is delivered before this call returns",
        Target::Dies if number == i64::from(libc::SIGKILL) => {
            "it kills its target: no handler can catch it"
        }
        Target::Dies => "its target has no handler for it: the signal kills it",
        Target::Stops => "it stops its target, until SIGCONT",
        Target::Ignores => "its target ignores it: nothing happens",
        Target::Ended => "its target has ended, and was not waited for: nobody gets the signal",
        Target::Unknown => "sent; it is delivered when its target runs next",
    };
    note(text, "4.8")
}

pub fn rt_sigaction(call: &Call, facts: &Facts) -> Option<Note> {
    if call.errno.is_some() {
        return failure(call, facts, "4.8");
    }
    let text = match call.action() {
        Some(Action::Ignore) => "from now on this signal is ignored",
        Some(Action::Default) => "from now on this signal has its default action",
        _ => "from now on a handler runs when this signal is delivered",
    };
    note(text, "4.8")
}

pub fn rt_sigprocmask(call: &Call, facts: &Facts) -> Option<Note> {
    if call.errno.is_some() {
        return failure(call, facts, "4.8");
    }
    if call.args[0].value != i64::from(libc::SIG_BLOCK) {
        return None;
    }
    note("blocked: such a signal stays pending, a standard signal only once", "4.8")
}

/// What a wait for a signal says when a handler has ended it; else what did.
fn ended_by_signal(call: &Call, facts: &Facts, text: &'static str) -> Option<Note> {
    match facts.by {
        Some(Interruption { fate: Fate::Handler, .. }) | None => note(text, "4.8"),
        Some(_) => interrupted(call, facts),
    }
}

pub fn pause(call: &Call, facts: &Facts) -> Option<Note> {
    let text = "it slept until a signal with a handler came; the program gets EINTR";
    ended_by_signal(call, facts, text)
}

pub fn rt_sigsuspend(call: &Call, facts: &Facts) -> Option<Note> {
    let text =
        "it unblocked signals and slept in one step: one that was blocked before is not lost";
    ended_by_signal(call, facts, text)
}

pub fn rt_sigtimedwait(call: &Call, facts: &Facts) -> Option<Note> {
    match call.errno {
        Some(Errno::EAGAIN) => note("none of these signals came within the limit", "4.10"),
        Some(_) => failure(call, facts, "4.10"),
        None if call.interrupted => interrupted(call, facts),
        None => note("it received a signal without a handler", "4.10"),
    }
}

pub fn futex(call: &Call, facts: &Facts) -> Option<Note> {
    if !call.succeeded() {
        return failure(call, facts, "4.10");
    }
    let text = match (call.futex()?, call.result) {
        (Futex::Wake, Some(0)) => "wakes threads that sleep on this word; there were none",
        (Futex::Wake, _) => "wakes threads that sleep on this word",
        _ => return None,
    };
    match private_on_shared(call, facts.world) {
        Some(more) => note(tell!("{}; {more}", translated(text)), "4.10"),
        None => note(text, "4.10"),
    }
}

/// FUTEX_PRIVATE on memory that others share.
fn private_on_shared(call: &Call, world: &dyn World) -> Option<String> {
    let private = call.value("futex_op")? as c_int & libc::FUTEX_PRIVATE_FLAG != 0;
    let what = world.shared(call.value("uaddr")? as u64).filter(|_| private)?;
    Some(tell!(
        "the word is in {what}, but PRIVATE: other processes neither sleep nor wake here; that needs \
         PTHREAD_PROCESS_SHARED, or sem_init's pshared"
    ))
}

/// Does this call sleep for a mutex of the C library? Its word is 2 where others wait, or says by its
/// highest bit that they do.
pub fn waits_for_mutex(call: &Call) -> bool {
    let value = call.value("val").unwrap_or(0) as u32;
    match call.futex() {
        Some(Futex::Lock) => true,
        Some(Futex::Wait) => value == 2 || value >> 31 == 1,
        _ => false,
    }
}

/// What a sleep on a futex means: who has the lock, and why nobody may come.
pub fn asleep_on_futex(call: &Call, world: &dyn World) -> Option<Note> {
    let at = call.value("uaddr")? as u64;
    if let Some(more) = private_on_shared(call, world) {
        return note(tell!("sleeps until another thread of this process wakes it; {more}"), "4.10");
    }
    let mutex = world.mutex(at).filter(|_| waits_for_mutex(call))?;
    let owner = mutex.owner;
    let text = match (mutex.own, mutex.ended) {
        (true, _) => translated("sleeps for a mutex that it has locked itself").into(),
        (_, true) => {
            tell!(
                "sleeps for a mutex that {owner} had locked, which has ended without unlocking it"
            )
        }
        _ => tell!("sleeps until {owner} unlocks the mutex"),
    };
    note(text, "4.10")
}

/// nanosleep and clock_nanosleep.
pub fn slept(call: &Call, facts: &Facts) -> Option<Note> {
    if !call.succeeded() {
        return failure(call, facts, "4.8");
    }
    note("a sleep does not order two processes: the other one may be slower", "4.8")
}

pub fn unshare(call: &Call, facts: &Facts) -> Option<Note> {
    if call.errno.is_some() {
        return failure(call, facts, "4.4");
    }
    if call.args[0].value & i64::from(libc::CLONE_NEWIPC) == 0 {
        return None;
    }
    note("a new IPC namespace with its own, empty tables; the trace cannot read them", "4.4")
}
