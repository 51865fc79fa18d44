//! All knowledge about system calls: one table, one row for each call. Code that needs a fact about
//! a call reads its row; there is no other list of calls.
//!
//! | module | what it holds |
//! |---|---|
//! | [`ipc`], [`signals`], [`processes`], [`memory`], [`files`], [`sockets`], [`time`] | the rows, a family each |
//! | [`cells`] | what a row's cells can say |
//! | [`unknown`] | the names of all other calls |
//! | [`decode`], [`args`], [`records`] | a call, spelled as `strace` spells it |
//! | [`spelling`] | the same as C has it |
//! | [`notes`] | what a call means, in a sentence |
//! | [`causes`] | why one failed: the table of causes |
//! | [`pointers`], [`robust`] | where the kernel looks into memory; locks of threads that end |
//! | [`world`] | what is known beside a call |
//!
//! A new call is a row in its family's file. The tests hold rows and [`unknown`] together against the
//! kernel's own list.

use std::borrow::Cow;
use std::sync::LazyLock;

use libc::c_int;

use crate::tracer::filter::{Only, Rules};
use crate::tracer::memory::record;
use crate::tracer::{Entry, Tid};

pub mod args;
pub mod causes;
pub mod cells;
pub mod decode;
mod files;
mod ipc;
mod memory;
pub mod notes;
pub mod pointers;
mod processes;
mod records;
pub mod robust;
mod signals;
mod sockets;
mod spelling;
#[cfg(test)]
mod tests;
mod time;
mod unknown;
pub mod world;

#[cfg(target_arch = "x86_64")]
pub use unknown::only_points;

#[cfg(target_arch = "x86_64")]
pub use spelling::in_c;

use cells::{CallRow, CloneFlags, Shown, Wakes};

/// All rows, family by family.
const FAMILIES: [&[CallRow]; 7] = [
    ipc::ROWS,
    signals::ROWS,
    processes::ROWS,
    memory::ROWS,
    files::ROWS,
    sockets::ROWS,
    time::ROWS,
];

/// The rows by number: a call is looked up at each of its stops.
static TABLE: LazyLock<Vec<Option<&'static CallRow>>> = LazyLock::new(|| {
    let mut table = vec![];
    for row in FAMILIES.into_iter().flatten() {
        let number = row.number as usize;
        if table.len() <= number {
            table.resize(number + 1, None);
        }
        table[number] = Some(row);
    }
    table
});

fn rows() -> impl Iterator<Item = &'static CallRow> {
    TABLE.iter().filter_map(|row| *row)
}

/// What is known of a call; `None`: it is unknown.
pub fn row(number: i64) -> Option<&'static CallRow> {
    *TABLE.get(usize::try_from(number).ok()?)?
}

/// A call's name, also of one that is unknown.
pub fn name(number: i64) -> Cow<'static, str> {
    let unknown = || unknown::name(number);
    let name = row(number).map(|row| row.name).or_else(unknown);
    name.map_or_else(|| format!("syscall_{number:#x}").into(), Cow::Borrowed)
}

/// A call's name, as C has it: semop without a limit is made as semtimedop.
pub fn spoken(name: &str, limited: bool) -> &str {
    if name == "semtimedop" && !limited { "semop" } else { name.trim_start_matches("rt_") }
}

/// Signals by which programs wake, stop and end each other, and whose handlers are worth a line.
const WAKE_UPS: [c_int; 7] = [
    libc::SIGHUP,
    libc::SIGINT,
    libc::SIGUSR1,
    libc::SIGUSR2,
    libc::SIGALRM,
    libc::SIGTERM,
    libc::SIGCHLD,
];

/// Those of them that have no name: the real-time signals, without the C library's own.
const REAL_TIME: std::ops::RangeInclusive<c_int> = 34..=64;

/// Are calls looked at that set what this signal does?
pub fn handler_is_seen(signal: c_int) -> bool {
    WAKE_UPS.contains(&signal) || REAL_TIME.contains(&signal)
}

/// The calls that `lab trace` stops at.
pub fn shown() -> Rules {
    let rule = |row: &CallRow| {
        let only = match row.shown {
            Shown::Never => return None,
            Shown::Output => Some(Only::one_of(0, vec![1, 2])),
            Shown::Handlers => Some(Only::one_of(
                0,
                WAKE_UPS.into_iter().chain(REAL_TIME).map(|s| s as u32).collect(),
            )),
            // An open file is looked up with another first argument.
            Shown::FileAt => Some(Only::one_of(0, vec![libc::AT_FDCWD as u32])),
            _ => None,
        };
        Some((row.number, only))
    };
    rows().filter_map(rule).collect()
}

/// The same, and those with which a thread or a process ends: what it has stored is looked at before.
pub fn shown_and_ends() -> Rules {
    let ends = rows().filter(|row| row.changes.ends() && row.shown == Shown::Never);
    shown().into_iter().chain(ends.map(|row| (row.number, None))).collect()
}

/// The row of a call that `lab trace` does something about. The filter stops at these alone.
pub fn looked_at(entry: &Entry) -> Option<&'static CallRow> {
    let first = entry.args[0] as c_int;
    row(entry.number).filter(|row| match row.shown {
        Shown::Never => false,
        Shown::Output => first == 1 || first == 2,
        Shown::Handlers => handler_is_seen(first),
        Shown::FileAt => first == libc::AT_FDCWD,
        _ => true,
    })
}

/// What stands in the fourth argument of a call that `lab explore` has a program make, and that takes three.
pub const OURS: u32 = 0x6c61_6221;

/// The calls at which `lab explore` does not stop: nobody else can tell them from no call.
#[cfg(target_arch = "x86_64")]
pub fn harmless() -> Rules {
    use cells::Point;
    let rule = |row: &CallRow| match row.point {
        // A mapping of its own; others may share all the rest.
        Point::Mapping => {
            // And one that takes the place of another.
            let mask = (libc::MAP_TYPE | libc::MAP_FIXED) as u32;
            let private = Only { argument: 3, mask, values: vec![libc::MAP_PRIVATE as u32] };
            Some((row.number, Some(private)))
        }
        // One that is ours: the program's has no fourth argument.
        _ if row.changes == cells::Changes::Protects => {
            Some((row.number, Some(Only::one_of(3, vec![OURS]))))
        }
        _ => None,
    };
    let named = unknown::HARMLESS.iter().map(|(number, _)| (*number, None));
    rows().filter_map(rule).chain(named).collect()
}

/// The flags of a call that makes a process or a thread; 0 for any other.
pub fn clone_flags(tid: Tid, entry: &Entry) -> u64 {
    let Some(CallRow { wakes: Wakes::Child(flags), .. }) = row(entry.number) else { return 0 };
    match flags {
        CloneFlags::None => 0,
        CloneFlags::Vfork => (libc::CLONE_VM | libc::CLONE_VFORK) as u64,
        CloneFlags::First => entry.args[0],
        CloneFlags::Record => record(tid, entry.args[0]).unwrap_or(0),
    }
}
