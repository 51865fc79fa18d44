//! Keys, sizes, and room for a new object: shmget, msgget, semget.

use libc::c_int;
use say::tell;
use screen::words::translated;
use sysv::tables::Kind;

use super::case::{Case, count};
use crate::syscalls::world::{Removed, World};

/// Key -1: what ftok answers when it fails.
pub fn key_of_no_file(key: i64, world: &dyn World) -> Option<String> {
    if key as c_int != -1 {
        return None;
    }
    // That file need not be ftok's: a loader looks for files, too.
    let file = match world.no_file() {
        Some((path, errno)) => tell!(" (the last file that was looked up: {path:?}, {errno:?})"),
        None => String::new(),
    };
    Some(tell!(
        "key 0xffffffff is -1, what ftok answers when it fails{file}; each program whose ftok fails \
         gets the same key"
    ))
}

pub fn no_file(case: &Case) -> Option<String> {
    key_of_no_file(case.value("key"), case.world)
}

pub fn key_removed(case: &Case) -> Option<String> {
    let Removed { id, by } = case.world.removed_key(case.kind, case.first())?;
    let noun = case.noun();
    Some(match by {
        Some(by) => {
            tell!("no {noun} has this key any more: {by} removed {noun} {id}, which had it")
        }
        None => tell!("no {noun} has this key any more: {noun} {id} had it, and was removed"),
    })
}

pub fn key_is_id(case: &Case) -> Option<String> {
    let key = case.first();
    let used = key > 0 && case.world.uses(case.kind, key);
    used.then(|| {
        let (noun, call) = (case.noun(), case.get_call());
        tell!("no {noun} has the key {key:#x}; {key} is the id of one, and {call} takes a key")
    })
}

pub fn no_key(case: &Case) -> Option<String> {
    Some(tell!("no {} has this key, and IPC_CREAT was not given", case.noun()))
}

pub fn exists(case: &Case) -> Option<String> {
    let found = case.world.with_key(case.kind, case.first());
    let noun = case.noun();
    Some(match found {
        Some(found) => {
            let (id, maker) = (found.id, found.maker);
            tell!("{noun} {id} has this key already, made by {maker}; IPC_EXCL asks for a new one")
        }
        None => tell!("a {noun} has this key already, and IPC_EXCL asks for a new one"),
    })
}

pub fn larger(case: &Case) -> Option<String> {
    let found = case.world.with_key(case.kind, case.first())?;
    let (size, asked) = (found.row.size?, case.value("size") as u64);
    (asked > size).then(|| {
        let (has, maker) = (count(size, "byte"), found.maker);
        let what = case.named(found.id);
        match asked {
            1 => tell!("{what} has {has}, {asked} was asked for; {maker} made it"),
            _ => tell!("{what} has {has}, {asked} were asked for; {maker} made it"),
        }
    })
}

/// Is the call about a new object, because none has its key?
pub fn is_new(case: &Case) -> bool {
    let key = case.first();
    key == libc::IPC_PRIVATE || case.world.with_key(case.kind, key).is_none()
}

pub fn no_bytes(case: &Case) -> Option<String> {
    let none = case.value("size") == 0 && is_new(case);
    none.then(|| translated("the size is 0: a new segment has 1 byte or more").into())
}

pub fn too_many_bytes(case: &Case) -> Option<String> {
    let (size, most) = (case.value("size") as u64, case.world.limit("shmmax")?);
    (size > most && is_new(case)).then(|| tell!("{size} bytes are more than shmmax, {most}"))
}

/// The power of two that a call asks for, in huge pages of a size of its own.
pub fn huge_shift(case: &Case) -> Option<u32> {
    let flags = case.flags();
    let shift = flags as u32 >> 26 & 0x3f;
    (flags & libc::SHM_HUGETLB != 0 && shift != 0).then_some(shift)
}

pub fn no_such_pages(case: &Case) -> Option<String> {
    let shift = huge_shift(case)?;
    let there = case.world.has_huge_pages(shift);
    (!there)
        .then(|| tell!("it is not about the size: there are no huge pages of 2^{shift} bytes here"))
}

pub fn bad_size(case: &Case) -> Option<String> {
    Some(match case.kind {
        Kind::Sem => translated("the number of semaphores is not valid").into(),
        _ => translated("the size, or the size of the pages, is not valid").into(),
    })
}

pub fn bad_count(case: &Case) -> Option<String> {
    let (asked, most) = (case.value("nsems"), case.world.limit("semmsl")?);
    let bad = asked < 0 || asked as u64 > most;
    bad.then(|| tell!("a set cannot have {asked} semaphores; the limit is {most} (semmsl)"))
}

pub fn more_semaphores(case: &Case) -> Option<String> {
    let found = case.world.with_key(case.kind, case.first())?;
    let (has, asked) = (found.row.nsems?, case.value("nsems") as u64);
    (asked > has).then(|| {
        let (has, maker) = (count(has, "semaphore"), found.maker);
        let what = case.named(found.id);
        tell!("{what} has {has}, {asked} were asked for; {maker} made it")
    })
}

pub fn no_semaphores(case: &Case) -> Option<String> {
    let none = case.value("nsems") == 0 && is_new(case);
    none.then(|| translated("nsems is 0: a new set has 1 semaphore or more").into())
}

pub fn table_full(case: &Case) -> Option<String> {
    let name = ["shmmni", "msgmni", "semmni"][case.kind as usize];
    let (there, most) = (case.world.objects(case.kind)?, case.world.limit(name)?);
    (there >= most).then(|| {
        let noun = case.noun();
        tell!("there are {there} {noun}s, and {name} allows {most}; this is not about disks")
    })
}

pub fn pages_full(case: &Case) -> Option<String> {
    let most = case.world.limit("shmall").filter(|_| case.kind == Kind::Shm)?;
    let pages = (case.value("size") as u64).div_ceil(4096);
    Some(tell!(
        "{pages} pages more would be above shmall, {most} pages for all segments; this is not about \
         disks"
    ))
}

pub fn semaphores_full(case: &Case) -> Option<String> {
    let most = case.world.limit("semmns").filter(|_| case.kind == Kind::Sem)?;
    let asked = case.value("nsems");
    Some(tell!("{asked} semaphores more would be above semmns, {most} for all sets"))
}

pub fn no_room(_: &Case) -> Option<String> {
    Some(translated("no room in the kernel's table; this is not about disks").into())
}

pub fn no_huge_pages(case: &Case) -> Option<String> {
    let huge = case.flags() & libc::SHM_HUGETLB != 0;
    huge.then(|| {
        translated("not enough huge pages are free: /proc/sys/vm/nr_hugepages is their pool").into()
    })
}

pub fn no_memory(_: &Case) -> Option<String> {
    Some(translated("the kernel has no memory for it: see vm.overcommit_memory").into())
}

pub fn huge_pages_forbidden(case: &Case) -> Option<String> {
    let huge = case.flags() & libc::SHM_HUGETLB != 0;
    huge.then(|| translated("huge pages are for root and the group vm.hugetlb_shm_group").into())
}
