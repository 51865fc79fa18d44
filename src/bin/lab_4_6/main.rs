//! 4.6  shmdt: and out of it
//!
//! Note:    notes/4.6-shmdt.md
//! Run:     make lab-4.6            (ARGS=--list for the experiments)
//! Compare: strace -f -e trace=/shm,clone,wait4 target/debug/lab_4_6
//!
//! `shmdt` removes an attachment: the address becomes invalid, and the kernel counts one less. It
//! does not change the segment, which keeps its bytes, its key and its id until IPC_RMID. The only
//! argument is the address that `shmat` returned. When a process ends, the kernel detaches
//! everything that it had attached.

use std::process::ExitCode;

use lablib::child::child;
use lablib::print::{claim, note, step};
use lablib::shm::NULL;
use lablib::{Result, compare, expect_errno, leftovers, shm};
use libc::{IPC_CREAT, IPC_EXCL, SIGSEGV};
use nix::errno::Errno;
use touch::{Fate, SEGV_MAPERR, Touch, touch_in_child};

mod counting;
mod detaching;
mod mapping;
mod namespaces;

/// One page: what the kernel would map anyway.
const SIZE: usize = 4096;
/// For one use: only this user.
const NEW: i32 = IPC_CREAT | IPC_EXCL | 0o600;

fn main() -> ExitCode {
    let experiments = [detaching::ALL, counting::ALL, namespaces::ALL].concat();
    lablib::lab("4.6  shmdt", story, &experiments)
}

fn story() -> Result<()> {
    step(1, "Attach it, and leave something in it")?;
    let key = shm::ftok(&leftovers::key_file("lab-4.6.key")?, 'A' as i32)?;
    leftovers::inherit(key)?;
    let id = shm::get(key, SIZE, NEW)?;
    let addr = shm::at(id, NULL, 0)?;
    shm::write(addr, b"left in the segment")?;

    step(2, "Detach it, with the address that shmat answered")?;
    shm::dt(addr)?;
    let ds = shm::ctl_stat(id)?;
    claim(ds.shm_nattch == 0, "nattch 0: no attachment is left")?;
    claim(ds.shm_dtime >= ds.shm_atime, "shm_dtime: not before shm_atime")?;
    claim(ds.shm_lpid == std::process::id() as i32, "shm_lpid: it was us")?;

    step(3, "The address is dead")?;
    let fate = touch_in_child(addr, Touch::Read)?;
    let killed = Fate::Killed(SIGSEGV, SEGV_MAPERR, addr as usize);
    claim(fate == killed, "a load kills: SEGV_MAPERR, nothing is mapped there")?;

    step(4, "The memory is not: attach it again, and read")?;
    let again = shm::at(id, NULL, 0)?;
    claim(shm::read(again, 19)? == b"left in the segment", "what was left in it")?;
    compare::segment(id)?;

    step(5, "Any other address is refused")?;
    expect_errno(shm::dt(again.wrapping_byte_add(1)), Errno::EINVAL)?;
    expect_errno(shm::dt(NULL), Errno::EINVAL)?;
    shm::dt(again)?;
    expect_errno(shm::dt(again), Errno::EINVAL)?;
    note("not that address; no address; and after the detach not that one either");

    step(6, "Who ends without shmdt is detached by the kernel")?;
    let ending = child("child", || {
        shm::at(id, NULL, 0)?;
        claim(shm::ctl_stat(id)?.shm_nattch == 1, "attached, and now it ends")
    })?;
    let pid = ending.pid.as_raw();
    ending.finish()?;
    let ds = shm::ctl_stat(id)?;
    claim((ds.shm_nattch, ds.shm_lpid) == (0, pid), "nattch 0; and who detached last: the child")?;

    step(7, "Remove it: no detach did that")?;
    shm::ctl_rmid(id)
}
