//! A process apart: in an IPC namespace of its own, or of another user.

use std::fs;

use nix::sched::{CloneFlags, unshare};
use nix::unistd::{Gid, Uid, getegid, geteuid, setgroups, setresgid, setresuid};

use crate::look::asked_if_allowed;

/// Enters an IPC namespace of its own, which is empty and has limits of its own, as root of it. False where
/// the machine does not allow it.
pub fn own_ipc() -> bool {
    let (uid, gid, root) = (geteuid(), getegid(), geteuid().is_root());
    let flags = if root { CloneFlags::empty() } else { CloneFlags::CLONE_NEWUSER };
    let map = |file: &str, text: String| {
        let (path, call) = (format!("/proc/self/{file}"), format!("write(\"/proc/self/{file}\")"));
        root || asked_if_allowed(&call, fs::write(path, text)).is_some()
    };
    unshare(flags | CloneFlags::CLONE_NEWIPC).is_ok()
        && map("setgroups", "deny".into())
        && map("uid_map", format!("0 {uid} 1"))
        && map("gid_map", format!("0 {gid} 1"))
}

/// Becomes another user, without any privilege. EPERM unless this is root.
pub fn other_user(id: u32) -> nix::Result<()> {
    let (uid, gid) = (Uid::from_raw(id), Gid::from_raw(id));
    setgroups(&[])?;
    setresgid(gid, gid, gid)?;
    setresuid(uid, uid, uid)
}

/// Can there be processes of other users here? Only root makes them, and root of a user namespace only if
/// the namespace has other users.
pub fn has_other_users() -> bool {
    let map = fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    let covers = |line: &str| {
        let numbers: Vec<u64> = line.split_whitespace().filter_map(|n| n.parse().ok()).collect();
        matches!(numbers[..], [first, _, count] if first < 65534 && first + count > 65534)
    };
    geteuid().is_root() && map.lines().any(covers)
}
