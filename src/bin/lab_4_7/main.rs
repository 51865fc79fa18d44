//! 4.7  shmctl: looking at a segment, changing it, removing it
//!
//! Note:    notes/4.7-shmctl.md
//! Run:     make lab-4.7            (ARGS=--list for the experiments)
//! Compare: strace -v -e trace=/shm target/debug/lab_4_7
//!
//! IPC_STAT copies the kernel's record of a segment to us, IPC_SET copies three of our fields back,
//! IPC_RMID removes the segment. If a process is attached, no key finds the segment after IPC_RMID,
//! and the last detach destroys it. Until then all attached processes can use it, and on Linux a
//! process that knows its id can still attach it.

use std::process::ExitCode;

use lablib::print::{claim, note, step, text, translated};
use lablib::shm::NULL;
use lablib::{Result, compare, expect_errno, leftovers, shm};
use libc::{IPC_CREAT, IPC_EXCL, shmid_ds};
use nix::errno::Errno;

mod paying;
mod permissions;
mod records;
mod removal;
mod tables;

/// Not a multiple of a page, so that the record shows which size it keeps.
const SIZE: usize = 5000;
/// For one use: only this user.
const NEW: i32 = IPC_CREAT | IPC_EXCL | 0o600;

fn main() -> ExitCode {
    let experiments =
        [records::ALL, removal::ALL, tables::ALL, paying::ALL, permissions::ALL].concat();
    lablib::lab("4.7  shmctl", story, &experiments)
}

fn story() -> Result<()> {
    step(1, "IPC_STAT: the record that the kernel keeps")?;
    let key = shm::ftok(&leftovers::key_file("lab-4.7.key")?, 'A' as i32)?;
    leftovers::inherit(key)?;
    let id = shm::get(key, SIZE, NEW)?;
    let addr = shm::at(id, NULL, 0)?;
    let ds = shm::ctl_stat(id)?;
    explain(&ds);
    claim(ds.shm_perm.__key == key && ds.shm_segsz == SIZE, "the key and the size we gave")?;

    step(2, "The same, as ipcs -m tells it")?;
    compare::segment(id)?;

    step(3, "IPC_SET: owner and mode may be changed, and nothing else")?;
    let mut wish = ds;
    wish.shm_perm.mode = 0o640;
    wish.shm_segsz = 1;
    shm::ctl_set(id, &wish)?;
    let now = shm::ctl_stat(id)?;
    claim(now.shm_perm.mode == 0o640 && now.shm_segsz == SIZE, "the mode is new, the size is not")?;

    step(4, "IPC_RMID while it is attached")?;
    shm::ctl_rmid(id)?;
    compare::segment(id)?;
    note("dest: to be destroyed; its key is 0 now");

    step(5, "The key is free, and the memory lives")?;
    let second = shm::get(key, SIZE, NEW)?;
    claim(second != id, "the same key, and another segment")?;
    note("two programs with one key may now use two segments");
    shm::write(addr, b"still here")?;
    let again = shm::at(id, NULL, 0)?;
    claim(
        shm::read(again, 10)? == b"still here",
        "attached by its id, after IPC_RMID (Linux): the same memory",
    )?;

    step(6, "The last detach takes it away")?;
    shm::dt(addr)?;
    claim(
        shm::ctl_stat(id)?.shm_nattch == 1,
        "one detach of two: nattch 1, and it is still there",
    )?;
    shm::dt(again)?;
    expect_errno(shm::ctl_stat(id), Errno::EINVAL)?;
    note("gone, and its id means nothing any more");

    step(7, "IPC_RMID with nobody attached: at once")?;
    shm::ctl_rmid(second)?;
    expect_errno(shm::ctl_rmid(second), Errno::EINVAL)?;
    note("what ipcrm -m does; buf is NULL, for there is nothing to read or to fill");
    Ok(())
}

/// Every field of the record, with what it means.
fn explain(ds: &shmid_ds) {
    let p = &ds.shm_perm;
    let owner = format!("{}:{}", p.uid, p.gid);
    let creator = format!("{}:{}", p.cuid, p.cgid);
    for (field, value, meaning) in [
        ("shm_perm.__key", format!("{:#x}", p.__key), "what shmget finds it by"),
        ("shm_perm.uid, gid", owner, "owner: IPC_SET may give it away"),
        ("shm_perm.cuid, cgid", creator, "creator: never changes, may do what it may"),
        ("shm_perm.mode", format!("{:04o}", p.mode), "9 bits of permission; above: dest, locked"),
        ("shm_segsz", ds.shm_segsz.to_string(), "bytes, as asked; the memory is whole pages"),
        ("shm_cpid", ds.shm_cpid.to_string(), "who made it"),
        ("shm_lpid", ds.shm_lpid.to_string(), "who attached or detached last"),
        ("shm_nattch", ds.shm_nattch.to_string(), "attachments, not processes"),
        ("shm_atime", ds.shm_atime.to_string(), "last attach, in seconds since 1970"),
        ("shm_dtime", ds.shm_dtime.to_string(), "last detach; 0: there was none"),
        ("shm_ctime", ds.shm_ctime.to_string(), "made, or last changed by IPC_SET"),
    ] {
        text(format!("{field:<20} {value:<12} {}", translated(meaning)));
    }
}
