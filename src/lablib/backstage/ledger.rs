//! The ledger: a file of this user that says what the workbook made.
//!
//! The kernel keeps a segment until somebody removes it, also after `kill -9`. So each creation is a line,
//! written before the call (with id -1), completed after it, and struck when the object is removed. An
//! object is ours only if the kernel's row says the same as the line; anything else is never touched.

use std::fs::{self, DirBuilder, File};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::PathBuf;
use std::sync::atomic::{AtomicI32, Ordering::Relaxed};
use std::time::{SystemTime, UNIX_EPOCH};
use std::{fmt, io, process};

use libc::{c_int, key_t};
use nix::fcntl::{Flock, FlockArg};
use nix::unistd::geteuid;
use sysv::process::ipc_namespace;
use sysv::tables::{self, Kind, Row};

use super::failure::{Failure, Result};

/// One creation, as the ledger keeps it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Line {
    /// What was made.
    pub kind: Kind,
    /// Its id; -1 while it is being made.
    pub id: i64,
    /// Its key when it was made.
    pub key: key_t,
    /// Who made it.
    pub cpid: i32,
    /// When it was made or last set, in seconds since 1970.
    pub ctime: i64,
    /// Bytes, or semaphores; a queue has 0.
    pub size: i64,
    /// The IPC namespace it lives in.
    namespace: u64,
    /// The first process of the lab that made it.
    pub run: i32,
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let Line { kind, id, key, cpid, ctime, size, namespace, run } = self;
        write!(f, "{} {id} {key} {cpid} {ctime} {size} {namespace} {run}", kind.name())
    }
}

impl Line {
    fn parse(text: &str) -> Option<Line> {
        let mut words = text.split(' ');
        let name = words.next()?;
        let kind = Kind::ALL.into_iter().find(|kind| kind.name() == name)?;
        let numbers: Vec<i64> = words.map_while(|word| word.parse().ok()).collect();
        let [id, key, cpid, ctime, size, namespace, run] = numbers[..] else { return None };
        let (key, cpid, namespace, run) = (key as key_t, cpid as i32, namespace as u64, run as i32);
        Some(Line { kind, id, key, cpid, ctime, size, namespace, run })
    }

    /// Is it in the IPC namespace of this process?
    pub fn here(&self) -> bool {
        Some(self.namespace) == ipc_namespace("self")
    }

    /// The kernel's row of this very object, if it is there, visible from here, and not removed:
    /// one that waits for its last detach will go without us.
    pub fn row(&self) -> Option<Row> {
        if !self.here() {
            return None;
        }
        tables::table(self.kind).into_iter().find(|row| {
            let made = row.get("ctime");
            let size = row.get(if self.kind == Kind::Sem { "nsems" } else { "size" });
            let known = self.id >= 0 && row.id() == self.id && made == self.ctime;
            (known || (self.id < 0 && made >= self.ctime))
                && !row.is_dest()
                && row.key() == self.key
                && size == self.size
                && row.get("cuid") == geteuid().as_raw().into()
                && (self.kind != Kind::Shm || row.get("cpid") == self.cpid.into())
        })
    }
}

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
    let lock = File::open(&dir).map_err(trouble)?;
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

/// This user's folder for what need not outlive a boot: `$XDG_RUNTIME_DIR/shm-workbook`, or
/// `/tmp/shm-workbook-UID`. Made with mode 0700; one that belongs to somebody else is refused.
pub fn runtime_dir() -> Result<PathBuf> {
    let given = std::env::var_os("XDG_RUNTIME_DIR").filter(|dir| !dir.is_empty());
    let given = given.map(|dir| PathBuf::from(dir).join("shm-workbook"));
    let fallback = PathBuf::from(format!("/tmp/shm-workbook-{}", geteuid()));
    for dir in given.into_iter().chain([fallback.clone()]) {
        // It may exist already; whether it will do is looked at next.
        let _ = DirBuilder::new().mode(0o700).create(&dir);
        let found = fs::symlink_metadata(&dir);
        if found.is_ok_and(|found| found.is_dir() && found.uid() == geteuid().as_raw()) {
            return Ok(dir);
        }
    }
    let dir = fallback.display();
    Err(Failure::because(format!("{dir} is not a folder of ours; set XDG_RUNTIME_DIR to one")))
}
