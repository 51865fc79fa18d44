//! What is known beside a call: who asks, which objects there are, who made and who removed them.

use libc::c_int;
use nix::errno::Errno;
use sysv::tables::Kind;

use crate::event::Row;

/// An object that exists.
pub struct Found {
    pub id: c_int,
    pub row: Row,
    /// Its group and its creator's.
    pub groups: [u32; 2],
    /// Who made it: `child 4242`.
    pub maker: String,
}

/// An object that existed.
pub struct Removed {
    pub id: c_int,
    /// Who removed it; `None`: a program that is not watched, or its last detach.
    pub by: Option<String>,
}

/// A segment that is mapped.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Attached {
    pub id: c_int,
    /// Where it begins, or would: the address that shmdt takes.
    pub base: u64,
    pub start: u64,
    /// The address behind its last page.
    pub end: u64,
    pub read_only: bool,
}

/// Calls whose -1 is often passed on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Source {
    /// shmget, msgget, semget.
    Get(Kind),
    /// shmat.
    Attach,
    /// fork and its relatives.
    Fork,
}

/// Who makes a call, as the kernel asks.
pub struct Caller {
    pub uid: u32,
    pub groups: Vec<u32>,
}

/// A mutex of the C library on whose word a thread sleeps.
pub struct Mutex {
    /// The thread that has locked it: `child 4242`.
    pub owner: String,
    /// That thread has ended.
    pub ended: bool,
    /// That thread is the one that sleeps.
    pub own: bool,
}

/// Whom a sentence about a call is asked from. What is not known is `None`.
pub trait World {
    /// The object that has this key.
    fn with_key(&self, _: Kind, _key: c_int) -> Option<Found> {
        None
    }
    /// The object that has this id.
    fn found(&self, _: Kind, _id: c_int) -> Option<Found> {
        None
    }
    /// Is there an object with this id? `None`: the tables are not ours to see.
    fn has(&self, _: Kind, _id: c_int) -> Option<bool> {
        None
    }
    /// Do the programs that are watched use an object with this id?
    fn uses(&self, _: Kind, _id: c_int) -> bool {
        false
    }
    /// What was the last object with this key, if it was removed.
    fn removed_key(&self, _: Kind, _key: c_int) -> Option<Removed> {
        None
    }
    /// The object with this id, if it was removed.
    fn removed_id(&self, _: Kind, _id: c_int) -> Option<Removed> {
        None
    }
    /// How many objects there are.
    fn objects(&self, _: Kind) -> Option<u64> {
        None
    }
    /// A limit of the kernel: `shmmax`, `semopm`.
    fn limit(&self, _name: &str) -> Option<u64> {
        None
    }
    /// Are there huge pages of 2 to the power of this?
    fn has_huge_pages(&self, _shift: u32) -> bool {
        true
    }
    /// The caller's last call of this sort that failed.
    fn failed(&self, _: Source) -> Option<(String, Errno)> {
        None
    }
    /// The file that the caller looked up last, if that failed, and how.
    fn no_file(&self) -> Option<(String, Errno)> {
        None
    }
    /// The segments that the caller has mapped.
    fn attached(&self) -> Vec<Attached> {
        vec![]
    }
    /// The segment that shmat attached at this address, and no shmdt detached.
    fn attached_by_shmat(&self, _at: u64) -> Option<c_int> {
        None
    }
    /// The segment that was attached at this address until a shmdt.
    fn was_attached(&self, _at: u64) -> Option<c_int> {
        None
    }
    /// What the caller has mapped between these addresses.
    fn mapped(&self, _from: u64, _to: u64) -> Option<String> {
        None
    }
    fn caller(&self) -> Option<Caller> {
        None
    }
    /// What a process that was watched and has ended was called.
    fn ended(&self, _pid: c_int) -> Option<String> {
        None
    }
    /// The user of a process.
    fn user_of(&self, _pid: c_int) -> Option<u32> {
        None
    }
    /// Does the caller ignore this signal?
    fn ignores(&self, _signal: c_int) -> bool {
        false
    }
    /// The mutex whose word is at this address.
    fn mutex(&self, _at: u64) -> Option<Mutex> {
        None
    }
    /// What other processes share at this address: `shmid 0`.
    fn shared(&self, _at: u64) -> Option<String> {
        None
    }
}

/// One in which nothing is known.
#[cfg(test)]
pub struct Nobody;

#[cfg(test)]
impl World for Nobody {}
