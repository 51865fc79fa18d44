//! 4.5  shmat: the segment in our address space
//!
//! Note:    notes/4.5-shmat.md
//! Run:     make lab-4.5            (ARGS=--list for the experiments)
//! Compare: strace -f -e trace=/shm,clone,wait4 target/debug/lab_4_5
//!
//! An id is not memory. `shmat` maps the segment into the address space of the calling process and
//! returns the address. From then on no call is needed: a store writes, a load reads. The kernel
//! chooses the address; the flags say whether the process may write; and each successful call adds
//! one to the kernel's count of attachments, nattch.

use std::process::ExitCode;

use lablib::print::{claim, note, step, text};
use lablib::shm::{Addr, NULL, page};
use lablib::{Failure, Result, compare, expect_errno, leftovers, say, shm};
use libc::{IPC_CREAT, IPC_EXCL, SHM_RDONLY, SIGSEGV};
use nix::errno::Errno;
use sysv::{process, tables};
use touch::{Fate, SEGV_ACCERR, Touch, touch_in_child};

mod access;
mod addresses;
mod life;

/// One page: what the kernel would map anyway.
const SIZE: usize = 4096;
/// For one use: only this user.
const NEW: i32 = IPC_CREAT | IPC_EXCL | 0o600;

fn main() -> ExitCode {
    let experiments = [addresses::ALL, access::ALL, life::ALL].concat();
    lablib::lab("4.5  shmat", story, &experiments)
}

fn story() -> Result<()> {
    step(1, "Attach it, and let the kernel choose where")?;
    let key = shm::ftok(&leftovers::key_file("lab-4.5.key")?, 'A' as i32)?;
    leftovers::inherit(key)?;
    let id = shm::get(key, SIZE, NEW)?;
    let addr = shm::at(id, NULL, 0)?;
    claim(
        (addr as usize).is_multiple_of(page()),
        "NULL: the kernel has chosen; the start of a page",
    )?;
    shm::write(addr, b"no call is needed")?;

    step(2, "What has changed: one line of /proc/self/maps")?;
    let line = mapping(addr)?;
    text(&line);
    claim(line.contains(" rw-s "), "rw-s: read, write, shared")?;
    claim(
        line.contains(&format!(" {id} /SYSV{key:08x}")),
        "its inode is the id, its name the key",
    )?;

    step(3, "Attach it again: two addresses, one memory")?;
    let second = shm::at(id, NULL, 0)?;
    claim(second != addr, "another address")?;
    shm::write(second, b"NO")?;
    claim(shm::read(addr, 17)? == b"NO call is needed", "and the same bytes")?;

    step(4, "Attach it for reading: SHM_RDONLY")?;
    let third = shm::at(id, NULL, SHM_RDONLY)?;
    text(&mapping(third)?);
    claim(shm::read(third, 2)? == b"NO", "a load is allowed")?;
    let fate = touch_in_child(third, Touch::Write)?;
    let killed = Fate::Killed(SIGSEGV, SEGV_ACCERR, third as usize);
    claim(fate == killed, "a store kills: SIGSEGV at that address")?;

    step(5, "What the kernel counts: attachments")?;
    compare::segment(id)?;
    claim(tables::segment(id).is_some_and(|row| row.get("nattch") == 3), "one process, nattch 3")?;
    note("the child that was killed had three of its own; they went with it");

    step(6, "What it answers when it refuses")?;
    expect_errno(shm::at(-1, NULL, 0), Errno::EINVAL)?;
    expect_errno(shm::at(id, addr.wrapping_byte_add(1), 0), Errno::EINVAL)?;
    expect_errno(shm::at(id, addr, 0), Errno::EINVAL)?;
    note("no such id; not the start of a page; not free. The -1 is (void *) -1, and not NULL");

    step(7, "Detach what was attached, and remove it")?;
    for addr in [third, second, addr] {
        shm::dt(addr)?;
    }
    shm::ctl_rmid(id)
}

/// The line of /proc/self/maps that starts at `addr`, its words one space apart.
fn mapping(addr: Addr) -> Result<String> {
    let found = process::mappings("self").into_iter().find(|one| one.start == addr as usize);
    let missing = || Failure::because(say!("/proc/self/maps has nothing at {addr:p}"));
    found.map(|one| one.line).ok_or_else(missing)
}
