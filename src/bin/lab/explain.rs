//! What an event means, in plain words, and which section of the notes explains it.

use std::borrow::Cow;

use libc::c_int;
use sysv::tables::Kind;

use crate::event::{Call, Note, Row};
use crate::objects::goes_with_last_detach;

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

/// What a process does to which a signal was sent.
#[derive(Default)]
pub enum Target {
    /// Nobody that we watch, or nothing worth a word.
    #[default]
    Unknown,
    /// It waits in this call.
    Waits(Cow<'static, str>),
    /// It blocks the signal.
    Blocks,
    /// It has a handler, and does not wait.
    Runs,
}

fn note(text: impl Into<Cow<'static, str>>, section: &'static str) -> Option<Note> {
    Some(Note { text: text.into(), section: section.into() })
}

/// A call that has ended.
pub fn call(call: &Call, facts: &Facts) -> Option<Note> {
    let errno = call.errno.as_deref();
    match &*call.name {
        "shmget" => shmget(call, errno, facts),
        "shmat" => shmat(call, errno, facts),
        "shmdt" => shmdt(errno, facts),
        "shmctl" => shmctl(call, errno, facts),
        "msgget" | "msgsnd" | "msgrcv" | "msgctl" => message(call, errno, facts),
        "semget" | "semop" | "semtimedop" | "semctl" => semaphore(call, errno, facts),
        "kill" | "tkill" | "tgkill" | "pidfd_send_signal" | "rt_sigqueueinfo" => {
            sent(call, errno, facts)
        }
        "pause" => note("it slept until a handler was to run; the program gets EINTR", "4.8"),
        "rt_sigsuspend" => {
            note("it let the signals in and slept, in one step: none is lost", "4.8")
        }
        "rt_sigtimedwait" if errno.is_none() => note("a signal taken without a handler", "4.10"),
        "rt_sigaction" => match &*call.args.get(1)?.text {
            text if text.starts_with("{sa_handler=SIG_IGN") => {
                note("from now on this signal is ignored", "4.8")
            }
            text if text.starts_with("{sa_handler=SIG_DFL") => {
                note("from now on this signal does what it does by default", "4.8")
            }
            _ => note("from now on a handler runs when this signal is delivered", "4.8"),
        },
        "rt_sigprocmask" if call.args[0].value == 0 => {
            note("blocked: such a signal waits, once, until it is let in", "4.8")
        }
        "futex" if errno == Some("EAGAIN") => {
            note("the word had changed already: no need to sleep", "4.10")
        }
        "futex" if call.args[1].text.starts_with("FUTEX_WAKE") => match call.result {
            Some(0) => note("wakes who sleeps on this word; nobody did", "4.10"),
            _ => note("wakes who sleeps on this word", "4.10"),
        },
        "nanosleep" | "clock_nanosleep" => note("time orders nothing: sleep is no wake-up", "4.8"),
        "unshare" if call.args[0].text.contains("CLONE_NEWIPC") && errno.is_none() => note(
            "a new IPC namespace: tables of its own, empty, which are not seen from here",
            "4.4",
        ),
        _ => None,
    }
}

fn shmget(call: &Call, errno: Option<&str>, facts: &Facts) -> Option<Note> {
    let private = call.args[0].value == 0;
    let text = match errno {
        None if facts.made && private => {
            "a new segment; IPC_PRIVATE: no key finds it, whoever knows the id may use it"
        }
        None if facts.made => "a new segment, because none had this key",
        None => "opened: the segment that has this key",
        Some("ENOENT") => "no segment has this key, and IPC_CREAT was not given",
        Some("EEXIST") => "a segment has this key already, and IPC_EXCL asks for a new one",
        Some("EINVAL") => "the size: 0 for a new segment, or more than it has, or than is allowed",
        Some("EACCES") => "its mode does not allow what was asked for",
        Some("ENOSPC") => "no room in the kernel's table (shmmni, shmall); this is not about disks",
        _ => return None,
    };
    note(text, "4.4")
}

fn nattch(row: Option<&Row>) -> String {
    let nattch = row.and_then(|row| row.nattch);
    nattch.map_or(String::new(), |nattch| format!("; nattch is now {nattch}"))
}

fn shmat(call: &Call, errno: Option<&str>, facts: &Facts) -> Option<Note> {
    let text = match errno {
        None => {
            let how =
                if call.args[2].text.contains("SHM_RDONLY") { "read-only" } else { "read-write" };
            let chosen = call.args[1].value == 0;
            let at =
                if chosen { "an address the kernel chose" } else { "the address it asked for" };
            return note(format!("attached {how} at {at}{}", nattch(facts.after.as_ref())), "4.5");
        }
        Some("EINVAL") => "no segment has this id, or the address will not do",
        Some("EACCES") => "its mode does not allow that; root and its owner may change the mode",
        Some("ENOMEM") => "no room in this process's memory for it",
        _ => return None,
    };
    note(text, "4.5")
}

fn shmdt(errno: Option<&str>, facts: &Facts) -> Option<Note> {
    match errno {
        None if facts.before.is_some() && facts.after.is_none() => {
            note("the last detach of a removed segment: now it is gone", "4.7")
        }
        None => {
            let now = nattch(facts.after.as_ref());
            note(format!("detached; the memory and what is in it stay{now}"), "4.6")
        }
        Some("EINVAL") => note("nothing is attached at this address (any more)", "4.6"),
        _ => None,
    }
}

fn shmctl(call: &Call, errno: Option<&str>, facts: &Facts) -> Option<Note> {
    let command = &*call.args[1].text;
    let text = match (command, errno) {
        ("IPC_RMID", None) if facts.after.as_ref().is_some_and(goes_with_last_detach) => {
            "marked: it goes with its last detach, and its key is free from now on"
        }
        ("IPC_RMID", None) => "removed, at once, because nobody had it attached",
        ("IPC_STAT", None) => "the kernel's record of the segment: what ipcs -m -i shows",
        ("IPC_SET", None) => "owner and mode can be set, and nothing else",
        ("SHM_LOCK", None) => "its pages stay in memory",
        ("IPC_INFO" | "SHM_INFO" | "SHM_STAT" | "SHM_STAT_ANY", None) => {
            "how ipcs walks the kernel's table"
        }
        (_, Some("EINVAL")) => "no segment has this id (any more), or there is no such command",
        (_, Some("EPERM")) => "only its owner, its creator and root may",
        (_, Some("EACCES")) => "to look at it one must be allowed to read it",
        _ => return None,
    };
    note(text, "4.7")
}

fn message(call: &Call, errno: Option<&str>, facts: &Facts) -> Option<Note> {
    let text = match (&*call.name, errno) {
        ("msgget", None) if facts.made => "a new message queue",
        ("msgget", None) => "opened: the queue that has this key",
        ("msgsnd", None) => "copied into the kernel; it stays there until somebody takes it",
        ("msgrcv", None) => "copied out of the kernel, and taken from the queue",
        ("msgrcv", Some("ENOMSG")) => "no such message there, and IPC_NOWAIT: it does not wait",
        ("msgsnd", Some("EAGAIN")) => "the queue is full, and IPC_NOWAIT: it does not wait",
        ("msgctl", None) if call.args[1].text == "IPC_RMID" => {
            "removed at once; who waits on it gets EIDRM"
        }
        (_, Some("EIDRM")) => "the queue was removed while it waited",
        (_, Some("EINVAL")) => "no queue has this id (any more)",
        _ => return None,
    };
    note(text, "4.1")
}

fn semaphore(call: &Call, errno: Option<&str>, facts: &Facts) -> Option<Note> {
    let text = match (&*call.name, errno) {
        ("semget", None) if facts.made => "a new set of semaphores; their values are 0",
        ("semget", None) => "opened: the set that has this key",
        ("semop" | "semtimedop", None) if call.args[1].text.contains("sem_op=-") => {
            "taken: it went down by so much, after waiting if it had to"
        }
        ("semop" | "semtimedop", None) if call.args[1].text.contains("sem_op=0") => "it was 0",
        ("semop" | "semtimedop", None) => "posted: it went up, and who waits for that goes on",
        ("semop" | "semtimedop", Some("EAGAIN")) => "it would have had to wait (longer)",
        ("semctl", None) if call.args[2].text == "IPC_RMID" => {
            "removed at once; who waits on it gets EIDRM"
        }
        (_, Some("EIDRM")) => "the set was removed while it waited",
        (_, Some("EINVAL")) => "no set has this id (any more)",
        _ => return None,
    };
    note(text, "4.10")
}

fn sent(call: &Call, errno: Option<&str>, facts: &Facts) -> Option<Note> {
    let number = call.args.iter().find(|arg| arg.name == "sig")?.value;
    let to = call.args[0].value;
    if call.name == "kill" && to <= 0 && errno.is_none() {
        return note("not one process: 0 is the sender's whole group, -1 everybody", "4.9");
    }
    match errno {
        Some("ESRCH") => return note("there is no such process (any more)", "4.9"),
        Some("EPERM") => return note("there is one, and it is somebody else's", "4.9"),
        Some(_) => return None,
        None if number == 0 => return note("no signal: only asks whether there is one", "4.9"),
        None => {}
    }
    match &facts.target {
        Target::Waits(name) => note(format!("its target was in {name}: that ends it"), "4.8"),
        Target::Blocks => note("its target blocks it: it waits until it is let in", "4.8"),
        Target::Runs => note(
            "its target did not wait: a handler that runs before pause does not end that pause",
            "4.8",
        ),
        Target::Unknown => note("sent; it is delivered when its target runs next", "4.8"),
    }
}

/// A call that has not ended while others go on.
pub fn waits(call: &Call) -> Option<Note> {
    match &*call.name {
        "pause" => note("sleeps until a signal comes; one that came before does not count", "4.8"),
        "rt_sigsuspend" => note("sleeps with this mask until a handler has run", "4.8"),
        "rt_sigtimedwait" => note("sleeps until one of these signals is there to be taken", "4.10"),
        "futex" if call.args[1].text.starts_with("FUTEX_WAIT") => {
            note("sleeps while the word has this value, until somebody wakes it", "4.10")
        }
        "semop" | "semtimedop" => note("sleeps until the semaphores allow it", "4.10"),
        "msgrcv" => note("sleeps until there is such a message", "4.1"),
        "msgsnd" => note("sleeps until there is room in the queue", "4.1"),
        "wait4" | "waitid" => note("sleeps until a child has ended", "4.8"),
        _ => None,
    }
}

/// A key from a file.
pub fn ftok() -> Note {
    Note {
        text: "this key is made of the file's inode and device, and of a letter".into(),
        section: "4.4".into(),
    }
}

/// A signal that is delivered.
pub fn signal(signal: c_int, action: &str) -> Option<Note> {
    match (signal, action) {
        (libc::SIGUSR1 | libc::SIGUSR2, "default") => {
            note("there is no handler (yet): this kills the process", "4.8")
        }
        (libc::SIGUSR1 | libc::SIGUSR2, "handler") => {
            note("its handler runs, and ends a wait that has begun", "4.8")
        }
        (libc::SIGSEGV, _) => note("it touched memory that it may not touch so", "4.5"),
        _ => None,
    }
}

/// A process or a thread that was made.
pub fn born(how: &str, inherits: bool) -> Option<Note> {
    match how {
        "fork" if inherits => {
            note("it has everything attached that its parent has, at the same addresses", "4.8")
        }
        "thread" => note("it shares the memory and the attachments of its process", "4.10"),
        _ => None,
    }
}

/// A process or thread that has ended by itself.
pub fn exited(attached: bool) -> Option<Note> {
    if attached { note("exit detaches what was attached", "4.6") } else { None }
}

/// A process that a signal has killed.
pub fn killed(signal: c_int, action: &str) -> Option<Note> {
    match signal {
        libc::SIGUSR1 | libc::SIGUSR2 if action == "default" => {
            note("the signal came before there was a handler for it", "4.8")
        }
        libc::SIGKILL => note("nothing of its clean-up has run; the kernel has detached", "4.10"),
        libc::SIGSEGV => note("it touched memory that it may not touch so", "4.5"),
        _ => None,
    }
}

/// An object that is left behind.
pub fn left(kind: Kind) -> Note {
    let text = match kind {
        Kind::Shm => "it stays until somebody removes it: ipcrm -m and its id",
        Kind::Msg => "it stays until somebody removes it: ipcrm -q and its id",
        Kind::Sem => "it stays until somebody removes it: ipcrm -s and its id",
    };
    Note { text: text.into(), section: "4.7".into() }
}
