//! The ledger: a file of this user that says what the workbook made.
//!
//! The kernel keeps a segment until somebody removes it, also after `kill -9`. So each creation is a line,
//! written before the call (with id -1), completed after it, and struck when the object is removed. An
//! object is ours only if the kernel's row says the same as the line; anything else is never touched.

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicI32, Ordering::Relaxed};
use std::time::{SystemTime, UNIX_EPOCH};
use std::{io, process};

use libc::{c_int, key_t};
use nix::fcntl::{Flock, FlockArg};
use sysv::folder;
pub use sysv::line::Line;
use sysv::process::ipc_namespace;
use sysv::tables::{self, Kind};

use super::failure::{Failure, Result};

/// The first process of this lab; -1 in a namespace that goes with what is made in it.
pub static RUN: AtomicI32 = AtomicI32::new(0);

/// A lab starts: what it and its children make from now on is gone when it ends, or is named.
pub fn start() {
    RUN.store(process::id() as i32, Relaxed);
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
    let line = Line { kind, id: -1, key, cpid, ctime, size, namespace, run };
    edit(|lines| lines.push(line.clone()))?;
    let result = get();
    // IPC_CREAT alone may have opened an older one: then no row fits the line.
    let made = result.as_ref().ok().and_then(|&id| {
        let row = tables::row(kind, id)?;
        let made = Line { id: id.into(), ctime: row.get("ctime"), ..line.clone() };
        (made.ctime >= line.ctime && made.row().is_some()).then_some(made)
    });
    edit(|lines| {
        lines.retain(|one| *one != line);
        lines.extend(made);
    })?;
    result
}

/// IPC_SET changed an object's ctime; its line follows.
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
    let dir = runtime_dir()?;
    let (file, new) = (dir.join("ledger"), dir.join("ledger.new"));
    let trouble = |error: io::Error| {
        Failure::because(format!("cannot keep the ledger {}: {error}", file.display()))
    };
    let lock = folder::open(&dir).map_err(trouble)?;
    let _lock = Flock::lock(lock, FlockArg::LockExclusive).map_err(|(_, e)| trouble(e.into()))?;
    let before = fs::read_to_string(&file).unwrap_or_default();
    let mut lines = before.lines().filter_map(Line::parse).collect();
    let result = change(&mut lines);
    let after: String = lines.iter().map(|line| format!("{line}\n")).collect();
    if after.is_empty() && !before.is_empty() {
        fs::remove_file(&file).map_err(trouble)?;
    } else if after != before {
        fs::write(&new, after).and_then(|()| fs::rename(&new, &file)).map_err(trouble)?;
    }
    Ok(result)
}

/// This user's folder for what need not outlive a boot: [`folder::own`].
pub fn runtime_dir() -> Result<PathBuf> {
    let why = "there is no folder in /tmp that only we may write in, and none can be made; \
               set XDG_RUNTIME_DIR to a folder of yours";
    folder::own("shm-workbook").ok_or_else(|| Failure::because(why))
}
