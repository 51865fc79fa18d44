//! Modes and owners.

use libc::c_int;
use say::tell;
use screen::words::{chinese, translated};
use sysv::tables::Kind;

use super::case::Case;
use crate::event::{Command, Operation};

/// `read and write`, by the bits of one triplet.
pub fn rights(bits: u32) -> String {
    let names = [(4, "read"), (2, "write"), (1, "execute")];
    let names: Vec<&str> = names
        .into_iter()
        .filter(|(bit, _)| bits & bit != 0)
        .map(|(_, name)| translated(name))
        .collect();
    names.join(if chinese() { "、" } else { " and " })
}

/// The rights that a call asks for.
pub fn asked_for(case: &Case) -> u32 {
    let flags = case.flags() as u32;
    let read_only = flags & libc::SHM_RDONLY as u32 != 0;
    let execute = flags & libc::SHM_EXEC as u32 != 0;
    match &*case.call.name {
        "shmget" | "msgget" | "semget" => (flags >> 6 | flags >> 3 | flags) & 7,
        "shmat" => 4 | u32::from(!read_only) << 1 | u32::from(execute),
        "msgsnd" => 2,
        "semop" | "semtimedop" => match case.call.operation() {
            Some(Operation::Test) => 4,
            _ => 2,
        },
        "semctl" => match case.value("cmd") as c_int & 0xff {
            libc::SETVAL | libc::SETALL => 2,
            _ => 4,
        },
        _ => 4,
    }
}

pub fn forbidden(case: &Case) -> Option<String> {
    let id = case.first();
    let found = match &*case.call.name {
        "shmget" | "msgget" | "semget" => case.world.with_key(case.kind, id),
        // It has a place in the table there, no id.
        _ if case.call.command() == Some(Command::Walk) => None,
        _ => case.world.found(case.kind, id),
    };
    let asked = asked_for(case);
    let (Some(found), Some(caller)) = (found, case.world.caller()) else {
        return Some(tell!("its mode does not allow to {}", rights(asked)));
    };
    let mode = found.row.perms & 0o777;
    let (who, granted) = if [found.row.uid, found.row.cuid].contains(&caller.uid) {
        (translated("its owner"), mode >> 6)
    } else if found.groups.iter().any(|group| caller.groups.contains(group)) {
        (translated("its group"), mode >> 3 & 7)
    } else {
        (translated("others"), mode & 7)
    };
    let may = match granted {
        0 => translated("do nothing").into(),
        _ => tell!("only {}", rights(granted)),
    };
    let what = case.named(found.id);
    let decimal = in_decimal(mode).map_or(String::new(), |text| tell!("; {text}"));
    if asked & !granted == 0 {
        return Some(tell!("a security module forbids it, not the mode of {what}"));
    }
    Some(tell!(
        "{what} has mode 0{mode:03o}: {who} may {may}, uid {} asks to {}{decimal}",
        caller.uid,
        rights(asked)
    ))
}

/// A mode that nobody wants, and that a decimal number which looks like one would be.
pub fn in_decimal(mode: u32) -> Option<String> {
    let triplets = |mode: u32| [mode >> 6 & 7, mode >> 3 & 7, mode & 7];
    let wanted = |mode: u32| {
        let [owner, group, others] = triplets(mode);
        let readable = [owner, group, others].iter().all(|one| *one == 0 || one & 4 != 0);
        readable && owner | group == owner && owner | others == owner
    };
    // With the bits above: IPC_CREAT is 01000, and may have come out of the number, too.
    let meant = [mode & 0o777, mode & 0o777 | 0o1000].into_iter().find_map(|number| {
        let digits = u32::from_str_radix(&number.to_string(), 8).ok()?;
        (number >= 100 && (0o400..=0o777).contains(&digits) && wanted(digits)).then_some(number)
    });
    meant.filter(|_| mode & 0o777 != 0 && !wanted(mode & 0o777)).map(|number| {
        tell!("0{:03o} looks like a mode in decimal: {number} for 0{number}", mode & 0o777)
    })
}

pub fn not_owner(case: &Case) -> Option<String> {
    let (found, caller) = (case.world.found(case.kind, case.first())?, case.world.caller()?);
    let (uid, cuid) = (found.row.uid, found.row.cuid);
    let mine = [uid, cuid].contains(&caller.uid);
    (!mine).then(|| {
        let creator = if uid == cuid { String::new() } else { tell!(", created by uid {cuid}") };
        tell!(
            "{} belongs to uid {uid}{creator}; uid {} is neither its owner nor its creator, nor root",
            case.named(found.id),
            caller.uid
        )
    })
}

pub fn lock_forbidden(case: &Case) -> Option<String> {
    let lock = case.call.command() == Some(Command::Lock);
    lock.then(|| translated("it is more than the process may lock in memory: ulimit -l").into())
}

pub fn queue_limit(case: &Case) -> Option<String> {
    let set = case.kind == Kind::Msg && case.call.command() == Some(Command::Set);
    set.then(|| translated("only root may give a queue more bytes than msgmnb").into())
}
