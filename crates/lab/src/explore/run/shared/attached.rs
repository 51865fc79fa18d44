//! How often a segment is attached, and by whom last, as it would be without the tracer. It has attached each
//! segment, too, and pages that are opened one by one count as attached one by one.

use std::mem::offset_of;

use libc::shmid_ds;

use crate::event::Row;
use crate::explore::Trouble;
use crate::explore::descriptors::{descriptor, field};
use crate::explore::run::Result;
use crate::explore::run::maps::Map;
use crate::explore::run::model::Model;
use crate::explore::run::programs::Programs;
use crate::tracer::Entry;
use crate::tracer::memory::bytes;

/// The columns of /proc/sysvipc/shm, from 0.
const ID: usize = 1;
const CPID: usize = 4;
const LPID: usize = 5;
/// How wide the numbers behind them are.
const WIDTH: usize = 5;

/// By an index: <linux/shm.h>
const SHM_STAT: i32 = 13;
const STAT_ANY: i32 = 15;

impl Model {
    /// A process has attached these, has them with its birth, or has them no more.
    pub fn attached_last(&mut self, maps: &[Map], pid: i32) {
        let segments = maps.iter().filter(|map| map.is_segment());
        self.last_attached.extend(segments.map(|map| (map.memory as i32, pid)));
    }

    /// How often a segment is attached.
    pub fn attached(&self, id: i32) -> u64 {
        let lives = self.processes.iter().filter(|process| process.end.is_none());
        let maps = lives.flat_map(|process| &process.maps);
        maps.filter(|map| map.memory == id as u64).count() as u64
    }
}

/// shmctl has filled a record.
pub fn in_record(all: &mut Programs, i: usize, entry: &Entry, result: i64) -> Result<()> {
    let id = match entry.args[1] as i32 {
        libc::IPC_STAT => entry.args[0] as i32,
        SHM_STAT | STAT_ANY => result as i32,
        _ => return Ok(()),
    };
    let Some(last) = all.model.last_attached.get(&id).copied() else { return Ok(()) };
    let count = all.model.attached(id);
    let at = entry.args[2] + offset_of!(shmid_ds, shm_nattch) as u64;
    all.write(i, at, &[count])?;
    let at = entry.args[2] + offset_of!(shmid_ds, shm_lpid) as u64;
    all.set_bytes_at(i, at, &last.to_ne_bytes()).map(drop)
}

/// The kernel's table has been read, as text.
pub fn in_table(all: &mut Programs, i: usize, entry: &Entry, result: i64) -> Result<()> {
    let tid = all.model.tasks[i].tid;
    let link = descriptor(tid, entry.args[0]);
    if !link.is_some_and(|link| link.ends_with("/sysvipc/shm")) {
        return Ok(());
    }
    // It may be read in small parts: a row is known when its beginning is.
    let at = field(&format!("{tid}/fdinfo/{}", entry.args[0]), "pos:");
    let read = bytes(tid, entry.args[1], result as usize);
    let end = at.and_then(|at| at.parse::<usize>().ok()).filter(|_| entry.number == libc::SYS_read);
    let from = end.map_or(entry.args[3] as usize, |end| end - read.len());
    let reader = (all.model.process(i).tgid, entry.args[0]);
    let known = all.model.tables.entry(reader).or_default();
    if known.len() < from {
        return Ok(());
    }
    known.truncate(from);
    known.extend(&read);
    let after = corrected(&all.model.tables[&reader], |id| {
        let last = all.model.last_attached.get(&id)?;
        Some((*last, all.model.attached(id)))
    });
    let after = &after[from..];
    if read != after && !all.set_bytes_at(i, entry.args[1], after)? {
        return Err(Trouble::because("the table of segments cannot be put right"));
    }
    Ok(())
}

/// The same text with other numbers, as long as it was.
fn corrected(text: &[u8], of: impl Fn(i32) -> Option<(i32, u64)>) -> Vec<u8> {
    let mut all = text.to_vec();
    let mut start = 0;
    for line in text.split_inclusive(|byte| *byte == b'\n') {
        let cells = cells(line);
        let word =
            |at: usize| std::str::from_utf8(&line[cells.get(at)?.clone()]).ok()?.parse().ok();
        if let Some((last, count)) = word(ID).and_then(&of) {
            // `%5u %5u  %5lu`: a number's place follows from the one before it.
            let mut put = |before: usize, gap: usize, number: u64| {
                let Some(cell) = cells.get(before) else { return };
                let from = start + cell.end + gap;
                let number = format!("{number:>WIDTH$}");
                let room = all.len().saturating_sub(from).min(number.len());
                if number.len() == WIDTH && room > 0 {
                    all[from..from + room].copy_from_slice(&number.as_bytes()[..room]);
                }
            };
            put(CPID, 1, last as u64);
            put(LPID, 2, count);
        }
        start += line.len();
    }
    all
}

/// Where the words of a line are that are followed by another.
fn cells(line: &[u8]) -> Vec<std::ops::Range<usize>> {
    let mut all = vec![];
    let mut from = None;
    for (at, byte) in line.iter().enumerate() {
        match (byte.is_ascii_whitespace(), from) {
            (false, None) => from = Some(at),
            (true, Some(start)) => {
                all.push(start..at);
                from = None;
            }
            _ => {}
        }
    }
    all
}

/// A row of the table, for the story.
pub fn in_row(model: &Model, id: i32, row: &mut Row) {
    if let Some(last) = model.last_attached.get(&id) {
        (row.nattch, row.lpid) = (Some(model.attached(id)), Some(*last));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &[u8] =
        b"       key      shmid perms                  size  cpid  lpid nattch   uid\n\
                        0          0  1600                  4096   100    77     12     0\n\
                        0          4  1600                  4096   100    77     12     0\n";

    #[test]
    fn a_row_keeps_its_width_also_where_it_is_cut() {
        let of = |id| (id == 4).then_some((101, 1));
        let whole = corrected(TEXT, of);
        let text = String::from_utf8_lossy(&whole);
        assert!(text.contains("0  1600                  4096   100    77     12 "), "{text}");
        assert!(text.contains("4  1600                  4096   100   101      1 "), "{text}");
        for end in 0..TEXT.len() {
            // The number that is not known to be whole is the only one that may still be the old one.
            let part = corrected(&TEXT[..end], of);
            let after = corrected(&TEXT[..(end + 1).min(TEXT.len())], of);
            assert_eq!(part[..end.saturating_sub(1)], after[..end.saturating_sub(1)], "{end}");
        }
    }
}
