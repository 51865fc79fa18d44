//! What the descriptors of a process stand for.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::ErrorKind;
use std::os::unix::ffi::OsStrExt;

use libc::c_int;

use crate::tracer::memory::records;
use crate::tracer::{Entry, Tid};

/// What a descriptor of a process is a link to. pidfd_open(2)
pub const PIDFD: &str = "anon_inode:[pidfd]";

/// The process that such a descriptor is of, unless it was waited for.
pub fn of_pidfd(tid: Tid, fd: u64) -> Option<Tid> {
    let pid = field(&format!("{tid}/fdinfo/{}", fd as i32), "Pid:")?;
    pid.parse().ok().filter(|pid| *pid > 0)
}

/// Is it something else than a file or a folder, or may it be? One that is not there will be a file.
pub fn is_no_file(tid: Tid, folder: c_int, path: &[u8]) -> bool {
    let path = OsStr::from_bytes(path);
    let from = match (path.as_bytes().first(), folder) {
        (Some(b'/'), _) => "root".into(),
        (_, libc::AT_FDCWD) => "cwd".into(),
        (_, fd) => format!("fd/{fd}"),
    };
    let mut whole = OsString::from(format!("/proc/{tid}/{from}/"));
    whole.push(path);
    match fs::symlink_metadata(whole) {
        Ok(found) => !found.is_file() && !found.is_dir(),
        Err(error) => error.kind() != ErrorKind::NotFound,
    }
}

/// What a descriptor is; `None`: it is not open.
pub fn descriptor(tid: Tid, fd: u64) -> Option<String> {
    let link = fs::read_link(format!("/proc/{tid}/fd/{}", fd as i32)).ok()?;
    link.into_os_string().into_string().ok()
}

/// What the descriptors of a process are links to; `None`: they cannot be read.
pub fn descriptors(tid: Tid) -> Option<Vec<String>> {
    let link = |entry: std::io::Result<fs::DirEntry>| {
        fs::read_link(entry.ok()?.path()).ok()?.into_os_string().into_string().ok()
    };
    fs::read_dir(format!("/proc/{tid}/fd")).ok()?.map(link).collect()
}

/// What is known of a process's end before it ends.
#[derive(Clone, Copy, Default)]
pub struct Leaves {
    /// What it does to its descriptors and its robust locks.
    pub known: bool,
    /// It has no file locked.
    pub unlocked: bool,
    /// A thread that ends then holds robust locks.
    pub locks: bool,
}

/// Does one of its descriptors stand for a file that it has locked? Also if that cannot be known.
pub fn has_locked_files(tid: Tid) -> bool {
    let locked = |entry: std::io::Result<fs::DirEntry>| {
        let text = entry.and_then(|entry| fs::read_to_string(entry.path()));
        text.is_ok_and(|text| text.lines().any(|line| line.starts_with("lock:")))
    };
    fs::read_dir(format!("/proc/{tid}/fdinfo")).map_or(true, |mut all| all.any(locked))
}

/// Of a poll with more descriptors than this, none is looked at.
const POLLED: usize = 64;

/// The descriptors that a poll asks about; `None`: they are too many, or cannot be read.
pub fn polled(tid: Tid, entry: &Entry) -> Option<Vec<libc::pollfd>> {
    let count = Some(entry.args[1] as usize).filter(|count| *count <= POLLED)?;
    let mut list: Vec<libc::pollfd> = records(tid, entry.args[0], count);
    let whole = list.len() == count;
    list.retain(|one| one.fd >= 0);
    whole.then_some(list)
}

/// A field of a file in /proc, by its name.
pub fn field(file: &str, name: &str) -> Option<String> {
    let text = fs::read_to_string(format!("/proc/{file}")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    Some(line.trim().into())
}
