//! The kernel's own tables: /proc/sysvipc and /proc/sys/kernel.

use libc::{c_int, msqid_ds, shmid_ds};

use crate::look::{self, needed, text_if_allowed};
use crate::spell::SHM_DEST;

/// The three kinds of System V objects, named as in /proc/sysvipc.
#[derive(Clone, Copy, PartialEq, Eq, Debug, PartialOrd, Ord)]
#[allow(missing_docs)]
pub enum Kind {
    Shm,
    Msg,
    Sem,
}

impl Kind {
    /// All of them.
    pub const ALL: [Kind; 3] = [Kind::Shm, Kind::Msg, Kind::Sem];

    /// `shm`, `msg`, `sem`.
    pub fn name(self) -> &'static str {
        ["shm", "msg", "sem"][self as usize]
    }

    /// What one is called: `segment`, `queue`, `set`.
    pub fn noun(self) -> &'static str {
        ["segment", "queue", "set"][self as usize]
    }

    /// The option of `ipcs` for it.
    pub fn option(self) -> &'static str {
        ["-m", "-q", "-s"][self as usize]
    }

    /// What its id is called: `shmid`, `msqid`, `semid`.
    pub fn id_name(self) -> &'static str {
        ["shmid", "msqid", "semid"][self as usize]
    }
}

/// A row of /proc/sysvipc/{shm,msg,sem}: numbers by the names of its columns.
#[derive(Clone, Debug)]
pub struct Row(Vec<(String, i64)>);

impl Row {
    /// IPC_STAT's record of a segment, with the columns that /proc/sysvipc/shm has.
    pub fn of(shmid: c_int, ds: &shmid_ds) -> Row {
        let p = &ds.shm_perm;
        let of_perm = [p.__key as i64, shmid.into(), p.mode.into(), ds.shm_segsz as i64];
        let pids = [ds.shm_cpid.into(), ds.shm_lpid.into(), ds.shm_nattch as i64];
        let owners = [p.uid.into(), p.gid.into(), p.cuid.into(), p.cgid.into()];
        let times = [ds.shm_atime, ds.shm_dtime, ds.shm_ctime];
        let names = "key shmid perms size cpid lpid nattch uid gid cuid cgid atime dtime ctime";
        let values = of_perm.into_iter().chain(pids).chain(owners).chain(times);
        Row(names.split(' ').map(String::from).zip(values).collect())
    }

    /// IPC_STAT's record of a queue, with the columns that /proc/sysvipc/msg has, and one more, qbytes.
    pub fn of_queue(msqid: c_int, ds: &msqid_ds) -> Row {
        let p = &ds.msg_perm;
        let of_perm = [p.__key as i64, msqid.into(), p.mode.into(), ds.__msg_cbytes as i64];
        let pids = [ds.msg_qnum as i64, ds.msg_lspid.into(), ds.msg_lrpid.into()];
        let owners = [p.uid.into(), p.gid.into(), p.cuid.into(), p.cgid.into()];
        let rest = [ds.msg_stime, ds.msg_rtime, ds.msg_ctime, ds.msg_qbytes as i64];
        let names =
            "key msqid perms cbytes qnum lspid lrpid uid gid cuid cgid stime rtime ctime qbytes";
        let values = of_perm.into_iter().chain(pids).chain(owners).chain(rest);
        Row(names.split(' ').map(String::from).zip(values).collect())
    }

    /// The number in a column, if this table has it.
    pub fn find(&self, column: &str) -> Option<i64> {
        self.0.iter().find(|(name, _)| name == column).map(|(_, value)| *value)
    }

    /// The number in a column; 0 for a column that this table does not have.
    pub fn get(&self, column: &str) -> i64 {
        self.find(column).unwrap_or(0)
    }

    /// shmid, msqid or semid.
    pub fn id(&self) -> i64 {
        self.0.get(1).map_or(-1, |(_, id)| *id)
    }

    /// The key; 0 for IPC_PRIVATE, and for a segment that goes with its last detach.
    pub fn key(&self) -> i32 {
        self.get("key") as i32
    }

    /// Is it a segment that was removed, and goes with its last detach?
    pub fn is_dest(&self) -> bool {
        self.get("perms") as u32 & SHM_DEST != 0
    }
}

/// The kernel's table of one kind, whole. Every user may read it, unlike IPC_STAT; 20 us a read.
pub fn table(kind: Kind) -> Vec<Row> {
    rows(&text(kind))
}

/// The same, as the kernel spells it.
pub fn text(kind: Kind) -> String {
    needed(&format!("/proc/sysvipc/{}", kind.name()))
}

/// The rows of such a text.
pub fn rows(text: &str) -> Vec<Row> {
    let mut lines = text.lines();
    let names: Vec<&str> = lines.next().unwrap_or_default().split_whitespace().collect();
    let pair = |(name, word): (&&str, &str)| {
        let radix = if *name == "perms" { 8 } else { 10 };
        (name.to_string(), i64::from_str_radix(word, radix).unwrap_or(i64::MAX))
    };
    lines.map(|line| Row(names.iter().zip(line.split_whitespace()).map(pair).collect())).collect()
}

/// The row of one object.
pub fn row(kind: Kind, id: c_int) -> Option<Row> {
    table(kind).into_iter().find(|row| row.id() == i64::from(id))
}

/// The row of one segment.
pub fn segment(shmid: c_int) -> Option<Row> {
    row(Kind::Shm, shmid)
}

/// A number of /proc/sys/kernel: `shmmni`, `shmmax`, `shmall`, … 0 if it cannot be read: [`look::missed`].
pub fn limit(name: &str) -> u64 {
    look::number(&format!("/proc/sys/kernel/{name}"))
}

/// How many bits of an id are its slot in the kernel's table: 15, or 24 with the boot option `ipcmni_extend`.
pub fn slot_bits() -> i32 {
    let options = text_if_allowed("/proc/cmdline").unwrap_or_default();
    if options.split_whitespace().any(|word| word == "ipcmni_extend") { 24 } else { 15 }
}
