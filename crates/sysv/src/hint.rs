//! What a refused call means beyond its errno: which limit is reached, or whose object it is.

use nix::errno::Errno;
use nix::unistd::geteuid;

use crate::spell;
use crate::tables::{Kind, Row, limit, table};

/// What is added to the message of `call`, as it is spelled, when it has failed with `errno`.
pub fn of(call: &str, errno: Errno) -> String {
    let name = call.split('(').next().unwrap_or_default();
    let kind = Kind::ALL.into_iter().find(|kind| name.starts_with(kind.name()));
    match (name, errno) {
        (_, Errno::ENOSYS) if kind.is_some() => {
            "; this kernel or sandbox has no System V IPC".into()
        }
        ("shmget", Errno::ENOSPC) => {
            let (used, most) = (table(Kind::Shm).len(), limit("shmmni"));
            let what = format!("{used} of at most {most} segments are in use, or shmall pages");
            format!("; this is not about disk space: {what}; see ipcs -mu and ipcs -ml")
        }
        ("shmget" | "msgget" | "semget", Errno::EACCES | Errno::EEXIST)
        | ("shmat" | "msgsnd" | "msgrcv" | "semop", Errno::EACCES)
        | ("shmctl" | "msgctl" | "semctl", Errno::EPERM) => {
            let kind = kind.unwrap_or(Kind::Shm);
            let first = call.split(['(', ',']).nth(1).unwrap_or_default().to_string();
            let key = |row: &Row| row.key() != 0 && spell::key(row.key()) == first;
            let named = |row: &Row| key(row) || row.id().to_string() == first;
            table(kind).into_iter().find(named).map_or(String::new(), |row| {
                let (id, mode, owner) = (row.id(), row.get("perms") & 0o777, row.get("uid"));
                let (whose, who) = match owner == geteuid().as_raw().into() {
                    true => ("yours".into(), "you"),
                    false => (format!("{}'s", spell::user(owner)), "they"),
                };
                let (noun, option) = (kind.noun(), kind.option());
                format!(
                    "; {noun} {id} is {whose}, mode {mode:04o}; {who} may type ipcrm {option} {id}"
                )
            })
        }
        _ => String::new(),
    }
}

/// The limit for which shmget was refused, if it is lower here than Linux has it by default: what is needed,
/// and what grants it. An experiment that needs more says so; that is no answer of its lesson.
pub fn lowered(call: &str, errno: Errno) -> Option<(String, &'static str)> {
    let number = |word: Option<&str>| word.and_then(|word| word.trim().parse::<u64>().ok());
    let size = number(call.split(',').nth(1)).unwrap_or(0);
    let of = |limit: &str, needs: String| format!("{needs}, and kernel.{limit} is lower here");
    // 0: it cannot be read.
    let below = |name: &str, least: u64| (1..least).contains(&limit(name));
    match errno {
        _ if !call.starts_with("shmget(") => None,
        Errno::ENOSPC if below("shmmni", 4096) => {
            Some((of("shmmni", "more segments at once".into()), "set sysctl kernel.shmmni=4096"))
        }
        Errno::ENOSPC if below("shmall", 1 << 20) => {
            Some((of("shmall", "more pages at once".into()), "set sysctl kernel.shmall=4194304"))
        }
        Errno::EINVAL if below("shmmax", size) => {
            let what = of("shmmax", format!("a segment of {size} bytes"));
            Some((what, "set sysctl kernel.shmmax=1073741824"))
        }
        Errno::ENOMEM if strictly() => {
            let what = format!("{size} bytes of memory, and vm.overcommit_memory is 2 here");
            Some((what, "set sysctl vm.overcommit_memory=0"))
        }
        _ => None,
    }
}

/// Does the kernel promise no more memory than there is?
fn strictly() -> bool {
    let mode = std::fs::read_to_string("/proc/sys/vm/overcommit_memory").unwrap_or_default();
    mode.trim() == "2"
}
