//! Which memory of an address space is shared, as the kernel has it. munmap and mremap may have left parts.

use std::collections::HashSet;

use libc::c_int;
use sysv::process::mappings;

use crate::syscalls;
use crate::syscalls::cells::Changes;
use crate::tracer::instruction::Part;
use crate::tracer::{Entry, Tid};

/// An area of memory that is shared, and what the program may do there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Map {
    pub start: u64,
    pub end: u64,
    /// Which memory: a segment's id, or a number for a mapping.
    pub memory: u64,
    /// Where in it the area begins.
    pub from: u64,
    pub reads: bool,
    pub writes: bool,
}

impl Map {
    /// Where in the memory an address lies.
    pub fn inside(&self, at: u64) -> u64 {
        self.from + (at - self.start)
    }

    /// That of the program.
    pub fn protection(&self) -> c_int {
        let of = |may: bool, protection: c_int| if may { protection } else { 0 };
        of(self.reads, libc::PROT_READ) | of(self.writes, libc::PROT_WRITE)
    }
}

/// An address space: that of a process, and of the child that borrows it.
#[derive(Clone, Default)]
pub struct Space {
    /// What is kept closed.
    pub maps: Vec<Map>,
    /// It is open now, up to the end of a call or to the next one.
    pub open: bool,
    /// Where an instruction stands that makes a call.
    pub call_at: u64,
    /// So many accesses since the last call.
    pub count: u32,
    /// The loads since the last store or call: by which instruction, and from where.
    pub looked: HashSet<(u64, u64)>,
    /// The program ignores SIGSEGV.
    pub ignores: bool,
}

impl Space {
    /// Is some of its memory kept closed?
    pub fn watches(&self) -> bool {
        !self.maps.is_empty()
    }

    /// The area around an address.
    pub fn map_at(&self, at: u64) -> Option<&Map> {
        self.maps.iter().find(|map| (map.start..map.end).contains(&at))
    }

    /// The parts of an instruction's memory that are watched; `None`: one of them may not be touched so.
    pub fn touched(&self, parts: &[Part]) -> Option<Vec<(Map, Part)>> {
        let mut found = vec![];
        for part in parts {
            let end = part.at.saturating_add(part.len);
            for map in self.maps.iter().filter(|map| map.start < end && part.at < map.end) {
                if part.writes && !map.writes || !map.reads {
                    return None;
                }
                let (from, to) = (part.at.max(map.start), end.min(map.end));
                found.push((*map, Part { at: from, len: to - from, ..*part }));
            }
        }
        Some(found)
    }

    /// Looks at what is mapped now, after a call. What it answers is to be closed.
    pub fn look(&mut self, tid: Tid, entry: &Entry) -> Vec<Map> {
        let former = std::mem::take(&mut self.maps);
        let protects =
            syscalls::row(entry.number).is_some_and(|row| row.changes == Changes::Protects);
        let [from, len, protection, ..] = entry.args;
        let named = from..from.saturating_add(len.next_multiple_of(4096));
        let mut open = vec![];
        for one in mappings(&tid.to_string()) {
            let Some(mut map) = shared(&one) else { continue };
            let was = |known: &&Map| known.memory == map.memory && known.base() == map.base();
            let there = |known: &&Map| known.start < map.end && map.start < known.end;
            let moved = |known: &&Map| known.memory == map.memory;
            if map.reads || map.writes {
                open.push(map);
            } else if protects && protection == 0 && named.contains(&map.start) {
                // The program itself has closed it.
            } else {
                let all = || former.iter();
                let known = all().filter(was).find(there).or_else(|| all().find(moved));
                let Some(known) = known else { continue };
                (map.reads, map.writes) = (known.reads, known.writes);
                if self.open {
                    open.push(map);
                }
            }
            self.maps.push(map);
        }
        if self.open {
            open.retain(|map| !former.contains(map));
        }
        open
    }
}

impl Map {
    /// Where the memory would begin, if all of it were mapped.
    fn base(&self) -> u64 {
        self.start.wrapping_sub(self.from)
    }
}

/// A line of /proc/PID/maps, if it is of memory that is shared.
pub fn shared(one: &sysv::process::Mapping) -> Option<Map> {
    // 7ffff7f9a000-7ffff7f9c000 rw-s 00001000 00:01 7 /SYSV00000051
    let mut words = one.line.split(' ').skip(1);
    let may = words.next().filter(|may| may.ends_with('s'))?;
    let from = u64::from_str_radix(words.next()?, 16).ok()?;
    let (device, inode) = (words.next()?, words.next()?.parse::<u64>().ok()?);
    let number = |text: &str| u64::from_str_radix(text, 16).unwrap_or(0);
    let device = device.split_once(':').map_or(0, |(one, other)| number(one) << 8 | number(other));
    let memory = match one.shmid() {
        Some(id) => id as u64,
        None => 1 << 63 | device << 40 | inode & 0xff_ffff_ffff,
    };
    let (start, end) = (one.start as u64, one.end as u64);
    Some(Map {
        start,
        end,
        memory,
        from,
        reads: may.starts_with('r'),
        writes: may[1..].starts_with('w'),
    })
}
