//! The kernel's tables, as far as the watched programs use them: rows before and after a call, and
//! what is left at the end. Read from outside, with calls of our own that change nothing.

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use libc::{c_int, key_t};
use nix::errno::Errno;
use sysv::tables;
use sysv::tables::Kind;

use crate::event::Row;
use crate::tracer::zeroed;

/// The objects that these programs have used, of one IPC namespace: ours.
pub struct Objects {
    /// Segments by id, as they were seen last.
    segments: BTreeMap<c_int, Option<Row>>,
    /// What was made, with its key.
    made: Vec<(Kind, c_int, key_t)>,
    since: i64,
}

impl Objects {
    /// None yet. What has an older ctime than now was made by somebody else.
    pub fn new() -> Objects {
        let now =
            SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs() as i64);
        // The kernel stamps an object with the second of the last tick, which may be the one before.
        Objects { segments: BTreeMap::new(), made: vec![], since: now - 1 }
    }

    /// Looks at a segment: its row when it was seen last, and now.
    pub fn look(&mut self, shmid: c_int) -> (Option<Row>, Option<Row>) {
        let now = segment(shmid).map(|(row, _)| row);
        let before = self.segments.insert(shmid, now.clone());
        (before.flatten(), now)
    }

    /// `shmget` has answered `shmid` to process `pid`: was it made by that call?
    pub fn got_segment(&mut self, shmid: c_int, key: key_t, pid: i32) -> bool {
        let known = self.made.contains(&(Kind::Shm, shmid, key));
        let fresh =
            segment(shmid).is_some_and(|(row, ctime)| row.cpid == Some(pid) && ctime >= self.since);
        let made = fresh && !known && !self.segments.contains_key(&shmid);
        if made {
            self.made.push((Kind::Shm, shmid, key));
        }
        made
    }

    /// A queue or a set of semaphores was made by a call that has just returned.
    pub fn made(&mut self, kind: Kind, id: c_int, key: key_t) {
        self.made.push((kind, id, key));
    }

    /// Is there an object of this key now? Asked before a call that opens it or else makes it.
    pub fn exists(kind: Kind, key: key_t) -> bool {
        // SAFETY: numbers alone; without IPC_CREAT nothing is made.
        let id = unsafe {
            match kind {
                Kind::Shm => libc::shmget(key, 0, 0),
                Kind::Msg => libc::msgget(key, 0),
                Kind::Sem => libc::semget(key, 0, 0),
            }
        };
        id >= 0 || Errno::last() != Errno::ENOENT
    }

    /// What was made and is still there.
    pub fn left(&self) -> Vec<(Kind, c_int, Row)> {
        let still = self.made.iter().filter_map(|&(kind, id, key)| {
            let row = tables::row(kind, id)?;
            // Removed and made again meanwhile, it has another key or an older owner.
            let same = row.key() == key || row.key() == 0;
            same.then(|| (kind, id, from_table(kind, &row)))
        });
        let mut left: Vec<_> = still.collect();
        left.dedup_by_key(|(kind, id, _)| (*kind, *id));
        left
    }
}

/// A segment's row and its ctime. IPC_STAT, 0.4 us; where that is refused /proc, 20 us.
fn segment(shmid: c_int) -> Option<(Row, i64)> {
    let mut ds: libc::shmid_ds = zeroed();
    // SAFETY: the kernel writes one record or nothing.
    match Errno::result(unsafe { libc::shmctl(shmid, libc::IPC_STAT, &mut ds) }) {
        Ok(_) => {
            let p = &ds.shm_perm;
            let row = Row {
                key: p.__key,
                perms: p.mode.into(),
                uid: p.uid,
                cuid: p.cuid,
                size: Some(ds.shm_segsz as u64),
                nattch: Some(ds.shm_nattch),
                cpid: Some(ds.shm_cpid),
                lpid: Some(ds.shm_lpid),
                qnum: None,
                cbytes: None,
                nsems: None,
            };
            Some((row, ds.shm_ctime))
        }
        Err(Errno::EACCES) => {
            let row = tables::segment(shmid)?;
            Some((from_table(Kind::Shm, &row), row.get("ctime")))
        }
        Err(_) => None,
    }
}

/// A row of /proc/sysvipc.
fn from_table(kind: Kind, row: &tables::Row) -> Row {
    let number = |name: &str| Some(row.get(name) as u64);
    let pid = |name: &str| Some(row.get(name) as i32);
    let (shm, msg, sem) = (kind == Kind::Shm, kind == Kind::Msg, kind == Kind::Sem);
    Row {
        key: row.key(),
        perms: row.get("perms") as u32,
        uid: row.get("uid") as u32,
        cuid: row.get("cuid") as u32,
        size: number("size").filter(|_| shm),
        nattch: number("nattch").filter(|_| shm),
        cpid: pid("cpid").filter(|_| shm),
        lpid: pid("lpid").filter(|_| shm),
        qnum: number("qnum").filter(|_| msg),
        cbytes: number("cbytes").filter(|_| msg),
        nsems: number("nsems").filter(|_| sem),
    }
}

/// The IPC namespace of a process; `None` if it has ended or we may not know.
pub fn namespace(pid: &str) -> Option<std::path::PathBuf> {
    std::fs::read_link(format!("/proc/{pid}/ns/ipc")).ok()
}

/// Was this segment removed, and waits for its last detach?
pub fn goes_with_last_detach(row: &Row) -> bool {
    row.perms & sysv::spell::SHM_DEST != 0
}
