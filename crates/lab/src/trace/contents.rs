//! What the segments hold that the programs have attached. No call shows a store: the bytes are compared at
//! each stop with what they were at the last one.
//!
//! They are read through a process that has the segment attached: one more attachment, of ours, would count
//! in nattch.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::os::unix::fs::FileExt;

use libc::c_int;
use nix::sched::sched_getaffinity;
use nix::unistd::Pid;

use super::books::Books;
use super::process::{Process, mapped_segments};
use crate::event::ChangedPart;
use crate::tracer::{Tid, memory};
use crate::view::bytes;

/// More of a segment is not compared, in bytes: that would slow the programs down.
pub const LIMIT: usize = 1 << 20;
/// Bytes of a page.
const PAGE: usize = 4096;
/// Bytes that are compared at once.
const BLOCK: usize = 256;
/// So few bytes that are as before do not part a change into two.
const GAP: usize = 4;
/// So many changes are told at once, and so many bytes of each.
const TOLD: usize = 64;

/// A change of one segment.
pub struct Change {
    pub id: c_int,
    pub parts: Vec<ChangedPart>,
    /// So many more parts have changed.
    pub more: u64,
    /// The threads that may have written.
    pub by: Vec<(Tid, i32)>,
}

/// Where a process has a segment attached.
#[derive(Clone, Copy)]
struct Place {
    pid: i32,
    at: u64,
    size: usize,
}

/// See the module.
#[derive(Default)]
pub struct Contents {
    held: BTreeMap<c_int, Vec<u8>>,
    /// Threads that make their program's instructions now, and what they have used of the processor.
    running: BTreeMap<Tid, Spent>,
    /// Threads that may have made some since the last look.
    ran: BTreeSet<Tid>,
    /// The page tables of processes, as files.
    page_tables: BTreeMap<i32, File>,
    /// Where the bytes are read that are compared.
    buffer: Vec<u8>,
    /// All run on one CPU with us: one whose time has not grown has not run.
    one_cpu: bool,
}

/// The time on the processor that a thread has used.
#[derive(Default)]
struct Spent {
    file: Option<File>,
    nanoseconds: Option<u64>,
}

impl Spent {
    fn of(tid: Tid) -> Spent {
        let mut one =
            Spent { file: File::open(format!("/proc/{tid}/schedstat")).ok(), nanoseconds: None };
        one.nanoseconds = one.now();
        one
    }

    /// The first number of /proc/TID/schedstat.
    fn now(&self) -> Option<u64> {
        let mut text = [0; 64];
        let len = self.file.as_ref()?.read_at(&mut text, 0).ok()?;
        std::str::from_utf8(&text[..len]).ok()?.split(' ').next()?.parse().ok()
    }
}

impl Contents {
    /// Nothing is attached yet. `one_cpu`: tracer and programs share one CPU.
    pub fn new(one_cpu: bool) -> Contents {
        Contents { one_cpu, ..Contents::default() }
    }

    /// A thread goes on: into its program, or within a call whose end will stop it.
    pub fn goes_on(&mut self, tid: Tid, into_program: bool) {
        if into_program {
            self.ran.insert(tid);
            self.running.insert(tid, Spent::default());
        } else {
            self.running.remove(&tid);
        }
    }

    /// What has changed since the last look. `tid` stands still.
    pub fn look(&mut self, tid: Tid, books: &Books) -> Vec<Change> {
        let mut changes = vec![];
        for (id, mut places) in places(books) {
            if !self.held.contains_key(&id) || writers(id, tid, &self.ran, books).is_empty() {
                continue;
            }
            // Through the one that stands still, if it has it.
            places.sort_by_key(|place| books.pid_of(tid) != Some(place.pid));
            if !self.differs(id, &places) {
                continue;
            }
            // Is it still the segment that stands there? munmap and mremap are not seen.
            let intact = |place: &Place| is_intact(id, *place);
            if !places.iter().all(intact) {
                places.retain(intact);
                if !self.differs(id, &places) {
                    continue;
                }
            }
            let now = std::mem::take(&mut self.buffer);
            let Some(before) = self.held.insert(id, now) else { continue };
            let (parts, more) = compared(&before, &self.held[&id]);
            self.buffer = before;
            let ran = self.ran.iter().copied().filter(|one| self.has_run(*one, tid)).collect();
            changes.push(Change { id, parts, more, by: writers(id, tid, &ran, books) });
        }
        self.looked(tid, books);
        changes
    }

    /// Reads a segment into the buffer. True: it is not what it was.
    ///
    /// To read a page that nobody has touched would be to touch it: the kernel would count it. So each is
    /// read through a process that has it in its page table.
    fn differs(&mut self, id: c_int, places: &[Place]) -> bool {
        let Some(held) = self.held.get(&id) else { return false };
        self.buffer.resize(held.len(), 0);
        let mut read = vec![false; held.len().div_ceil(PAGE)];
        for place in places {
            let there = touched(&mut self.page_tables, *place);
            let new = |page: usize, read: &[bool]| {
                !read[page] && there.get(page).copied().unwrap_or(false)
            };
            let mut page = 0;
            while page < read.len() {
                let from = page;
                while page < read.len() && new(page, &read) {
                    page += 1;
                }
                let (start, end) = (from * PAGE, (page * PAGE).min(held.len()));
                let part = &mut self.buffer[start..end.max(start)];
                if memory::fill(place.pid, place.at + start as u64, part) == part.len() {
                    read[from..page].fill(true);
                }
                page += 1;
            }
        }
        for (page, _) in read.iter().enumerate().filter(|(_, read)| !**read) {
            let part = page * PAGE..((page + 1) * PAGE).min(held.len());
            self.buffer[part.clone()].copy_from_slice(&held[part]);
        }
        self.buffer != *held
    }

    /// From now on others are compared with what is there now.
    fn looked(&mut self, tid: Tid, books: &Books) {
        self.ran.clear();
        for (one, spent) in self.running.iter_mut().filter(|(one, _)| **one != tid) {
            self.ran.insert(*one);
            if !self.one_cpu || !books.process_of(*one).is_some_and(Process::has_attached) {
                continue;
            }
            if spent.file.is_none() {
                *spent = Spent::of(*one);
            }
            spent.nanoseconds = spent.now();
        }
    }

    /// May this thread have run since the last look?
    fn has_run(&self, one: Tid, tid: Tid) -> bool {
        let Some(spent) = self.running.get(&one).filter(|_| one != tid && self.one_cpu) else {
            return true;
        };
        let has_not = spent.nanoseconds.is_some() && spent.nanoseconds == spent.now();
        !(has_not && is_pinned(one))
    }

    /// A segment was attached: it is compared with what it holds now. `ours`: one of these programs has made
    /// it, so what nobody has touched is zeros.
    pub fn attached(&mut self, id: c_int, ours: bool, books: &Books) {
        let places = places(books);
        self.held.retain(|id, _| places.contains_key(id));
        let Some(place) = places.get(&id).and_then(|all| all.last()) else { return };
        if self.held.contains_key(&id) {
            return;
        }
        if !ours {
            let now = memory::bytes(place.pid, place.at, place.size);
            if now.len() == place.size {
                self.held.insert(id, now);
            }
            return;
        }
        self.held.insert(id, vec![0; place.size]);
        // It may have been attached, written and detached before.
        if self.differs(id, &places[&id]) {
            self.held.insert(id, self.buffer.clone());
        }
    }

    /// These bytes were stored, and it was told.
    pub fn stored(&mut self, id: c_int, at: u64, bytes: &[u8]) {
        let (from, to) = (at as usize, at as usize + bytes.len());
        if let Some(part) = self.held.get_mut(&id).and_then(|held| held.get_mut(from..to)) {
            part.copy_from_slice(bytes);
        }
    }

    /// A process runs another program now.
    pub fn exec(&mut self, pid: i32) {
        self.page_tables.remove(&pid);
    }

    /// A thread has ended.
    pub fn ended(&mut self, tid: Tid) {
        self.running.remove(&tid);
        self.ran.remove(&tid);
        self.page_tables.remove(&tid);
    }
}

/// Is this thread bound to one CPU, as it was started?
fn is_pinned(tid: Tid) -> bool {
    let count = |set: nix::sched::CpuSet| {
        (0..nix::sched::CpuSet::count()).filter(|cpu| set.is_set(*cpu).unwrap_or(false)).count()
    };
    sched_getaffinity(Pid::from_raw(tid)).is_ok_and(|set| count(set) == 1)
}

/// Where each segment is attached.
fn places(books: &Books) -> BTreeMap<c_int, Vec<Place>> {
    let mut all: BTreeMap<c_int, Vec<Place>> = BTreeMap::new();
    for (pid, process) in books.processes() {
        for (at, segment) in process.attachments().filter(|(_, segment)| segment.size > 0) {
            let size = (segment.size as usize).min(LIMIT);
            all.entry(segment.id).or_default().push(Place { pid, at, size });
        }
    }
    all
}

/// The threads that may have written: they have run, or the kernel has written for them in a call.
fn writers(id: c_int, tid: Tid, ran: &BTreeSet<Tid>, books: &Books) -> Vec<(Tid, i32)> {
    let mut all: Vec<(Tid, i32)> = vec![];
    let of_call = books.doing(tid).map(|doing| doing.entry.args);
    for one in ran.iter().copied().chain(of_call.map(|_| tid)) {
        let (Some(process), Some(pid)) = (books.process_of(one), books.pid_of(one)) else {
            continue;
        };
        let has = process.attachments().any(|(at, segment)| {
            let end = at + segment.size.next_multiple_of(4096);
            let in_call =
                || of_call.is_some_and(|args| args.iter().any(|arg| (at..end).contains(arg)));
            segment.id == id && !segment.read_only && (ran.contains(&one) || in_call())
        });
        if has && !all.contains(&(one, pid)) {
            all.push((one, pid));
        }
    }
    all
}

/// Which pages of a segment a process has in its page table. proc_pid_pagemap(5)
fn touched(page_tables: &mut BTreeMap<i32, File>, place: Place) -> Vec<bool> {
    /// The page is in memory, or in swap.
    const THERE: u64 = 0b11 << 62;
    if let Entry::Vacant(new) = page_tables.entry(place.pid)
        && let Ok(file) = File::open(format!("/proc/{}/pagemap", place.pid))
    {
        new.insert(file);
    }
    let mut words = vec![0; place.size.div_ceil(PAGE) * 8];
    let from = place.at / PAGE as u64 * 8;
    let file = page_tables.get(&place.pid);
    let got = file.and_then(|file| file.read_at(&mut words, from).ok()).unwrap_or(0);
    let word = |word: &[u8]| word.try_into().map_or(0, u64::from_ne_bytes);
    words[..got].chunks_exact(8).map(|one| word(one) & THERE != 0).collect()
}

/// Is all of a segment that is compared still mapped where the books have it?
fn is_intact(id: c_int, place: Place) -> bool {
    let mut to = place.at;
    let mut its = mapped_segments(place.pid);
    its.retain(|map| map.id == id && map.base == place.at);
    its.sort_by_key(|map| map.start);
    for map in its.iter().filter(|map| map.base == place.at) {
        if map.start != to {
            return false;
        }
        to = map.end;
    }
    to >= place.at + place.size as u64
}

/// What differs, and how many more parts do.
fn compared(before: &[u8], after: &[u8]) -> (Vec<ChangedPart>, u64) {
    let mut runs: Vec<(usize, usize)> = vec![];
    for (block, (one, other)) in before.chunks(BLOCK).zip(after.chunks(BLOCK)).enumerate() {
        if one == other {
            continue;
        }
        for (at, _) in one.iter().zip(other).enumerate().filter(|(_, (one, other))| one != other) {
            let at = block * BLOCK + at;
            match runs.last_mut().filter(|run| at - run.1 < GAP) {
                Some(run) => run.1 = at + 1,
                None => runs.push((at, at + 1)),
            }
        }
    }
    let mut parts: Vec<ChangedPart> = vec![];
    let mut left_out = 0;
    for (from, to) in runs {
        let (from, to) = as_numbers(before, after, (from, to)).unwrap_or((from, to));
        if parts.last().is_some_and(|last| last.at + last.len > from as u64) {
            continue;
        }
        if parts.len() == TOLD {
            left_out += 1;
            continue;
        }
        let first = |bytes: &[u8]| bytes[from..to.min(from + TOLD)].to_vec();
        let (at, len) = (from as u64, (to - from) as u64);
        parts.push(ChangedPart { at, len, before: first(before), after: first(after) });
    }
    (parts, left_out)
}

/// The whole numbers of which bytes that have changed are parts; `None`: they look like none.
fn as_numbers(before: &[u8], after: &[u8], (from, to): (usize, usize)) -> Option<(usize, usize)> {
    let (start, end) = (from / 4 * 4, to.next_multiple_of(4));
    if end > before.len() || bytes::are_text(&before[from..to], &after[from..to]) {
        return None;
    }
    bytes::numbers(&before[start..end])?;
    bytes::numbers(&after[start..end]).map(|_| (start, end))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(before: &[u8], after: &[u8]) -> Vec<(u64, u64)> {
        compared(before, after).0.iter().map(|part| (part.at, part.len)).collect()
    }

    #[test]
    fn what_lies_close_together_is_one_change() {
        let before = [0; 600];
        let mut after = before;
        after[..5].copy_from_slice(b"hello");
        after[8..10].copy_from_slice(b"ab");
        after[300] = 200;
        assert_eq!(told(&before, &after), [(0, 10), (300, 4)]);
        after[254..258].copy_from_slice(b"4444");
        assert_eq!(told(&before, &after), [(0, 10), (254, 4), (300, 4)]);
    }

    #[test]
    fn a_part_of_a_counter_is_the_counter() {
        let (mut before, mut after) = ([0; 16], [0; 16]);
        (before[4], after[4], after[5]) = (255, 0, 1);
        assert_eq!(told(&before, &after), [(4, 4)]);
        after[9] = 1;
        assert_eq!(told(&before, &after), [(4, 8)]);
        (after[3], after[7]) = (0x80, 0x80);
        assert_eq!(told(&before, &after), [(3, 7)]);
    }

    #[test]
    fn so_many_are_told_and_the_rest_is_counted() {
        let before = [0; 1000];
        let mut after = before;
        after.iter_mut().step_by(10).for_each(|byte| *byte = 0xff);
        let (parts, more) = compared(&before, &after);
        assert_eq!((parts.len(), more), (TOLD, 100 - TOLD as u64));
    }
}
