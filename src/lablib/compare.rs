//! Compare points: the kernel's record of an object, and under it what the real `ipcs` prints for it.

use libc::c_int;
use nix::errno::Errno;
use sysv::program::{self, Ran};
use sysv::spell;
use sysv::tables::{self, Kind, Row};

use crate::backstage::failure::{Failure, Result};
use crate::print::{brief, claim, note, text};
use crate::shm;

/// Runs a program of this machine; `None` if it has none of that name.
pub fn program(name: &str, arguments: &[&str]) -> Result<Option<Ran>> {
    program::run(name, arguments).map_err(|(call, error)| Failure::of(call)(error))
}

/// What the real `ipcs` prints; `None` if this machine has none, or it fails.
pub fn ipcs(arguments: &[&str]) -> Result<Option<String>> {
    Ok(program("ipcs", arguments)?.filter(|ran| ran.well).map(|ran| ran.output))
}

/// A compare point: what IPC_STAT says of a segment, and under it what the real `ipcs -m` prints
/// for it, and `ipcs -m -i`. `Err` if a field differs, unless somebody attached or detached
/// meanwhile: then both are asked again.
pub fn segment(shmid: c_int) -> Result<()> {
    let row = || tables::segment(shmid).map(|row| fields(SEGMENT, &row));
    let before = row();
    let (source, ours) = match brief(|| shm::ctl_stat(shmid)) {
        Err(Failure::Call(_, Errno::EACCES)) => {
            note("IPC_STAT is refused: our row is from /proc, which every user may read");
            ("/proc", tables::segment(shmid))
        }
        stat => ("IPC_STAT", Some(Row::of(shmid, &stat?))),
    };
    let ours = ours.ok_or_else(|| Failure::because(say!("/proc has no segment {shmid}")))?;
    match object(Kind::Shm, SEGMENT, source, &ours) {
        Err(_) if row() != before => {
            note("another process attached or detached meanwhile: compared again");
            segment(shmid)
        }
        compared => compared,
    }
}

const SEGMENT: &str = "key=key shmid=shmid owner=uid perms=perms bytes=size nattch=nattch status=perms \
     | mode=perms uid=uid gid=gid cuid=cuid cgid=cgid lpid=lpid cpid=cpid att_time=atime \
     det_time=dtime change_time=ctime";

/// A field: its name, and its value as `ipcs` spells it.
type Field = (&'static str, String);

/// Prints a row of ours, which is from `source`, over that of `ipcs`, or of /proc where there is no
/// `ipcs`. `Err` if a field differs. `names`: the fields, each by the name that `ipcs` has for it and by
/// the kernel's column; first those of the row that `ipcs` prints, and behind a | those of `ipcs -i`.
pub fn object(kind: Kind, names: &'static str, source: &str, ours: &Row) -> Result<()> {
    let (id, ours) = (ours.id(), fields(names, ours));
    let columns = names.split(' ').take_while(|word| *word != "|").count();
    let (reader, theirs) = match of_ipcs(kind, id, columns, &ours)? {
        Some(theirs) => (format!("ipcs {}", kind.option()), theirs),
        None => {
            let table = kind.name();
            note(say!("this machine has no ipcs; /proc/sysvipc/{table} is what it reads"));
            let row = tables::row(kind, id as c_int);
            ("/proc".into(), row.map_or(vec![], |row| fields(names, &row)))
        }
    };
    let line = |label: &str, cell: fn(&Field) -> &str, fields: &[Field]| {
        let cells = fields.iter().zip(ours.iter().zip(&theirs)).take(columns);
        let cells = cells.map(|(field, (ours, theirs))| {
            let width = ours.0.len().max(ours.1.len()).max(theirs.1.len());
            format!(" {:<width$}", cell(field))
        });
        format!("{label:<8} {}", cells.collect::<String>()).trim_end().to_string()
    };
    let rows = [
        line("", |field| field.0, &ours),
        line(source, |field| &field.1, &ours),
        line(&reader, |field| &field.1, &theirs),
    ];
    text(rows.join("\n"));
    let differing = ours.iter().zip(&theirs).find(|(o, t)| o != t);
    if let Some(((name, ours), (_, theirs))) = differing {
        let why = say!("{name} is {theirs} for {reader}, {ours} for {source}");
        return Err(Failure::because(format!("{} {id}: {why}", kind.noun())));
    }
    let equal = differing.is_none();
    match &*reader {
        "/proc" => claim(equal, "all fields are equal"),
        _ => claim(equal, say!("all fields are equal, and those of {reader} -i {id}")),
    }
}

/// A row in the words of `ipcs`, without what this row does not have.
fn fields(names: &'static str, row: &Row) -> Vec<Field> {
    let pairs = names.split(' ').filter_map(|pair| pair.split_once('='));
    pairs.filter_map(|(name, column)| Some((name, spell::ipcs(name, row.find(column)?)))).collect()
}

/// What `ipcs` prints for these fields; `None` if this machine has no `ipcs`.
fn of_ipcs(kind: Kind, id: i64, columns: usize, fields: &[Field]) -> Result<Option<Vec<Field>>> {
    let (Some(screen), id) = (ipcs(&[kind.option()])?, id.to_string()) else { return Ok(None) };
    let mut rows = screen.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let row = rows.find(|row| row.get(1) == Some(&id.as_str())).unwrap_or_default();
    let Some(detail) = ipcs(&[kind.option(), "-i", &id])? else { return Ok(None) };
    let pairs = || detail.split(['\t', '\n']).filter_map(|pair| pair.split_once('='));
    let pair = |name| pairs().find(|pair| pair.0.trim() == name).map(|pair| pair.1.trim().into());
    let said = |(i, (name, _)): (usize, &Field)| {
        // The last column may hold no word, one, or two (dest, locked).
        let end = if i + 1 < columns { i + 1 } else { row.len().max(i) };
        let words = || row.get(i..end).map(|words| words.join(" "));
        let word = if i < columns { words() } else { pair(*name) };
        (*name, word.unwrap_or("nothing".into()))
    };
    Ok(Some(fields.iter().enumerate().map(said).collect()))
}
