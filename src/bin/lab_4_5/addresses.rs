//! Where a segment can be attached.

use std::fs;

use lablib::child::{self, child};
use lablib::print::{bulk, claim, note, text};
use lablib::shm::{Addr, NULL, page};
use lablib::{Experiment, Failure, Result, expect_errno, say, shm};
use libc::{IPC_PRIVATE, SHM_RDONLY, SHM_REMAP, SHM_RND, SIGSEGV};
use nix::errno::Errno;
use nix::sys::resource::{Resource, setrlimit};
use nix::unistd::geteuid;
use touch::{Fate, SEGV_MAPERR, Touch, touch_in_child};

use crate::mapping;

pub const ALL: &[Experiment] = &[
    Experiment {
        name: "kernel-chooses",
        rows: "A1",
        question: "What does the kernel note down of an attach?",
        run: kernel_chooses,
    },
    Experiment {
        name: "many-times",
        rows: "A2",
        question: "How often may one process attach one segment?",
        run: many_times,
    },
    Experiment {
        name: "exact-address",
        rows: "A3 A5",
        question: "May we choose the address ourselves?",
        run: exact_address,
    },
    Experiment {
        name: "rounding",
        rows: "A4",
        question: "What if the address is not the start of a page?",
        run: rounding,
    },
    Experiment {
        name: "remap",
        rows: "A6 A7",
        question: "Can a segment take the place of what is there already?",
        run: remap,
    },
    Experiment {
        name: "page-zero",
        rows: "A8",
        question: "Can a segment be attached at address 0?",
        run: page_zero,
    },
    Experiment {
        name: "beyond-the-end",
        rows: "A9",
        question: "And where user space has ended?",
        run: beyond_the_end,
    },
    Experiment {
        name: "no-room",
        rows: "A16",
        question: "What if the process may not have so much memory?",
        run: no_room,
    },
    Experiment {
        name: "maps",
        rows: "A17",
        question: "What does /proc/self/maps say of an attachment?",
        run: maps,
    },
    Experiment {
        name: "past-the-end",
        rows: "A18",
        question: "What follows the last page of a segment?",
        run: past_the_end,
    },
    Experiment {
        name: "alignment",
        rows: "A20 A21",
        question: "Of what is every address of shmat a multiple, and how large are its pages?",
        run: alignment,
    },
];

fn kernel_chooses() -> Result<()> {
    let id = shm::get(IPC_PRIVATE, 1, 0o600)?;
    let before = shm::ctl_stat(id)?;
    let addr = shm::at(id, NULL, 0)?;
    let after = shm::ctl_stat(id)?;
    claim((addr as usize).is_multiple_of(page()), "the address is the start of a page")?;
    claim((before.shm_nattch, after.shm_nattch) == (0, 1), "nattch: 0 before, 1 now")?;
    claim(after.shm_lpid == std::process::id() as i32, "shm_lpid: it was us")?;
    claim(before.shm_atime == 0 && after.shm_atime > 0, "shm_atime: 0 before, a time now")?;
    shm::dt(addr)?;
    shm::ctl_rmid(id)
}

fn many_times() -> Result<()> {
    let id = shm::get(IPC_PRIVATE, 1, 0o600)?;
    let mut all = Vec::new();
    bulk(|| (0..100).try_for_each(|_| shm::at(id, NULL, 0).map(|addr| all.push(addr))))?;
    claim(shm::ctl_stat(id)?.shm_nattch == 100, "one process, nattch 100")?;
    shm::write(all[0], b"x")?;
    claim(shm::read(all[99], 1)? == b"x", "stored at the first address, loaded at the last")?;
    bulk(|| all.iter().try_for_each(|&addr| shm::dt(addr)))?;
    note("only the number of mappings of a process is limited, by vm.max_map_count");
    shm::ctl_rmid(id)
}

/// The start of three pages that are free: a segment of that size was attached there.
fn room() -> Result<Addr> {
    let guard = shm::get(IPC_PRIVATE, 3 * page(), 0o600)?;
    let room = shm::at(guard, NULL, 0)?;
    shm::dt(room)?;
    shm::ctl_rmid(guard)?;
    note("three pages from there on are free now");
    Ok(room)
}

fn exact_address() -> Result<()> {
    let id = shm::get(IPC_PRIVATE, 1, 0o600)?;
    let middle = room()?.wrapping_byte_add(page());
    let addr = shm::at(id, middle, 0)?;
    claim(addr == middle, "the address that was asked for")?;
    expect_errno(shm::at(id, middle, 0), Errno::EINVAL)?;
    note("now it is taken. mmap(2) would look for another place; shmat refuses");
    shm::dt(addr)?;
    shm::ctl_rmid(id)
}

fn rounding() -> Result<()> {
    let id = shm::get(IPC_PRIVATE, 1, 0o600)?;
    let room = room()?;
    let inside = room.wrapping_byte_add(0x123);
    expect_errno(shm::at(id, inside, 0), Errno::EINVAL)?;
    let addr = shm::at(id, inside, SHM_RND)?;
    claim(addr == room, "SHM_RND rounds down, to a multiple of SHMLBA: here, a page")?;
    shm::dt(addr)?;
    shm::ctl_rmid(id)
}

fn remap() -> Result<()> {
    let old = shm::get(IPC_PRIVATE, 3 * page(), 0o600)?;
    let new = shm::get(IPC_PRIVATE, 1, 0o600)?;
    let addr = shm::at(old, NULL, 0)?;
    let next = addr.wrapping_byte_add(page());
    shm::write(addr, &vec![7; 3 * page()])?;
    expect_errno(shm::at(new, addr, 0), Errno::EINVAL)?;
    shm::at(new, addr, SHM_REMAP)?;
    claim(shm::read(addr, 1)? == [0], "the first page is another memory now")?;
    let rest = shm::read(next, 2 * page())?;
    claim(rest.iter().all(|&byte| byte == 7), "and the pages after it are as they were")?;
    expect_errno(shm::at(new, NULL, SHM_REMAP), Errno::EINVAL)?;
    let low = NULL.wrapping_byte_add(0x123);
    expect_errno(shm::at(new, low, SHM_RND | SHM_REMAP), Errno::EINVAL)?;
    note("what is to be replaced must be said: NULL is no address, nor what rounds to it");
    let left = || Ok((shm::ctl_stat(new)?.shm_nattch, shm::ctl_stat(old)?.shm_nattch));
    shm::dt(addr)?;
    claim(left()? == (0, 1), "one detach: the new one is gone from there, the old one is not")?;
    shm::dt(addr)?;
    claim(left()? == (0, 0), "a second one, at the same address: now both are gone")?;
    shm::ctl_rmid(new)?;
    shm::ctl_rmid(old)
}

fn page_zero() -> Result<()> {
    let low = NULL.wrapping_byte_add(0x123);
    let lowest = fs::read_to_string("/proc/sys/vm/mmap_min_addr").unwrap_or_default();
    if lowest.trim() == "0" {
        let grant = "set sysctl vm.mmap_min_addr=65536";
        return Err(Failure::Needs("a page 0 that is kept free".into(), grant));
    }
    child("user", || {
        child::become_ordinary()?;
        let id = shm::get(IPC_PRIVATE, 1, 0o600)?;
        expect_errno(shm::at(id, low, SHM_RND), Errno::EPERM)?;
        note("below vm.mmap_min_addr: a NULL pointer must not begin to mean something");
        shm::ctl_rmid(id)
    })?
    .finish()?;
    if !geteuid().is_root() {
        let right = "the right to map page 0".into();
        return Err(Failure::Needs(right, "run it as root, with sudo"));
    }
    let id = shm::get(IPC_PRIVATE, 1, 0o600)?;
    match shm::at(id, low, SHM_RND) {
        Ok(addr) => {
            claim(addr == NULL, "root may: the answer is NULL, and no error")?;
            shm::dt(addr)?;
        }
        refused => expect_errno(refused, Errno::EPERM)?,
    }
    shm::ctl_rmid(id)
}

/// Above the user's part of the address space, on every machine with 64 bits.
const BEYOND: usize = 1 << 62;

fn beyond_the_end() -> Result<()> {
    let id = shm::get(IPC_PRIVATE, 1, 0o600)?;
    expect_errno(shm::at(id, NULL.wrapping_byte_add(BEYOND), 0), Errno::ENOMEM)?;
    note("ENOMEM, where the manual page has EINVAL for a bad address");
    shm::ctl_rmid(id)
}

/// Larger than what the limit leaves, which must do for everything else.
const LARGE: usize = 64 << 20;

fn no_room() -> Result<()> {
    child("limited", || {
        let id = shm::get(IPC_PRIVATE, LARGE, 0o600)?;
        let statm = fs::read_to_string("/proc/self/statm").unwrap_or_default();
        let pages: usize = statm.split(' ').next().and_then(|n| n.parse().ok()).unwrap_or(0);
        let most = (pages * page() + LARGE / 2) as u64;
        setrlimit(Resource::RLIMIT_AS, most, most).map_err(Failure::of("setrlimit"))?;
        note("setrlimit: RLIMIT_AS leaves half as much as the segment has");
        expect_errno(shm::at(id, NULL, 0), Errno::ENOMEM)?;
        claim(shm::ctl_stat(id)?.shm_nattch == 0, "and nothing was attached")?;
        shm::ctl_rmid(id)
    })?
    .finish()
}

fn maps() -> Result<()> {
    let id = shm::get(IPC_PRIVATE, 5000, 0o600)?;
    let (both, read) = (shm::at(id, NULL, 0)?, shm::at(id, NULL, SHM_RDONLY)?);
    for (addr, access) in [(both, "rw-s"), (read, "r--s")] {
        let line = mapping(addr)?;
        text(&line);
        let end = format!("{:x}", addr as usize + 2 * page());
        let fits = line.contains(&format!("-{end} {access} ")) && line.contains(&format!(" {id} "));
        claim(fits, say!("two pages, {access}, and the inode is the id"))?;
    }
    note("who finds such a line in /proc/PID/maps knows that PID has this segment attached");
    shm::dt(both)?;
    shm::dt(read)?;
    claim(mapping(both).is_err() && mapping(read).is_err(), "detached: the lines are gone")?;
    shm::ctl_rmid(id)
}

fn past_the_end() -> Result<()> {
    let (one, two) = (shm::get(IPC_PRIVATE, 1, 0o600)?, shm::get(IPC_PRIVATE, 1, 0o600)?);
    let room = room()?;
    let beyond = room.wrapping_byte_add(page());
    let first = shm::at(one, room, 0)?;
    let fate = touch_in_child(beyond, Touch::Write)?;
    let killed = Fate::Killed(SIGSEGV, SEGV_MAPERR, beyond as usize);
    claim(fate == killed, "nothing follows it: a store there kills")?;
    let second = shm::at(two, beyond, 0)?;
    let fate = touch_in_child(beyond, Touch::Write)?;
    claim(fate == Fate::Lived(1), "another segment follows it: the same store is no error")?;
    claim(shm::read(second, 1)? == [1], "and has changed the other segment")?;
    shm::dt(second)?;
    shm::dt(first)?;
    shm::ctl_rmid(two)?;
    shm::ctl_rmid(one)
}

/// A huge page, on most machines.
const HUGE: usize = 2 << 20;

fn alignment() -> Result<()> {
    let id = shm::get(IPC_PRIVATE, HUGE, 0o600)?;
    let mut all = Vec::new();
    bulk(|| (0..16).try_for_each(|_| shm::at(id, NULL, 0).map(|addr| all.push(addr))))?;
    let lowest = all.iter().map(|addr| addr.addr().trailing_zeros()).min().unwrap_or(0);
    claim(lowest >= page().trailing_zeros(), "16 addresses: all are multiples of SHMLBA, a page")?;
    let smaps = sysv::look::needed("/proc/self/smaps");
    let ours = || smaps.lines().skip_while(|line| !line.contains("/SYSV"));
    let size = ours().find_map(|line| line.strip_prefix("KernelPageSize:"));
    let grant = "use a kernel with CONFIG_PROC_PAGE_MONITOR";
    let missing = || Failure::Needs("KernelPageSize in /proc/self/smaps".into(), grant);
    let small = format!("{} kB", page() / 1024);
    claim(size.ok_or_else(missing)?.trim() == small, "2 MiB of it, in pages of the usual size")?;
    note("huge pages have to be asked for: SHM_HUGETLB in shmget, or the administrator");
    bulk(|| all.iter().try_for_each(|&addr| shm::dt(addr)))?;
    shm::ctl_rmid(id)
}
