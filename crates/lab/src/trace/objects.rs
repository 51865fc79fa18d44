//! The kernel's tables, as far as the watched programs use them: rows before and after a call, and
//! what is left at the end. Read from outside, with calls of our own that change nothing.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use libc::{c_int, key_t};
use nix::errno::Errno;
use sysv::tables;
use sysv::tables::Kind;

use super::doing::Doing;
use crate::event::{Row, What};
use crate::syscalls::cells::Object;
use crate::syscalls::world::Removed;
use crate::tracer::zeroed;

/// The objects that these programs have used, of one IPC namespace: ours.
pub struct Objects {
    /// Segments by id, as they were seen last.
    segments: BTreeMap<c_int, Option<Row>>,
    made: Vec<Made>,
    /// All that a call of theirs has answered, or removed; each kind by its id.
    used: [BTreeMap<c_int, Used>; 3],
    /// How many that are.
    count: u64,
    since: i64,
    namespace: Option<PathBuf>,
}

/// An object that these programs have made.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Made {
    kind: Kind,
    id: c_int,
    key: key_t,
}

/// An object that these programs have used.
struct Used {
    key: key_t,
    /// The how manieth.
    n: u64,
    /// Who made it, if one of them did.
    maker: Option<String>,
    removed: bool,
    /// Who did that, if one of them did.
    remover: Option<String>,
}

/// A segment, as it was when it was seen last, and as it is now. `None`: it has no row.
pub struct Seen {
    pub id: c_int,
    pub before: Option<Row>,
    pub after: Option<Row>,
}

impl Seen {
    /// The event for it; `None`: nothing has changed.
    pub fn change(self) -> Option<What> {
        let Seen { id, before, after } = self;
        (before != after).then_some(What::Table { kind: Kind::Shm, id, before, after })
    }
}

/// An object that is left behind.
pub struct Left {
    pub kind: Kind,
    pub id: c_int,
    pub row: Row,
}

/// What IPC_STAT says of a segment.
struct Stat {
    row: Row,
    ctime: i64,
}

impl Objects {
    /// None yet. An object whose ctime is older than now was made by another program.
    pub fn new() -> Objects {
        let now =
            SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs() as i64);
        // The kernel stamps an object with the second of the last tick, which may be the one before.
        let namespace = namespace("self");
        let (segments, made, used) = (BTreeMap::new(), vec![], Default::default());
        Objects { segments, made, used, count: 0, since: now - 1, namespace }
    }

    /// Is a process in another IPC namespace, whose tables we do not see?
    pub fn elsewhere(&self, pid: i32) -> bool {
        namespace(&pid.to_string()) != self.namespace
    }

    /// Looks at a segment.
    pub fn look(&mut self, id: c_int) -> Seen {
        let after = segment(id).map(|stat| stat.row);
        let before = self.segments.insert(id, after.clone()).flatten();
        Seen { id, before, after }
    }

    /// A segment's row now; the next look shows all the same what has changed.
    pub fn peek(&self, id: c_int) -> Option<Row> {
        segment(id).map(|stat| stat.row)
    }

    /// Is there an object already that this call will open? Ask before the call. For a segment the
    /// record shows afterwards which process made it.
    pub fn has(doing: &Doing) -> bool {
        let Object::Get { kind, flags } = doing.row.object else { return false };
        let (key, flags) = (doing.entry.args[0] as c_int, doing.entry.args[flags] as c_int);
        kind != Kind::Shm
            && key != libc::IPC_PRIVATE
            && (flags & libc::IPC_CREAT == 0 || flags & libc::IPC_EXCL == 0 && exists(kind, key))
    }

    /// A call of process `pid` has answered `id`: of which kind is the object that it has made?
    /// `None`: it has made none.
    pub fn made_by(&mut self, doing: &Doing, id: c_int, pid: i32) -> Option<Kind> {
        let Object::Get { kind, flags } = doing.row.object else { return None };
        let (key, flags) = (doing.entry.args[0] as c_int, doing.entry.args[flags] as c_int);
        let one = Made { kind, id, key };
        let made = match kind {
            Kind::Shm => {
                let may = key == libc::IPC_PRIVATE || flags & libc::IPC_CREAT != 0;
                may && self.is_fresh(one, pid)
            }
            Kind::Msg | Kind::Sem => !doing.existed,
        };
        if made {
            self.made.push(one);
        }
        made.then_some(kind)
    }

    /// Has process `pid` just made this segment?
    fn is_fresh(&self, one: Made, pid: i32) -> bool {
        let known = self.made.contains(&one) || self.segments.contains_key(&one.id);
        let fresh = |stat: Stat| stat.row.cpid == Some(pid) && stat.ctime >= self.since;
        !known && segment(one.id).is_some_and(fresh)
    }

    /// A call of `who` has answered this object.
    pub fn opened(&mut self, kind: Kind, id: c_int, key: key_t, made: bool, who: &str) {
        let known = self.used(kind, id).is_some_and(|one| !one.removed);
        if !known || made {
            self.count += 1;
            let maker = made.then(|| who.to_string());
            let one = Used { key, n: self.count, maker, removed: false, remover: None };
            self.used[kind as usize].insert(id, one);
        }
    }

    /// `who` has removed this object. It may have learned its id without a call.
    pub fn removed(&mut self, kind: Kind, id: c_int, who: String) {
        if self.used(kind, id).is_none() {
            let row = self.segments.get(&id).and_then(Option::as_ref);
            let key = row.filter(|_| kind == Kind::Shm).map_or(libc::IPC_PRIVATE, |row| row.key);
            self.opened(kind, id, key, false, &who);
        }
        if let Some(one) = self.used[kind as usize].get_mut(&id) {
            (one.removed, one.remover) = (true, Some(who));
        }
    }

    fn used(&self, kind: Kind, id: c_int) -> Option<&Used> {
        self.used[kind as usize].get(&id)
    }

    /// Do they use an object with this id?
    pub fn uses(&self, kind: Kind, id: c_int) -> bool {
        self.used(kind, id).is_some_and(|one| !one.removed)
    }

    /// Who of them made this object?
    pub fn maker(&self, kind: Kind, id: c_int) -> Option<&str> {
        self.used(kind, id)?.maker.as_deref()
    }

    /// They have used an object with this id, and it does not exist any more: who removed it?
    pub fn gone(&self, kind: Kind, id: c_int) -> Option<Removed> {
        let by = self.used(kind, id)?.remover.clone();
        Some(Removed { id, by })
    }

    /// They have used an object with this key, and none has it now: which one, and who removed it?
    pub fn gone_with_key(&self, kind: Kind, key: key_t) -> Option<Removed> {
        let all = self.used[kind as usize].iter();
        let had = all.filter(|(_, one)| one.key == key && key != libc::IPC_PRIVATE);
        let (id, one) = had.max_by_key(|(_, one)| one.n)?;
        Some(Removed { id: *id, by: one.remover.clone() })
    }

    /// What was made and is still there.
    pub fn left(&self) -> Vec<Left> {
        let still = self.made.iter().filter_map(|&Made { kind, id, key }| {
            let row = tables::row(kind, id)?;
            // Removed and made again meanwhile, it has another key or an older owner.
            let same = row.key() == key || row.key() == 0;
            same.then(|| Left { kind, id, row: Row::of(kind, &row) })
        });
        let mut left: Vec<_> = still.collect();
        left.dedup_by_key(|one| (one.kind, one.id));
        left
    }
}

/// Is there an object of this key?
fn exists(kind: Kind, key: key_t) -> bool {
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

/// A segment's row and its ctime. IPC_STAT, 0.4 us; where that is refused /proc, 20 us.
fn segment(shmid: c_int) -> Option<Stat> {
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
            Some(Stat { row, ctime: ds.shm_ctime })
        }
        Err(Errno::EACCES) => {
            let row = tables::segment(shmid)?;
            Some(Stat { ctime: row.get("ctime"), row: Row::of(Kind::Shm, &row) })
        }
        Err(_) => None,
    }
}

/// The IPC namespace of a process; `None` if it has ended or we may not know.
fn namespace(pid: &str) -> Option<PathBuf> {
    std::fs::read_link(format!("/proc/{pid}/ns/ipc")).ok()
}
