//! Compare points: the kernel's record of an object, and under it what the real `ipcs` prints for it.

use std::process::Command;

use libc::c_int;
use nix::errno::Errno;
use sysv::spell::{self, SHM_DEST, SHM_LOCKED};
use sysv::tables::{self, Kind, Row};

use crate::backstage::failure::{Failure, Result};
use crate::print::{note, text};
use crate::shm;

/// Runs the real `ipcs`; `None` if this machine has none. By posix_spawn: a fork would attach a
/// copy of what we have attached, and change what is being compared.
pub fn ipcs(arguments: &[&str]) -> Option<String> {
    let output = Command::new("ipcs").args(arguments).env("LC_ALL", "C").output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

/// A compare point: what IPC_STAT says of a segment, and under it what the real `ipcs -m` prints
/// for it, and `ipcs -m -i`. `Err` if a field differs, unless somebody attached or detached
/// meanwhile: then both are asked again.
pub fn segment(shmid: c_int) -> Result<()> {
    let (source, ours) = match shm::ctl_stat(shmid) {
        Err(Failure::Call(_, Errno::EACCES)) => {
            note("IPC_STAT is refused: our row is the one of /proc, open to everybody");
            ("/proc", tables::segment(shmid))
        }
        stat => ("IPC_STAT", Some(Row::of(shmid, &stat?))),
    };
    let ours = ours.ok_or_else(|| Failure::because(format!("/proc has no segment {shmid}")))?;
    let now = || tables::segment(shmid).map(|row| fields(&row)).unwrap_or_default();
    let table = Table { kind: Kind::Shm, id: shmid, columns: 7 };
    match table.compare(source, &fields(&ours), now) {
        Err(_) if now() != fields(&ours) => {
            note("somebody attached or detached meanwhile: once more");
            segment(shmid)
        }
        compared => compared,
    }
}

/// A segment in the words of `ipcs`: its row, 7 fields, and what `ipcs -i` adds.
fn fields(row: &Row) -> Fields {
    let mode = row.get("perms");
    let words = [(SHM_DEST, "dest"), (SHM_LOCKED, "locked")].into_iter();
    let status: Vec<_> =
        words.filter(|(bit, _)| mode as u32 & bit != 0).map(|(_, word)| word).collect();
    let number = |name, column| (name, row.get(column).to_string());
    let time = |name, column| (name, spell::time(row.get(column)));
    vec![
        ("key", format!("{:#010x}", row.key())),
        ("shmid", row.id().to_string()),
        ("owner", spell::user(row.get("uid"))),
        ("perms", format!("{:o}", mode & 0o777)),
        number("bytes", "size"),
        number("nattch", "nattch"),
        ("status", status.join(" ")),
        ("mode", format!("{}{mode:o}", if mode == 0 { "" } else { "0" })),
        number("uid", "uid"),
        number("gid", "gid"),
        number("cuid", "cuid"),
        number("cgid", "cgid"),
        number("lpid", "lpid"),
        number("cpid", "cpid"),
        time("att_time", "atime"),
        time("det_time", "dtime"),
        time("change_time", "ctime"),
    ]
}

/// Fields by the names that `ipcs` has for them, each spelled as `ipcs` spells it.
pub type Fields = Vec<(&'static str, String)>;

/// An object, as `ipcs` shows it: so many columns in its row, the last of which may hold several
/// words or none; the other fields are those of `ipcs -i`.
pub struct Table {
    /// Whose table.
    pub kind: Kind,
    /// Which object.
    pub id: c_int,
    /// How many of its fields are columns.
    pub columns: usize,
}

impl Table {
    /// Prints our row, which is from `source`, over that of `ipcs`, or where there is none of `proc`.
    /// `Err` if a field differs.
    pub fn compare(
        &self,
        source: &str,
        ours: &Fields,
        proc: impl FnOnce() -> Fields,
    ) -> Result<()> {
        let (name, id) = (self.kind.name(), self.id);
        let (what, option) = match self.kind {
            Kind::Shm => ("segment", "-m"),
            Kind::Msg => ("queue", "-q"),
            Kind::Sem => ("set", "-s"),
        };
        let (reader, theirs) = match self.of_ipcs(option, ours) {
            Some(theirs) => (format!("ipcs {option}"), theirs),
            None => {
                note(&format!("this machine has no ipcs; /proc/sysvipc/{name} is what it reads"));
                ("/proc".into(), proc())
            }
        };
        let cells = |of: fn(&(&'static str, String)) -> String, fields: &Fields| -> Vec<String> {
            fields.iter().take(self.columns).map(of).collect()
        };
        let rows = [
            ("", cells(|(name, _)| name.to_string(), ours)),
            (source, cells(|(_, value)| value.clone(), ours)),
            (&*reader, cells(|(_, value)| value.clone(), &theirs)),
        ];
        let width = |i: usize| rows.iter().filter_map(|row| row.1.get(i)).map(String::len).max();
        for (label, cells) in &rows {
            let cells = cells.iter().enumerate();
            let cells = cells.map(|(i, cell)| format!(" {cell:<0$}", width(i).unwrap_or(0)));
            text(format!("{label:<8} {}", cells.collect::<String>()).trim_end());
        }
        for ((name, ours), (_, theirs)) in ours.iter().zip(&theirs) {
            if ours != theirs {
                let why =
                    format!("{what} {id}: {name} is {theirs} for {reader}, {ours} for {source}");
                return Err(Failure::because(why));
            }
        }
        let more = if reader == "/proc" { "" } else { &format!(", and those of {reader} -i {id}") };
        note(&format!("✓ all fields are equal{more}"));
        Ok(())
    }

    /// What `ipcs` prints for these fields; `None` if this machine has no `ipcs`.
    fn of_ipcs(&self, option: &str, fields: &Fields) -> Option<Fields> {
        let (screen, id) = (ipcs(&[option])?, self.id.to_string());
        let mut rows = screen.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
        let row = rows.find(|row| row.get(1) == Some(&id.as_str())).unwrap_or_default();
        let detail = ipcs(&[option, "-i", &id])?;
        let pairs = || detail.split(['\t', '\n']).filter_map(|pair| pair.split_once('='));
        let said = |(i, (name, _)): (usize, &(&'static str, String))| {
            let word = if i + 1 == self.columns {
                Some(row.get(i..).unwrap_or_default().join(" "))
            } else if i < self.columns {
                row.get(i).map(|word| word.to_string())
            } else {
                pairs().find(|pair| pair.0.trim() == *name).map(|pair| pair.1.trim().to_string())
            };
            (*name, word.unwrap_or("nothing".into()))
        };
        Some(fields.iter().enumerate().map(said).collect())
    }
}
