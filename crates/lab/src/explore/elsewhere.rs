//! Files that a run may change where another run, at the same time, finds them: outside of what the room has of its
//! own.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use libc::c_int;

use super::calls::known;
use super::descriptors::descriptor;
use crate::syscalls::args::As;
use crate::syscalls::cells::{CallRow, Changes, Point, Touch};
use crate::tracer::memory::{record, string};
use crate::tracer::{Entry, Tid};

/// May a call that is about to be made do that? `is_own`: of a path.
pub fn changes(tid: Tid, entry: &Entry, is_own: impl Fn(&Path) -> bool) -> bool {
    // One that is not known may do anything.
    let Some(row) = known(entry) else { return true };
    let inside = |path: &Path| {
        let plain = !path.components().any(|part| part == Component::ParentDir);
        path == Path::new("/dev/null") || plain && is_own(path)
    };
    let by_descriptor = || match descriptor(tid, entry.args[0]) {
        Some(link) if link.starts_with('/') => !inside(Path::new(&link)),
        _ => false,
    };
    match row.changes {
        Changes::Lock => return by_descriptor(),
        // Its name may be a path.
        Changes::Binds => {
            let family: Option<u16> = record(tid, entry.args[1]);
            return family.is_none_or(|family| c_int::from(family) == libc::AF_UNIX);
        }
        _ => {}
    }
    if !row.touches.contains(&Touch::Files) || only_reads(row, entry) {
        return false;
    }
    let names: Vec<usize> =
        (0..row.params.len()).filter(|at| row.params[*at].is == As::Path).collect();
    if names.is_empty() {
        return by_descriptor();
    }
    !names.iter().all(|at| path(tid, entry, row, *at).is_some_and(|path| inside(&path)))
}

/// Does it open a file only to read what is there?
fn only_reads(row: &CallRow, entry: &Entry) -> bool {
    let Point::Open { path } = row.point else { return false };
    let changes = libc::O_ACCMODE | libc::O_CREAT | libc::O_TRUNC;
    entry.args[path + 1] & changes as u64 == 0
}

/// The path that an argument names; `None`: that is not known.
fn path(tid: Tid, entry: &Entry, row: &CallRow, at: usize) -> Option<PathBuf> {
    let name = string(tid, entry.args[at], 4096)?;
    let name = Path::new(OsStr::from_bytes(&name));
    let folder = at.checked_sub(1).filter(|before| row.params[*before].is == As::Dir);
    match folder {
        _ if name.is_absolute() => Some(name.into()),
        Some(folder) if entry.args[folder] as c_int != libc::AT_FDCWD => None,
        _ => Some(fs::read_link(format!("/proc/{tid}/cwd")).ok()?.join(name)),
    }
}
