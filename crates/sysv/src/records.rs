//! The records that the kernel fills, and how `strace -v` spells them.

use libc::{c_int, c_ulong, ipc_perm, msqid_ds, semid_ds, shmid_ds};

use crate::spell::perm;

/// `uid=1000, gid=1000, mode=0600`: what IPC_SET takes of it.
pub fn set(p: &ipc_perm) -> String {
    let id = |id: u32| if id == u32::MAX { -1 } else { i64::from(id) };
    format!("uid={}, gid={}, mode=0{:02o}", id(p.uid), id(p.gid), p.mode)
}

/// What IPC_STAT says of a segment.
pub fn shm(ds: &shmid_ds) -> String {
    let perm = perm("shm_perm", &ds.shm_perm);
    let pids = format!("shm_cpid={}, shm_lpid={}", ds.shm_cpid, ds.shm_lpid);
    let sizes = format!("shm_segsz={}, {pids}, shm_nattch={}", ds.shm_segsz, ds.shm_nattch);
    let times = (ds.shm_atime, ds.shm_dtime, ds.shm_ctime);
    let times = format!("shm_atime={}, shm_dtime={}, shm_ctime={}", times.0, times.1, times.2);
    format!("{{{perm}, {sizes}, {times}}}")
}

/// What IPC_STAT says of a queue.
pub fn msg(ds: &msqid_ds) -> String {
    let perm = perm("msg_perm", &ds.msg_perm);
    let times = (ds.msg_stime, ds.msg_rtime, ds.msg_ctime);
    let times = format!("msg_stime={}, msg_rtime={}, msg_ctime={}", times.0, times.1, times.2);
    let sizes = format!("msg_qnum={}, msg_qbytes={}", ds.msg_qnum, ds.msg_qbytes);
    let pids = format!("msg_lspid={}, msg_lrpid={}", ds.msg_lspid, ds.msg_lrpid);
    format!("{{{perm}, {times}, {sizes}, {pids}}}")
}

/// What IPC_STAT says of a set.
pub fn sem(ds: &semid_ds) -> String {
    let perm = perm("sem_perm", &ds.sem_perm);
    let times = format!("sem_otime={}, sem_ctime={}", ds.sem_otime, ds.sem_ctime);
    format!("{{{perm}, {times}, sem_nsems={}}}", ds.sem_nsems)
}

/// `struct shminfo`, as IPC_INFO fills it. <bits/types/struct_shminfo.h>
#[repr(C)]
#[derive(Clone, Copy)]
#[allow(missing_docs)]
pub struct ShmInfo {
    pub shmmax: c_ulong,
    pub shmmin: c_ulong,
    pub shmmni: c_ulong,
    pub shmseg: c_ulong,
    pub shmall: c_ulong,
    unused: [c_ulong; 4],
}

impl ShmInfo {
    /// `{shmmax=…}`.
    pub fn spell(&self) -> String {
        let ShmInfo { shmmax, shmmin, shmmni, shmseg, shmall, .. } = self;
        let sizes = format!("shmmax={shmmax}, shmmin={shmmin}");
        format!("{{{sizes}, shmmni={shmmni}, shmseg={shmseg}, shmall={shmall}}}")
    }
}

/// `struct shm_info`, as SHM_INFO fills it; pages, but for the first and the last two.
#[repr(C)]
#[derive(Clone, Copy)]
#[allow(missing_docs)]
pub struct ShmTotals {
    pub used_ids: c_int,
    pub shm_tot: c_ulong,
    pub shm_rss: c_ulong,
    pub shm_swp: c_ulong,
    pub swap_attempts: c_ulong,
    pub swap_successes: c_ulong,
}

impl ShmTotals {
    /// `{used_ids=…}`.
    pub fn spell(&self) -> String {
        let ShmTotals { used_ids, shm_tot, shm_rss, shm_swp, swap_attempts, swap_successes } = self;
        let pages = format!("shm_tot={shm_tot}, shm_rss={shm_rss}, shm_swp={shm_swp}");
        let swaps = format!("swap_attempts={swap_attempts}, swap_successes={swap_successes}");
        format!("{{used_ids={used_ids}, {pages}, {swaps}}}")
    }
}
