//! What a call means, in plain words, and which section of the workbook explains it.

use std::borrow::Cow;

use nix::errno::Errno;

use crate::event::{Action, Call, Command, Futex, Note, Operation, Row};

/// What is known beside the call itself.
#[derive(Default)]
pub struct Facts {
    /// It has made the object that it answers.
    pub made: bool,
    /// The segment before it.
    pub before: Option<Row>,
    /// The segment after it.
    pub after: Option<Row>,
    /// For a signal: what its target does now.
    pub target: Target,
}

/// What the target of a signal is doing.
#[derive(Default)]
pub enum Target {
    /// A process that we do not watch, or nothing to say.
    #[default]
    Unknown,
    /// It waits in this call.
    Waits(&'static str),
    /// It blocks the signal.
    Blocks,
    /// It has a handler, and does not wait.
    Runs,
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
        Note::new(sentence.text, sentence.section)
    }
}

fn note(text: impl Into<Cow<'static, str>>, section: &'static str) -> Option<Note> {
    Some(Note::new(text, section))
}

/// Of a call that explains itself.
pub fn nothing(_: &Call, _: &Facts) -> Option<Note> {
    None
}

pub fn shmget(call: &Call, facts: &Facts) -> Option<Note> {
    let private = call.args[0].value == 0;
    let text = match call.errno {
        None if facts.made && private => {
            "a new segment; IPC_PRIVATE: no key finds it, a process that knows the id can attach it"
        }
        None if facts.made => "a new segment, because none had this key",
        None => "opened: the segment that has this key",
        Some(Errno::ENOENT) => "no segment has this key, and IPC_CREAT was not given",
        Some(Errno::EEXIST) => "a segment has this key already, and IPC_EXCL asks for a new one",
        Some(Errno::EINVAL) => {
            "the size: 0 or above shmmax for a new segment, or larger than the existing one"
        }
        Some(Errno::EACCES) => "its mode does not allow what was asked for",
        Some(Errno::ENOSPC) => {
            "no room in the kernel's table (shmmni, shmall); this is not about disks"
        }
        _ => return None,
    };
    note(text, "4.4")
}

fn nattch(row: Option<&Row>) -> String {
    let nattch = row.and_then(|row| row.nattch);
    nattch.map_or(String::new(), |nattch| format!("; nattch is now {nattch}"))
}

pub fn shmat(call: &Call, facts: &Facts) -> Option<Note> {
    let text = match call.errno {
        None => {
            let read_only = call.args[2].value & i64::from(libc::SHM_RDONLY) != 0;
            let how = if read_only { "read-only" } else { "read-write" };
            let chosen = call.args[1].value == 0;
            let at =
                if chosen { "an address the kernel chose" } else { "the address it asked for" };
            return note(format!("attached {how} at {at}{}", nattch(facts.after.as_ref())), "4.5");
        }
        Some(Errno::EINVAL) => "no segment has this id, or the address cannot be used",
        Some(Errno::EACCES) => {
            "its mode does not allow that; root and its owner may change the mode"
        }
        Some(Errno::ENOMEM) => "no room for it in this process's address space",
        _ => return None,
    };
    note(text, "4.5")
}

pub fn shmdt(call: &Call, facts: &Facts) -> Option<Note> {
    match call.errno {
        None if facts.before.is_some() && facts.after.is_none() => {
            note("the last detach of a removed segment: now it is destroyed", "4.7")
        }
        None => {
            let now = nattch(facts.after.as_ref());
            note(format!("detached; the segment and its contents stay{now}"), "4.6")
        }
        Some(Errno::EINVAL) => note("no segment is attached at this address (any more)", "4.6"),
        _ => None,
    }
}

pub fn shmctl(call: &Call, facts: &Facts) -> Option<Note> {
    let text = match (call.errno, call.command()?) {
        (None, Command::Remove) if facts.after.as_ref().is_some_and(Row::goes_with_last_detach) => {
            "marked: its last detach destroys it, and its key is free from now on"
        }
        (None, Command::Remove) => "removed at once, because no process had it attached",
        (None, Command::Stat) => "the kernel's record of the segment: what ipcs -m -i shows",
        (None, Command::Set) => "sets owner, group and mode; nothing else can be changed",
        (None, Command::Lock) => "its pages are not swapped out from now on",
        (None, Command::Walk) => "reads the kernel's table of segments, or its limits",
        (Some(Errno::EINVAL), _) => {
            "no segment has this id (any more), or the command or the new owner is not valid"
        }
        (Some(Errno::EPERM), _) => "only the owner, the creator and root may do this",
        (Some(Errno::EACCES), _) => "this needs permission to read the segment",
        _ => return None,
    };
    note(text, "4.7")
}

pub fn msgget(call: &Call, facts: &Facts) -> Option<Note> {
    match call.errno {
        None if facts.made => note("a new message queue", "4.1"),
        None => note("opened: the queue that has this key", "4.1"),
        Some(_) => no_queue(call),
    }
}

pub fn msgsnd(call: &Call, _: &Facts) -> Option<Note> {
    match call.errno {
        None => note("copied into the kernel; it stays there until it is received", "4.1"),
        Some(Errno::EAGAIN) => {
            note("the queue is full; with IPC_NOWAIT the call does not wait", "4.1")
        }
        Some(_) => no_queue(call),
    }
}

pub fn msgrcv(call: &Call, _: &Facts) -> Option<Note> {
    match call.errno {
        None => note("copied out of the kernel, and removed from the queue", "4.1"),
        Some(Errno::ENOMSG) => {
            note("no such message is there; with IPC_NOWAIT the call does not wait", "4.1")
        }
        Some(_) => no_queue(call),
    }
}

pub fn msgctl(call: &Call, _: &Facts) -> Option<Note> {
    match (call.errno, call.command()?) {
        (None, Command::Remove) => {
            note("removed at once; calls that wait on it fail with EIDRM", "4.1")
        }
        _ => no_queue(call),
    }
}

fn no_queue(call: &Call) -> Option<Note> {
    match call.errno? {
        Errno::EIDRM => note("the queue was removed while the call waited", "4.1"),
        Errno::EINVAL => {
            note("no queue has this id (any more), or the type or size is not valid", "4.1")
        }
        _ => None,
    }
}

pub fn semget(call: &Call, facts: &Facts) -> Option<Note> {
    match call.errno {
        None if facts.made => note("a new set of semaphores; Linux sets their values to 0", "4.10"),
        None => note("opened: the set that has this key", "4.10"),
        Some(_) => no_set(call),
    }
}

pub fn semop(call: &Call, _: &Facts) -> Option<Note> {
    let text = match (call.errno, call.operation()?) {
        (None, Operation::Take) => {
            "taken: the value is lower now; the call waited if it was too low"
        }
        (None, Operation::Test) => "the value was 0",
        (None, Operation::Post) => {
            "posted: the value is higher now; a call that waits for this can go on"
        }
        (Some(Errno::EAGAIN), _) => "the call would have to wait (longer)",
        _ => return no_set(call),
    };
    note(text, "4.10")
}

pub fn semctl(call: &Call, _: &Facts) -> Option<Note> {
    match (call.errno, call.command()?) {
        (None, Command::Remove) => {
            note("removed at once; calls that wait on it fail with EIDRM", "4.10")
        }
        _ => no_set(call),
    }
}

fn no_set(call: &Call) -> Option<Note> {
    match call.errno? {
        Errno::EIDRM => note("the set was removed while the call waited", "4.10"),
        Errno::EINVAL => {
            note("no set has this id (any more), or the number of semaphores is not valid", "4.10")
        }
        _ => None,
    }
}

/// What both forms of semop do while they have not ended.
pub const SEMOP_SLEEPS: Sentence = say("sleeps until the semaphores allow it", "4.10");

pub fn kill(call: &Call, facts: &Facts) -> Option<Note> {
    if call.args[0].value <= 0 && call.errno.is_none() {
        return note(
            "not one process: 0 means the sender's process group, -1 all processes",
            "4.9",
        );
    }
    sent(call, facts)
}

/// kill's relatives.
pub fn sent(call: &Call, facts: &Facts) -> Option<Note> {
    let number = call.value("sig")?;
    match call.errno {
        Some(Errno::ESRCH) => return note("no process has this pid (any more)", "4.9"),
        Some(Errno::EPERM) => return note("the process belongs to another user", "4.9"),
        Some(_) => return None,
        None if number == 0 => {
            return note("signal 0: only checks whether the process exists", "4.9");
        }
        None => {}
    }
    match &facts.target {
        Target::Waits(name) => {
            note(format!("its target was in {name}: the signal interrupts that"), "4.8")
        }
        Target::Blocks => {
            note("its target blocks it: it stays pending until it is unblocked", "4.8")
        }
        Target::Runs => note(
            "its target did not wait: if its handler runs before pause, it does not end that pause",
            "4.8",
        ),
        Target::Unknown => note("sent; it is delivered when its target runs next", "4.8"),
    }
}

pub fn rt_sigaction(call: &Call, _: &Facts) -> Option<Note> {
    let text = match call.action() {
        Some(Action::Ignore) => "from now on this signal is ignored",
        Some(Action::Default) => "from now on this signal has its default action",
        _ => "from now on a handler runs when this signal is delivered",
    };
    note(text, "4.8")
}

pub fn rt_sigprocmask(call: &Call, _: &Facts) -> Option<Note> {
    if call.args[0].value != i64::from(libc::SIG_BLOCK) {
        return None;
    }
    note("blocked: such a signal stays pending, a standard signal only once", "4.8")
}

pub fn pause(_: &Call, _: &Facts) -> Option<Note> {
    note("it slept until a signal with a handler came; the program gets EINTR", "4.8")
}

pub fn rt_sigsuspend(_: &Call, _: &Facts) -> Option<Note> {
    note(
        "it unblocked signals and slept in one step: one that was blocked before is not lost",
        "4.8",
    )
}

pub fn rt_sigtimedwait(call: &Call, _: &Facts) -> Option<Note> {
    if call.errno.is_some() {
        return None;
    }
    note("it received a signal without a handler", "4.10")
}

pub fn futex(call: &Call, _: &Facts) -> Option<Note> {
    match (call.errno, call.futex()?, call.result) {
        (Some(Errno::EAGAIN), ..) => {
            note("the word had already changed, so the call did not sleep", "4.10")
        }
        (_, Futex::Wake, Some(0)) => {
            note("wakes threads that sleep on this word; there were none", "4.10")
        }
        (_, Futex::Wake, _) => note("wakes threads that sleep on this word", "4.10"),
        _ => None,
    }
}

/// nanosleep and clock_nanosleep.
pub fn slept(_: &Call, _: &Facts) -> Option<Note> {
    note("a sleep does not order two processes: the other one may be slower", "4.8")
}

pub fn unshare(call: &Call, _: &Facts) -> Option<Note> {
    let ipc = call.args[0].value & i64::from(libc::CLONE_NEWIPC) != 0;
    if !ipc || call.errno.is_some() {
        return None;
    }
    note("a new IPC namespace with its own, empty tables; the trace cannot read them", "4.4")
}
