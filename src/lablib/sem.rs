//! The calls of System V semaphores: semget(2), semop(2), semctl(2).

use libc::{c_int, c_void, key_t};
use nix::errno::Errno;
use sysv::spell;
use sysv::tables::Kind;

use crate::backstage::failure::Result;
use crate::backstage::ledger;
use crate::print::{after, before, begin, traced};

/// Creates or opens a set of `nsems` semaphores, all 0: semget(2). ENOENT, EEXIST, EACCES,
/// EINVAL (size), ENOSPC (semmni, semmns).
pub fn get(key: key_t, nsems: c_int, semflg: c_int) -> Result<c_int> {
    ledger::making(Kind::Sem, key, nsems as usize, semflg, || {
        // SAFETY: semget takes three numbers.
        traced(format!("semget({}, {nsems}, {})", spell::key(key), spell::get(semflg)), || unsafe {
            libc::semget(key, nsems, semflg)
        })
    })
}

/// One operation on one semaphore: semop(2). Above 0 adds and never blocks; below 0 waits until
/// it can subtract; 0 waits for 0. EAGAIN (IPC_NOWAIT), EIDRM, EINTR, EINVAL, ERANGE.
pub fn op(semid: c_int, sem_num: u16, sem_op: i16, sem_flg: c_int) -> Result<()> {
    let how = spell::join(sem_flg, spell::SEMAPHORE);
    let one = format!("{{sem_num={sem_num}, sem_op={sem_op}, sem_flg={how}}}");
    let line = format!("semop({semid}, [{one}], 1)");
    let mut operation = libc::sembuf { sem_num, sem_op, sem_flg: sem_flg as i16 };
    let sleeps = sem_op <= 0 && sem_flg & libc::IPC_NOWAIT == 0;
    let _turn = if sleeps { begin(&line).map(|()| None)? } else { Some(before(&line)?) };
    // SAFETY: the kernel reads one sembuf.
    let result = Errno::result(unsafe { libc::semop(semid, &mut operation, 1) });
    after(result, |_| line).map(drop)
}

/// `semctl(GETVAL)`: the value of one semaphore. EINVAL, EACCES.
pub fn ctl_getval(semid: c_int, semnum: c_int) -> Result<c_int> {
    // SAFETY: GETVAL takes no further argument.
    traced(format!("semctl({semid}, {semnum}, GETVAL, NULL)"), || unsafe {
        libc::semctl(semid, semnum, libc::GETVAL)
    })
}

/// `semctl(SETVAL)`: sets the value of one semaphore, and so sem_ctime. EINVAL, EACCES, ERANGE.
pub fn ctl_setval(semid: c_int, semnum: c_int, value: c_int) -> Result<()> {
    let spelled = spell::pointer(value as u32 as usize as *const c_void);
    // SAFETY: SETVAL takes the value by value.
    traced(format!("semctl({semid}, {semnum}, SETVAL, {spelled})"), || unsafe {
        libc::semctl(semid, semnum, libc::SETVAL, value)
    })?;
    ledger::changed(Kind::Sem, semid)
}

/// `semctl(IPC_RMID)`: removes the set at once; calls that are blocked on it fail with EIDRM.
pub fn ctl_rmid(semid: c_int) -> Result<()> {
    // SAFETY: IPC_RMID takes no further argument.
    traced(format!("semctl({semid}, 0, IPC_RMID, NULL)"), || unsafe {
        libc::semctl(semid, 0, libc::IPC_RMID)
    })?;
    ledger::removed(Kind::Sem, semid)
}
