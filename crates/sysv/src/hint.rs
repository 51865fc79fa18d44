//! What a refused call means beyond its errno: which limit is reached, or whose object it is.

use nix::errno::Errno;
use nix::unistd::geteuid;

use crate::spell;
use crate::tables::{Kind, Row, limit, table};

/// What is added to the message of `call`, as it is spelled, when it has failed with `errno`.
pub fn of(call: &str, errno: Errno) -> String {
    match (call.split('(').next().unwrap_or_default(), errno) {
        (_, Errno::ENOSYS) => "; this kernel or sandbox has no System V IPC".into(),
        ("shmget", Errno::ENOSPC) => {
            let (used, most) = (table(Kind::Shm).len(), limit("shmmni"));
            let what = format!("{used} of at most {most} segments are in use, or shmall pages");
            format!("; this is not about disk space: {what}; see ipcs -mu and ipcs -ml")
        }
        ("shmget" | "shmat", Errno::EACCES) | ("shmctl", Errno::EPERM) => {
            let first = call.split(['(', ',']).nth(1).unwrap_or_default().to_string();
            let names = |row: &Row| [row.id().to_string(), spell::key(row.key())];
            let named = |row: &Row| names(row).contains(&first);
            table(Kind::Shm).into_iter().find(named).map_or(String::new(), |row| {
                let (id, mode, owner) = (row.id(), row.get("perms") & 0o777, row.get("uid"));
                let (whose, who) = match owner == geteuid().as_raw().into() {
                    true => ("yours".into(), "you"),
                    false => (format!("{}'s", spell::user(owner)), "they"),
                };
                format!("; segment {id} is {whose}, mode {mode:04o}; {who} may type ipcrm -m {id}")
            })
        }
        _ => String::new(),
    }
}
