//! The ledger: a file of this user that says what the workbook made.
//!
//! The kernel keeps a segment until somebody removes it, also after `kill -9`. So each creation is a line,
//! written before the call (with id -1), completed after it, and struck when the object is removed. An
//! object is ours only if the kernel's row says the same as the line; anything else is never touched.

use std::path::PathBuf;
use std::process;
use std::sync::atomic::{AtomicI32, Ordering::Relaxed};
use std::time::{SystemTime, UNIX_EPOCH};

use libc::{c_int, key_t};
use sysv::folder;
pub use sysv::line::Line;
use sysv::process::ipc_namespace;
use sysv::tables::{self, Kind};

use super::failure::{Failure, Result, looked};

/// The first process of this lab; -1 in a namespace that goes with what is made in it.
pub static RUN: AtomicI32 = AtomicI32::new(0);
/// The process that made something last: this one, or one that has forked it.
pub static MAKER: AtomicI32 = AtomicI32::new(0);

/// A lab starts: what it and its children make from now on is gone when it ends, or is named. It makes
/// nothing where it could not keep a ledger about it.
pub fn start() -> Result<()> {
    runtime_dir()?;
    RUN.store(process::id() as i32, Relaxed);
    Ok(())
}

/// Makes an object by `get`, and keeps the ledger about it.
pub fn making(
    kind: Kind,
    key: key_t,
    size: usize,
    flags: c_int,
    get: impl FnOnce() -> Result<c_int>,
) -> Result<c_int> {
    let opens = key != libc::IPC_PRIVATE && flags & libc::IPC_CREAT == 0;
    if opens || RUN.load(Relaxed) < 0 {
        return get();
    }
    let cpid = process::id() as i32;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs() as i64);
    // The kernel stamps an object with the second of the last tick, which may be the one before.
    let (ctime, size, run) = (now - 1, size as i64, RUN.load(Relaxed));
    let namespace = ipc_namespace("self").unwrap_or(0);
    looked()?;
    let line = Line { kind, id: -1, key, cpid, ctime, size, namespace, run };
    MAKER.store(cpid, Relaxed);
    edit(|lines| lines.push(line.clone()))?;
    let result = get();
    // IPC_CREAT alone may have opened an older one: then no row fits the line. If we cannot know, it stays.
    let made = result.as_ref().ok().and_then(|&id| {
        let row = tables::row(kind, id)?;
        let made = Line { id: id.into(), ctime: row.get("ctime"), ..line.clone() };
        (made.ctime >= line.ctime && made.fits(&row)).then_some(made)
    });
    looked()?;
    edit(|lines| {
        lines.retain(|one| *one != line);
        lines.extend(made);
    })?;
    result
}

/// IPC_SET, or SETVAL, changed an object's ctime; its line follows.
pub fn changed(kind: Kind, id: c_int) -> Result<()> {
    let ctime = tables::row(kind, id).map_or(0, |row| row.get("ctime"));
    let same = |line: &&mut Line| (line.kind, line.id) == (kind, id.into());
    edit(|lines| lines.iter_mut().filter(same).for_each(|line| line.ctime = ctime))
}

/// An object was removed: its line is struck.
pub fn removed(kind: Kind, id: c_int) -> Result<()> {
    let gone = |line: &Line| line.kind == kind && line.id == i64::from(id) && line.here();
    edit(|lines| lines.retain(|line| !gone(line)))
}

/// Every line of the ledger.
pub fn lines() -> Result<Vec<Line>> {
    edit(|lines| lines.clone())
}

/// Changes the ledger while nobody else does.
pub fn edit<T>(change: impl FnOnce(&mut Vec<Line>) -> T) -> Result<T> {
    sysv::ledger::edit("shm-workbook", change).map_err(|(call, error)| Failure::of(call)(error))
}

/// This user's folder for what need not outlive a boot: [`folder::own`].
pub fn runtime_dir() -> Result<PathBuf> {
    let own = folder::own("shm-workbook").map_err(|(call, error)| Failure::of(call)(error))?;
    Ok(own.0)
}
