//! An object as it was when it was made. It is found again only if all of it is still so: an id, a key and
//! a pid are used again.

use std::fmt;

use libc::key_t;
use nix::unistd::geteuid;

use crate::process::ipc_namespace;
use crate::tables::{Kind, Row, table};

/// An object that has no id here yet was made so soon after its line, in seconds: the line has the second
/// before. What was made later is somebody else's, with a key and a pid that were used again.
const SOON: i64 = 3;

/// One creation, as the ledger keeps it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Line {
    /// What was made.
    pub kind: Kind,
    /// Its id; -1 while it is being made.
    pub id: i64,
    /// Its key when it was made.
    pub key: key_t,
    /// Who made it.
    pub cpid: i32,
    /// When it was made or last set, in seconds since 1970.
    pub ctime: i64,
    /// Bytes, or semaphores; a queue has 0.
    pub size: i64,
    /// The IPC namespace it lives in.
    pub namespace: u64,
    /// The first process of the lab that made it.
    pub run: i32,
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let Line { kind, id, key, cpid, ctime, size, namespace, run } = self;
        write!(f, "{} {id} {key} {cpid} {ctime} {size} {namespace} {run}", kind.name())
    }
}

impl Line {
    /// Reads what [`fmt::Display`] wrote.
    pub fn parse(text: &str) -> Option<Line> {
        let mut words = text.split(' ');
        let name = words.next()?;
        let kind = Kind::ALL.into_iter().find(|kind| kind.name() == name)?;
        let numbers: Vec<i64> = words.map_while(|word| word.parse().ok()).collect();
        let [id, key, cpid, ctime, size, namespace, run] = numbers[..] else { return None };
        let (key, cpid, namespace, run) = (key as key_t, cpid as i32, namespace as u64, run as i32);
        Some(Line { kind, id, key, cpid, ctime, size, namespace, run })
    }

    /// Is it in the IPC namespace of this process?
    pub fn here(&self) -> bool {
        Some(self.namespace) == ipc_namespace("self")
    }

    /// The kernel's row of this very object, if it is there, visible from here, and not removed:
    /// one that waits for its last detach will go without us.
    pub fn row(&self) -> Option<Row> {
        if !self.here() {
            return None;
        }
        table(self.kind).into_iter().find(|row| self.fits(row))
    }

    /// Is this row, of the IPC namespace that it lives in, the one of this very object?
    pub fn fits(&self, row: &Row) -> bool {
        let made = row.get("ctime");
        let size = row.get(if self.kind == Kind::Sem { "nsems" } else { "size" });
        let known = self.id >= 0 && row.id() == self.id && made == self.ctime;
        (known || (self.id < 0 && (0..=SOON).contains(&(made - self.ctime))))
            && !row.is_dest()
            && row.key() == self.key
            && size == self.size
            && row.get("cuid") == geteuid().as_raw().into()
            && (self.kind != Kind::Shm || row.get("cpid") == self.cpid.into())
    }
}
