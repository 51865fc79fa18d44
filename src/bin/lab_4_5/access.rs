//! Who may attach, and what for.

use std::ptr;

use lablib::child::{self, child};
use lablib::print::{claim, note, traced};
use lablib::shm::{Addr, NULL, page};
use lablib::{Experiment, Result, expect_errno, shm};
use libc::{IPC_PRIVATE, PROT_EXEC, PROT_READ, PROT_WRITE, SHM_EXEC, SHM_RDONLY, SIGSEGV, c_int};
use nix::errno::Errno;
use sysv::spell;
use touch::{CODE, Fate, SEGV_ACCERR, Touch, touch_in_child};

pub const ALL: &[Experiment] = &[
    Experiment {
        name: "read-only",
        rows: "A10",
        question: "What happens to who writes through SHM_RDONLY?",
        run: read_only,
    },
    Experiment {
        name: "mprotect",
        rows: "A11",
        question: "Can a read-only attachment be made writable afterwards?",
        run: protect,
    },
    Experiment {
        name: "execute",
        rows: "A12",
        question: "What is the x bit of a segment for?",
        run: execute,
    },
    Experiment {
        name: "mode-forbids",
        rows: "A13",
        question: "Which bits of the mode does shmat ask for?",
        run: mode_forbids,
    },
    Experiment {
        name: "bad-id",
        rows: "A14",
        question: "What does it say of ids that mean nothing?",
        run: bad_id,
    },
    Experiment {
        name: "minus-one",
        rows: "A19",
        question: "What does shmat return when it fails?",
        run: minus_one,
    },
];

fn read_only() -> Result<()> {
    let id = shm::get(IPC_PRIVATE, 1, 0o600)?;
    let addr = shm::at(id, NULL, SHM_RDONLY)?;
    claim(touch_in_child(addr, Touch::Read)? == Fate::Lived(0), "a load is answered")?;
    let fate = touch_in_child(addr, Touch::Write)?;
    let killed = Fate::Killed(SIGSEGV, SEGV_ACCERR, addr as usize);
    claim(fate == killed, "a store: SIGSEGV, SEGV_ACCERR, at this address")?;
    claim(shm::ctl_stat(id)?.shm_nattch == 1, "who was killed is not counted any more")?;
    shm::dt(addr)?;
    shm::ctl_rmid(id)
}

fn protect() -> Result<()> {
    let id = shm::get(IPC_PRIVATE, 1, 0o600)?;
    let read = shm::at(id, NULL, SHM_RDONLY)?;
    expect_errno(mprotect(read, PROT_READ | PROT_WRITE), Errno::EACCES)?;
    note("what was attached for reading stays so, even for the owner of a segment 0600");
    let both = shm::at(id, NULL, 0)?;
    mprotect(both, PROT_READ)?;
    let killed = Fate::Killed(SIGSEGV, SEGV_ACCERR, both as usize);
    claim(touch_in_child(both, Touch::Write)? == killed, "the other way round it can be closed")?;
    mprotect(both, PROT_READ | PROT_WRITE)?;
    claim(touch_in_child(both, Touch::Write)? == Fate::Lived(1), "and opened again")?;
    shm::dt(both)?;
    shm::dt(read)?;
    shm::ctl_rmid(id)
}

fn execute() -> Result<()> {
    child("owner", || {
        child::become_ordinary()?;
        let plain = shm::get(IPC_PRIVATE, 1, 0o600)?;
        expect_errno(shm::at(plain, NULL, SHM_RDONLY | SHM_EXEC), Errno::EACCES)?;
        note("SHM_EXEC asks for the x bit, which 0600 has not");
        let addr = shm::at(plain, NULL, SHM_RDONLY)?;
        mprotect(addr, PROT_READ | PROT_EXEC)?;
        note("mprotect(2) does not ask for it: the bit protects from nothing");
        shm::dt(addr)?;
        shm::ctl_rmid(plain)?;
        let code = shm::get(IPC_PRIVATE, CODE.len(), 0o700)?;
        let write = shm::at(code, NULL, 0)?;
        shm::write(write, CODE)?;
        let run = shm::at(code, NULL, SHM_RDONLY | SHM_EXEC)?;
        claim(touch_in_child(run, Touch::Call)? == Fate::Lived(42), "with it, code runs: 42")?;
        let killed = Fate::Killed(SIGSEGV, SEGV_ACCERR, write as usize);
        claim(touch_in_child(write, Touch::Call)? == killed, "not where it was attached without")?;
        shm::dt(run)?;
        shm::dt(write)?;
        shm::ctl_rmid(code)
    })?
    .finish()
}

fn mode_forbids() -> Result<()> {
    child("owner", || {
        child::become_ordinary()?;
        let write = shm::get(IPC_PRIVATE, 1, 0o200)?;
        expect_errno(shm::at(write, NULL, 0), Errno::EACCES)?;
        expect_errno(shm::at(write, NULL, SHM_RDONLY), Errno::EACCES)?;
        note("there is no flag for writing alone, and so 0200 can never be attached");
        let read = shm::get(IPC_PRIVATE, 1, 0o400)?;
        expect_errno(shm::at(read, NULL, 0), Errno::EACCES)?;
        let addr = shm::at(read, NULL, SHM_RDONLY)?;
        note("0 asks for r and w, SHM_RDONLY for r; root is asked for nothing");
        shm::dt(addr)?;
        shm::ctl_rmid(read)?;
        shm::ctl_rmid(write)
    })?
    .finish()
}

fn bad_id() -> Result<()> {
    let gone = shm::get(IPC_PRIVATE, 1, 0o600)?;
    shm::ctl_rmid(gone)?;
    for id in [gone, -1, c_int::MAX] {
        expect_errno(shm::at(id, NULL, 0), Errno::EINVAL)?;
    }
    note("removed, negative, never given out: EINVAL, and nothing tells them apart");
    Ok(())
}

fn minus_one() -> Result<()> {
    let mut answer = NULL;
    let refused = traced("shmat(-1, NULL, 0)".into(), || {
        // SAFETY: shmat maps nothing when it fails, and it fails for this id.
        answer = unsafe {
            libc::shmat(
                -1,          // no segment has this id
                ptr::null(), // the kernel would choose
                0,
            )
        };
        answer
    });
    expect_errno(refused, Errno::EINVAL)?;
    claim(answer as isize == -1, "(void *) -1: all bits are set")?;
    claim(!answer.is_null(), "and it is not NULL: `if (p == NULL)` does not notice")?;
    let fate = touch_in_child(answer, Touch::Read)?;
    claim(matches!(fate, Fate::Killed(SIGSEGV, ..)), "the first use of it kills: SIGSEGV")
}

/// Changes what this process may do to one page of a segment: mprotect(2).
fn mprotect(addr: Addr, access: c_int) -> Result<()> {
    const NAMES: &[(c_int, &str)] =
        &[(PROT_READ, "PROT_READ"), (PROT_WRITE, "PROT_WRITE"), (PROT_EXEC, "PROT_EXEC")];
    let line = format!("mprotect({addr:p}, {}, {})", page(), spell::join(access, NAMES));
    shm::pages(addr, page(), true, || {
        // SAFETY: a segment's page, and no code here uses it.
        traced(line, || unsafe { libc::mprotect(addr, page(), access) }).map(drop)
    })
}
