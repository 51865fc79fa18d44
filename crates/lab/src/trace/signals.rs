//! Signals as the kernel has them at this moment: what a target is doing, and what has interrupted a
//! call. /proc says more than the calls that were seen.

use std::fs::File;
use std::io::Read;

use libc::c_int;

use super::books::Books;
use super::doing::Doing;
use crate::event::Action;
use crate::syscalls;
use crate::syscalls::cells::{Addressee, LetsIn, Sleep, Wakes};
use crate::syscalls::notes::{Fate, Interruption, Target, fate};
use crate::tracer::Tid;

/// What /proc/PID/status says of a thread and its signals; masks, bit n - 1 for signal n.
struct Look {
    state: char,
    blocked: u64,
    ignored: u64,
    caught: u64,
    /// For this thread alone, and for its whole process.
    pending: [u64; 2],
}

impl Look {
    fn at(tid: Tid) -> Option<Look> {
        let text = read(&format!("/proc/{tid}/status"))?;
        let mut look = Look { state: '?', blocked: 0, ignored: 0, caught: 0, pending: [0, 0] };
        for (name, value) in text.lines().filter_map(|line| line.split_once(":\t")) {
            let mask = || u64::from_str_radix(value, 16).unwrap_or(0);
            match name {
                "State" => look.state = value.chars().next()?,
                "SigPnd" => look.pending[0] = mask(),
                "ShdPnd" => look.pending[1] = mask(),
                "SigBlk" => look.blocked = mask(),
                "SigIgn" => look.ignored = mask(),
                "SigCgt" => {
                    look.caught = mask();
                    break;
                }
                _ => {}
            }
        }
        Some(look)
    }

    fn fate(&self, signal: c_int) -> Fate {
        let has = |mask: u64| mask >> (signal - 1) & 1 == 1;
        let action = match (has(self.caught), has(self.ignored)) {
            (true, _) => Action::Handler,
            (_, true) => Action::Ignore,
            _ => Action::Default,
        };
        fate(signal, action)
    }

    fn blocks(&self, signal: c_int) -> bool {
        self.blocked >> (signal - 1) & 1 == 1
    }
}

/// A short file of /proc, in one read: each signal costs one or two of them.
fn read(path: &str) -> Option<String> {
    let mut bytes = [0; 4096];
    let len = File::open(path).ok()?.read(&mut bytes).ok()?;
    Some(String::from_utf8_lossy(&bytes[..len]).into_owned())
}

/// The call in which a thread sleeps.
fn asleep_in(tid: Tid, look: &Look) -> Option<String> {
    if look.state != 'S' {
        return None;
    }
    let number = read(&format!("/proc/{tid}/syscall"))?.split(' ').next()?.parse().ok()?;
    Some(syscalls::spoken(&syscalls::name(number), false).to_string())
}

/// For a signal that is about to be sent: what its target is doing.
pub fn target(books: &Books, tid: Tid, doing: &Doing) -> Target {
    let Wakes::Addressee(to) = doing.row.wakes else { return Target::Unknown };
    let args = &doing.entry.args;
    let signal = args[to.signal()] as c_int;
    let (whole, to) = match to {
        Addressee::Process => (true, args[0] as Tid),
        Addressee::Thread => (false, args[0] as Tid),
        Addressee::ThreadOf => (false, args[1] as Tid),
        Addressee::Pidfd => return Target::Unknown,
    };
    if !(1..=64).contains(&signal) || to <= 0 {
        return Target::Unknown;
    }
    // The kernel gives a signal for a process to its main thread, if that lets it in.
    let mut threads = if whole { books.threads_of(to) } else { vec![to] };
    threads.retain(|thread| books.thread(*thread).is_some());
    threads.sort_unstable_by_key(|thread| *thread != to);
    let looks: Vec<(Tid, Look)> =
        threads.into_iter().filter_map(|thread| Some((thread, Look::at(thread)?))).collect();
    if looks.is_empty() {
        let dead = books.ended(to).is_some() && Look::at(to).is_some_and(|look| look.state == 'Z');
        return if dead { Target::Ended } else { Target::Unknown };
    }
    if let Some(name) = looks.iter().find_map(|(thread, _)| takes(books, *thread, signal)) {
        return Target::Takes(name);
    }
    let Some((thread, look)) = looks.iter().find(|(_, look)| !look.blocks(signal)) else {
        return Target::Blocks;
    };
    match look.fate(signal) {
        Fate::Ignored => Target::Ignores,
        Fate::Stops => Target::Stops,
        Fate::Continues => Target::Unknown,
        _ if *thread == tid => Target::Itself,
        Fate::Kills => Target::Dies,
        Fate::Handler => asleep_in(*thread, look).map_or(Target::Runs, Target::Waits),
    }
}

/// The call in which a thread waits for such a signal without a handler.
fn takes(books: &Books, thread: Tid, signal: c_int) -> Option<String> {
    let doing = books.doing(thread)?;
    let taken = doing.row.sleep == Sleep::Signal(LetsIn::Taken);
    let set = doing.call.as_ref().filter(|_| taken)?.signals()?;
    (set >> (signal - 1) & 1 == 1).then(|| syscalls::spoken(doing.row.name, true).to_string())
}

/// The signal that has interrupted the call of a thread: it will be delivered next.
pub fn interruption(books: &Books, tid: Tid) -> Option<Interruption> {
    let look = Look::at(tid)?;
    let open =
        look.pending.map(|pending| pending & !look.blocked).into_iter().find(|it| *it != 0)?;
    let signal = open.trailing_zeros() as c_int + 1;
    let known = books.process_of(tid).and_then(|process| process.disposition(signal));
    Some(Interruption {
        signal,
        fate: look.fate(signal),
        restarts: known.map(|disposition| disposition.restarts()),
    })
}

/// Has a process a handler for this signal?
pub fn handles(tid: Tid, signal: c_int) -> bool {
    Look::at(tid).is_some_and(|look| look.caught >> (signal - 1) & 1 == 1)
}

/// Does a process ignore this signal?
pub fn ignores(tid: Tid, signal: c_int) -> bool {
    Look::at(tid).is_some_and(|look| look.ignored >> (signal - 1) & 1 == 1)
}
