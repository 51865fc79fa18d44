//! Making and making ready are two steps: what another process finds between them, and how it knows.

use std::mem;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::{Acquire, Release};

use lablib::child::child;
use lablib::print::{after, before, claim, note, text};
use lablib::shm::NULL;
use lablib::signals::pause;
use lablib::{Experiment, Result, leftovers, sem, shm};
use libc::{IPC_CREAT, IPC_EXCL, IPC_NOWAIT, IPC_STAT, c_int, key_t, semid_ds};
use nix::errno::Errno;
use sysv::process::{SYS_PAUSE, runs};
use sysv::records;

use crate::SIZE;

pub const ALL: &[Experiment] = &[
    Experiment {
        name: "half-made",
        rows: "G26 G27",
        question: "What does a process find that opens a segment before its maker has filled it?",
        run: half_made,
    },
    Experiment {
        name: "semaphore-race",
        rows: "S6 S7",
        question: "semget makes a set, semctl gives it a value: what happens between the two?",
        run: semaphore_race,
    },
];

/// Only who makes it gets it: the others hear EEXIST, and open it.
const NEW: c_int = IPC_CREAT | IPC_EXCL | 0o600;
/// The first word of a segment that is ready; in a new one it is 0.
const READY: u32 = 0x7265_6479;
/// What lies behind that word.
const RULES: &[u8] = b"the rules of the game";

fn key(project: char) -> Result<key_t> {
    let key = shm::ftok(&leftovers::key_file("lab-4.4-made.key")?, project as i32)?;
    leftovers::inherit(key)?;
    Ok(key)
}

fn half_made() -> Result<()> {
    let key = key('M')?;
    let id = shm::get(key, SIZE, NEW)?;
    text("The maker is interrupted here. It has written nothing yet.");
    child("early", || {
        let id = shm::get(key, SIZE, IPC_CREAT | 0o600)?;
        let addr = shm::at(id, NULL, 0)?;
        let zeros = shm::read(addr, 8)? == [0; 8];
        claim(zeros, "opened and attached without an error, and it reads zeros")?;
        shm::dt(addr)
    })?
    .finish()?;
    let addr = shm::at(id, NULL, 0)?;
    shm::write(addr.wrapping_byte_add(size_of::<u32>()), RULES)?;
    let ready = shm::view::<AtomicU32>(addr)?;
    ready.store(READY, Release);
    text("memory: the first word <- the magic number, last, with Release");
    drop(ready);
    child("late", || {
        let id = shm::get(key, 0, 0)?;
        let addr = shm::at(id, NULL, 0)?;
        let ready = shm::view::<AtomicU32>(addr)?;
        claim(ready.load(Acquire) == READY, "the magic number, with Acquire: it is ready")?;
        drop(ready);
        let rules = shm::read(addr.wrapping_byte_add(size_of::<u32>()), RULES.len())?;
        claim(rules == RULES, "and what was written before it is there")?;
        shm::dt(addr)
    })?
    .finish()?;
    shm::dt(addr)?;
    shm::ctl_rmid(id)?;
    never_finished()
}

/// Its maker is killed between the two steps.
fn never_finished() -> Result<()> {
    let key = key('N')?;
    let maker = child("maker", || {
        shm::get(key, SIZE, NEW)?;
        pause()
    })?;
    maker.until_asleep_in(SYS_PAUSE)?;
    let pid = maker.pid.as_raw();
    maker.kill()?;
    maker.wait()?;
    let id = shm::get(key, 0, 0)?;
    let cpid = shm::ctl_stat(id)?.shm_cpid;
    claim(cpid == pid && !runs(cpid), "shm_cpid is its maker, which is gone")?;
    note("who waits for the magic number needs a limit, and looks whether the maker lives");
    shm::ctl_rmid(id)
}

fn semaphore_race() -> Result<()> {
    let key = key('S')?;
    let id = sem::get(key, 1, NEW)?;
    text("The maker is interrupted here: the set is there, without a value.");
    child("early", || {
        let id = sem::get(key, 1, 0)?;
        claim(otime(id)? == 0, "sem_otime is 0: nobody has called semop yet")?;
        note("but this process does not wait for that, and posts");
        sem::op(id, 0, 1, 0)
    })?
    .finish()?;
    sem::ctl_setval(id, 0, 1)?;
    claim(sem::ctl_getval(id, 0)? == 1, "1, and not 2: SETVAL has overwritten the post")?;
    sem::ctl_rmid(id)?;

    text("Once more: the maker ends with a semop, and the others wait for sem_otime.");
    let id = sem::get(key, 1, NEW)?;
    sem::ctl_setval(id, 0, 0)?;
    child("early", || {
        let id = sem::get(key, 1, 0)?;
        claim(otime(id)? == 0, "SETVAL does not count: still 0, so wait")
    })?
    .finish()?;
    sem::op(id, 0, 1, 0)?;
    child("late", || {
        let id = sem::get(key, 1, 0)?;
        claim(otime(id)? != 0, "sem_otime has a time: the set is ready")?;
        sem::op(id, 0, -1, IPC_NOWAIT)
    })?
    .finish()?;
    sem::ctl_rmid(id)
}

/// When semop was last called on the set.
fn otime(id: c_int) -> Result<i64> {
    let spell = |record: &str| format!("semctl({id}, 0, IPC_STAT, {record})");
    let _turn = before(&spell("&ds"))?;
    // SAFETY: semid_ds is plain numbers, and the kernel writes one whole record or nothing.
    let mut ds: semid_ds = unsafe { mem::zeroed() };
    // SAFETY: see above.
    let result = Errno::result(unsafe { libc::semctl(id, 0, IPC_STAT, &raw mut ds) });
    after(result, |ok| spell(&if ok { records::sem(&ds) } else { "&ds".into() }))?;
    Ok(ds.sem_otime)
}
