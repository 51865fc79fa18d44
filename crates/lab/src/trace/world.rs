//! What the books and the kernel's tables know beside a call: whom its sentence is asked from.

use say::tell;
use screen::words::translated;
use std::fs;
use std::path::Path;

use libc::c_int;
use nix::errno::Errno;
use sysv::process::mappings;
use sysv::tables::{self, Kind};

use super::books::Books;
use super::objects::Objects;
use super::process::{Process, mapped_segments};
use super::signals;
use crate::event::Row;
use crate::syscalls::world::{Attached, Caller, Found, Mutex, Removed, Source, World};
use crate::tracer::Tid;
use crate::tracer::memory::record;

/// The world as a thread sees it.
pub struct Here<'a> {
    pub books: &'a Books,
    pub objects: &'a Objects,
    pub tid: Tid,
}

impl Here<'_> {
    fn process(&self) -> Option<&Process> {
        self.books.process_of(self.tid)
    }

    /// Are the kernel's tables that we see its own?
    fn sees(&self) -> bool {
        self.process().is_some_and(|process| !process.elsewhere)
    }

    fn found(&self, kind: Kind, row: &tables::Row) -> Found {
        let id = row.id() as c_int;
        let maker = self.objects.maker(kind, id).map(String::from);
        Found {
            id,
            row: Row::of(kind, row),
            groups: [row.get("gid") as u32, row.get("cgid") as u32],
            maker: maker.unwrap_or_else(|| match row.find("cpid") {
                Some(pid) => self.books.who(pid as i32),
                None => tell!("another program (uid {})", row.get("cuid")),
            }),
        }
    }

    fn find(&self, kind: Kind, is: impl Fn(&tables::Row) -> bool) -> Option<Found> {
        let row = tables::table(kind).into_iter().find(|row| self.sees() && is(row))?;
        Some(self.found(kind, &row))
    }
}

impl World for Here<'_> {
    fn with_key(&self, kind: Kind, key: c_int) -> Option<Found> {
        self.find(kind, |row| row.key() == key && key != libc::IPC_PRIVATE)
    }

    fn found(&self, kind: Kind, id: c_int) -> Option<Found> {
        self.find(kind, |row| row.id() == i64::from(id))
    }

    fn has(&self, kind: Kind, id: c_int) -> Option<bool> {
        self.sees().then(|| tables::row(kind, id).is_some())
    }

    fn uses(&self, kind: Kind, id: c_int) -> bool {
        self.sees() && self.objects.uses(kind, id)
    }

    fn removed_key(&self, kind: Kind, key: c_int) -> Option<Removed> {
        self.objects.gone_with_key(kind, key).filter(|_| self.sees())
    }

    fn removed_id(&self, kind: Kind, id: c_int) -> Option<Removed> {
        self.objects.gone(kind, id).filter(|_| self.sees())
    }

    fn objects(&self, kind: Kind) -> Option<u64> {
        self.sees().then(|| tables::table(kind).len() as u64)
    }

    fn limit(&self, name: &str) -> Option<u64> {
        if !self.sees() {
            return None;
        }
        let sem = ["semmsl", "semmns", "semopm", "semmni"].iter().position(|one| *one == name);
        let Some(at) = sem else { return Some(tables::limit(name)).filter(|most| *most > 0) };
        let text = fs::read_to_string("/proc/sys/kernel/sem").ok()?;
        text.split_whitespace().nth(at)?.parse().ok()
    }

    fn has_huge_pages(&self, shift: u32) -> bool {
        let kib = 1_u64.checked_shl(shift).unwrap_or(0) >> 10;
        let pools = Path::new("/sys/kernel/mm/hugepages");
        !pools.exists() || pools.join(format!("hugepages-{kib}kB")).exists()
    }

    fn failed(&self, source: Source) -> Option<(String, Errno)> {
        self.process()?.failed(source)
    }

    fn no_file(&self) -> Option<(String, Errno)> {
        self.process()?.no_file()
    }

    fn attached(&self) -> Vec<Attached> {
        mapped_segments(self.tid)
    }

    fn attached_by_shmat(&self, at: u64) -> Option<c_int> {
        self.process()?.attached_at(at)
    }

    fn was_attached(&self, at: u64) -> Option<c_int> {
        self.process()?.detached_around(at)
    }

    fn mapped(&self, from: u64, to: u64) -> Option<String> {
        let maps = mappings(&self.tid.to_string());
        let map = maps.iter().find(|map| (map.start as u64) < to && from < map.end as u64)?;
        Some(match (map.shmid(), map.line.split(' ').nth(5)) {
            (Some(id), _) => format!("shmid {id}"),
            (_, Some(name)) => name.to_string(),
            _ => translated("other memory").into(),
        })
    }

    fn caller(&self) -> Option<Caller> {
        let text = fs::read_to_string(format!("/proc/{}/status", self.tid)).ok()?;
        let ids = |name: &str| -> Vec<u32> {
            let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
            line.split_whitespace().filter_map(|id| id.parse().ok()).collect()
        };
        // Real, effective, …: the effective one counts.
        let mut groups = ids("Groups:");
        groups.extend(ids("Gid:").get(1));
        Some(Caller { uid: *ids("Uid:").get(1)?, groups })
    }

    fn ended(&self, pid: c_int) -> Option<String> {
        self.books.ended(pid).map(String::from)
    }

    fn user_of(&self, pid: c_int) -> Option<u32> {
        sysv::process::status(pid).map(|status| status.uid)
    }

    fn ignores(&self, signal: c_int) -> bool {
        signals::ignores(self.tid, signal)
    }

    fn mutex(&self, at: u64) -> Option<Mutex> {
        let owner = mutex_owner(self.tid, at)?;
        let ended = self.books.ended(owner);
        let name = match ended {
            Some(name) => name.to_string(),
            None => self.books.thread(owner).map(|_| self.books.who(owner))?,
        };
        Some(Mutex { owner: name, ended: ended.is_some(), own: owner == self.tid })
    }

    fn shared(&self, at: u64) -> Option<String> {
        if let Some(id) = self.process()?.attached_around(at) {
            return Some(format!("shmid {id}"));
        }
        // Memory of mmap: who is alone shares it with nobody.
        if self.books.one_process() {
            return None;
        }
        let maps = mappings(&self.tid.to_string());
        let map = maps.iter().find(|map| map.start as u64 <= at && at < map.end as u64)?;
        let shared = map.line.split(' ').nth(1)?.ends_with('s');
        shared.then(|| {
            map.shmid().map_or(translated("shared memory").into(), |id| format!("shmid {id}"))
        })
    }
}

/// The thread that has locked the mutex whose word is at this address, if it is one of glibc's: the
/// word, a count, the owner, the users, the kind. <bits/struct_mutex.h>
pub fn mutex_owner(tid: Tid, at: u64) -> Option<Tid> {
    const OWNER: u32 = 0x3fff_ffff;
    /// PTHREAD_MUTEX_ROBUST_NORMAL_NP, PTHREAD_MUTEX_PRIO_INHERIT_NP.
    const WORD_IS_OWNER: u32 = 0x30;
    let [word, _, owner, users, kind] = record::<[u32; 5]>(tid, at)?;
    if kind & 0xf > 3 || kind & 0x7_fc00 != 0 || users > 0xffff {
        return None;
    }
    let owner = if kind & WORD_IS_OWNER != 0 { word & OWNER } else { owner };
    let locked = kind & WORD_IS_OWNER != 0 || word == 2;
    (locked && owner != 0).then_some(owner as Tid)
}
