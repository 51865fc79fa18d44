//! Addresses: of shmat, of shmdt, and of an access.

use nix::errno::Errno;
use say::tell;
use screen::words::translated;

use super::case::{Case, count};
use crate::syscalls::world::{Attached, Source, World};

pub fn odd_address(case: &Case) -> Option<String> {
    let at = case.value("shmaddr") as u64;
    let odd = !at.is_multiple_of(4096) && case.flags() & libc::SHM_RND == 0;
    odd.then(|| tell!("{at:#x} is not the start of a page; SHM_RND would round it down"))
}

pub fn remap_nowhere(case: &Case) -> Option<String> {
    let nowhere = case.value("shmaddr") == 0 && case.flags() & libc::SHM_REMAP != 0;
    nowhere.then(|| translated("SHM_REMAP needs an address").into())
}

pub fn occupied(case: &Case) -> Option<String> {
    let at = case.value("shmaddr") as u64 & !4095;
    let size = case.world.found(case.kind, case.first()).and_then(|found| found.row.size)?;
    let there = case.world.mapped(at, at.saturating_add(size));
    Some(match there {
        Some(what) => tell!("{what} is mapped there; SHM_REMAP would replace it"),
        None => tell!("a segment of {size} bytes cannot be attached at this address"),
    })
}

/// No process has memory there: the kernel's half.
pub fn far_address(case: &Case) -> Option<String> {
    let at = case.value("shmaddr") as u64;
    (at >= 1 << 47).then(|| tell!("{at:#x} is not in the part of the addresses that a process has"))
}

pub fn no_address_space(case: &Case) -> Option<String> {
    let size = case.world.found(case.kind, case.first()).and_then(|found| found.row.size);
    let size = size.map_or(translated("the segment").into(), |size| count(size, "byte"));
    Some(tell!("no room for {size} in the address space of this process: ulimit -v"))
}

pub fn low_address(case: &Case) -> Option<String> {
    let at = case.value("shmaddr") as u64;
    Some(if at != 0 && at < 1 << 16 {
        tell!("{at:#x} is below vm.mmap_min_addr: a NULL pointer must not lead to memory")
    } else {
        translated("the kernel, or a security module, forbids it").into()
    })
}

pub fn failed_address(case: &Case) -> Option<String> {
    let at = case.value("shmaddr");
    let failed = case.world.failed(Source::Attach).filter(|_| at == -1);
    match (at, failed) {
        (-1, Some((_, errno))) => {
            Some(tell!("-1 is the answer of the shmat that failed ({errno:?})"))
        }
        (-1, None) => {
            Some(translated("-1 is no address: it is what shmat answers when it fails").into())
        }
        (0, _) => Some(translated("NULL is no address at which a segment is attached").into()),
        _ => None,
    }
}

pub fn inside(case: &Case) -> Option<String> {
    let at = case.value("shmaddr") as u64;
    let all = case.world.attached();
    let around = all.iter().find(|one| one.start <= at && at < one.end && one.base < at);
    let Attached { id, base, .. } = *around?;
    let into = count(at - base, "byte");
    Some(tell!("{into} into shmid {id}, which is attached at {base:#x}; shmdt takes that address"))
}

pub fn moved(case: &Case) -> Option<String> {
    let at = case.value("shmaddr") as u64;
    let id = case.world.attached_by_shmat(at)?;
    let all = case.world.attached();
    let there = all.iter().find(|one| one.id == id && one.base != at);
    Some(match there {
        Some(one) => {
            tell!("shmid {id} was moved from here by mremap: it is at {:#x} now", one.base)
        }
        None => tell!("shmid {id} was attached here, and munmap has taken it away"),
    })
}

pub fn detached(case: &Case) -> Option<String> {
    let id = case.world.was_attached(case.value("shmaddr") as u64)?;
    Some(tell!("shmid {id} was attached here, and shmdt has detached it already"))
}

pub fn behind(case: &Case) -> Option<String> {
    let at = case.value("shmaddr") as u64;
    let all = case.world.attached();
    let Attached { id, start, .. } = *all.iter().find(|one| one.end == at)?;
    Some(tell!("no segment is attached here: shmid {id}, attached at {start:#x}, ends here"))
}

pub fn not_attached(_: &Case) -> Option<String> {
    Some(translated("no segment is attached at this address").into())
}

/// Why a process may not have accessed an address.
pub fn fault(address: Option<u64>, world: &dyn World) -> String {
    const NEAR: u64 = 1 << 16;
    let failed = world.failed(Source::Attach).map(|(_, errno)| errno);
    let shmat = |errno: Errno| tell!("-1, the answer of the shmat that failed ({errno:?})");
    let Some(at) = address else {
        return match failed {
            Some(errno) => tell!("an address that cannot exist, such as {}", shmat(errno)),
            None => translated("an address that cannot exist").into(),
        };
    };
    // -1 and what is added to it.
    let after = at.wrapping_add(1);
    match failed {
        Some(errno) if after == 0 => return tell!("{at:#x} is {}", shmat(errno)),
        Some(errno) if after < NEAR => {
            let null = if at == 0 { "NULL".into() } else { tell!("NULL and {at} bytes") };
            return tell!("{at:#x} is {null}, or {after} bytes after {}", shmat(errno));
        }
        None if after == 0 => return tell!("{at:#x} is -1, which is no address"),
        None if at == 0 => return translated("0 is NULL, which is no address").into(),
        None if after < NEAR => return tell!("{at:#x} is NULL and {at} bytes"),
        _ => {}
    }
    let all = world.attached();
    if let Some(one) = all.iter().find(|one| one.start <= at && at < one.end) {
        let (id, start) = (one.id, one.start);
        return match one.read_only {
            true => tell!("shmid {id} is attached read-only at {start:#x}"),
            false => tell!("shmid {id} is attached without this right at {start:#x}"),
        };
    }
    if let Some(id) = world.was_attached(at) {
        return tell!("{at:#x} was in shmid {id}, which shmdt has detached");
    }
    let before = all.iter().filter(|one| one.end <= at && at - one.end < NEAR);
    if let Some(one) = before.max_by_key(|one| one.end) {
        let (id, beyond) = (one.id, at - one.end);
        return tell!("{at:#x} is {} behind the last page of shmid {id}", count(beyond, "byte"));
    }
    tell!("{at:#x}: memory that is not mapped, or not for this access")
}
