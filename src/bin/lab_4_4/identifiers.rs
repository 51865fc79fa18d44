//! What an id is made of, and how long it means the same.

use std::fs;

use lablib::print::{bulk, claim, note};
use lablib::{Experiment, Failure, Result, child, expect_errno, say, shm};
use libc::IPC_PRIVATE;
use nix::errno::Errno;
use sysv::tables::{self, Kind};

pub const ALL: &[Experiment] = &[
    Experiment {
        name: "id-parts",
        rows: "S1 S2",
        question: "Is the id of a removed segment used again?",
        run: parts,
    },
    Experiment {
        name: "id-removed",
        rows: "S5",
        question: "What does the kernel say of an id that is gone?",
        run: removed,
    },
    Experiment {
        name: "id-again",
        rows: "S3 S4",
        question: "Can an old id come to mean another segment?",
        run: again,
    },
];

/// An id is its slot in the kernel's table, and above these bits how often the table went round.
const SLOT_BITS: i32 = 15;

fn parts() -> Result<()> {
    if tables::slot_bits() != SLOT_BITS {
        let grant = "start the kernel without ipcmni_extend";
        return Err(Failure::Needs("a table of the usual size".into(), grant));
    }
    // The table starts again after 64 slots, or after one and a half times as many as are in use.
    let rounds = 200 + 3 * tables::table(Kind::Shm).len();
    let mut ids = Vec::new();
    bulk(|| {
        for _ in 0..rounds {
            let id = shm::get(IPC_PRIVATE, 1, 0o600)?;
            shm::ctl_rmid(id)?;
            ids.push(id);
        }
        Ok(())
    })?;
    let distinct = ids.iter().collect::<std::collections::BTreeSet<_>>().len();
    claim(distinct == ids.len(), "made and removed, again and again: all ids are different")?;
    let slot = |id: &i32| id & ((1 << SLOT_BITS) - 1);
    let turned = ids.iter().zip(&ids[1..]).find(|(one, next)| slot(next) < slot(one));
    let grown = turned.is_some_and(|(one, next)| next >> SLOT_BITS > one >> SLOT_BITS);
    claim(grown, "a slot lower than the one before: the number above the slot has grown")?;
    note("the kernel gives the slots in turn; at the end of the table it begins again");
    Ok(())
}

fn removed() -> Result<()> {
    let id = shm::get(IPC_PRIVATE, 1, 0o600)?;
    shm::ctl_rmid(id)?;
    expect_errno(shm::ctl_stat(id), Errno::EINVAL)?;
    expect_errno(shm::at(id, shm::NULL, 0), Errno::EINVAL)?;
    expect_errno(shm::ctl_rmid(id), Errno::EINVAL)?;
    note("EINVAL, as for a number that never was one; Linux says EIDRM only in a race");
    Ok(())
}

fn again() -> Result<()> {
    child::child("limits", || {
        child::enter_own_ipc()?;
        let old = shm::get(0x1111, 1, libc::IPC_CREAT | 0o600)?;
        shm::ctl_rmid(old)?;
        let next = "/proc/sys/kernel/shm_next_id";
        fs::write(next, old.to_string()).map_err(|_| {
            Failure::Needs(say!("to write {next}"), "use a kernel with CHECKPOINT_RESTORE")
        })?;
        note(say!("{next} asks for the old id, as chance would after some million segments"));
        let new = shm::get(0x2222, 1, libc::IPC_CREAT | 0o600)?;
        claim(new == old, "another segment, with the number of the removed one")?;
        let reset = || fs::read_to_string(next).is_ok_and(|text| text.trim() == "-1");
        claim(reset(), "shm_next_id is -1 again: it asks once")?;
        claim(
            shm::ctl_stat(old)?.shm_perm.__key == 0x2222,
            "who kept the number sees the new one",
        )?;
        note("so look at key, cpid and ctime directly before you remove by id");
        fs::write(next, new.to_string()).map_err(|error| Failure::because(error.to_string()))?;
        let third = shm::get(0x3333, 1, libc::IPC_CREAT | 0o600)?;
        claim(third != new, "asked for an id that is in use: another one is given")?;
        claim(reset(), "and shm_next_id is -1 again")?;
        shm::ctl_rmid(third)?;
        shm::ctl_rmid(new)
    })?
    .finish()
}
