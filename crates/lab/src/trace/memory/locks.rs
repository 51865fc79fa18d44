//! Robust locks of threads that end, in whatever way. The kernel finds closed memory closed, and leaves them as they
//! are: then nobody could ever take them. So they are marked here, and who waits for one is woken, just before the
//! kernel would do that. ptrace(2), PTRACE_EVENT_EXIT; futex(2), FUTEX_WAKE

use std::fs::File;
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::ptr;
use std::sync::atomic::{AtomicU32, Ordering};

use sysv::process::{Mapping, mappings};

use super::spaces::{Map, shared};
use super::{Memory, Touch};
use crate::syscalls::robust::{self, Lock};
use crate::tracer::memory::record;
use crate::tracer::{Stopped, Tid, number_inside, registers};

const PAGE: u64 = 4096;

impl Memory {
    /// A thread is about to end; its memory is still there. The marks count as stores of its own.
    pub fn ends(&mut self, thread: &Stopped) -> Vec<Touch> {
        let tid = thread.tid();
        let space = self.space(tid);
        let (watches, open) = (space.watches(), space.open);
        let Ok(registers) = registers::all(thread) else { return vec![] };
        let mut touches = vec![];
        let locks = if watches { robust::locks(tid, |at| record(tid, at)) } else { vec![] };
        for lock in locks {
            if self.space(tid).map_at(lock.word).is_none() {
                continue;
            }
            let Some((word, map)) = Word::at(tid, lock.word) else {
                self.unmarked |= !open;
                continue;
            };
            let Some(marked) = word.mark(&lock, number_inside(tid) as u32) else { continue };
            touches.push(Touch {
                memory: map.memory,
                at: map.inside(lock.word),
                len: 4,
                reads: true,
                writes: true,
                locked: true,
                holds: marked.to_ne_bytes().to_vec(),
                registers: registers.clone(),
            });
        }
        touches
    }
}

/// A word of a thread's shared memory, as the tracer has it, too, for this moment.
struct Word {
    word: *mut u8,
    from: From,
}

enum From {
    /// A page that begins here.
    File(*mut libc::c_void),
    Segment(*const libc::c_void),
}

impl Word {
    fn at(tid: Tid, address: u64) -> Option<(Word, Map)> {
        let holds = |one: &Mapping| (one.start..one.end).contains(&(address as usize));
        let one = mappings(&tid.to_string()).into_iter().find(holds)?;
        let map = shared(&one)?;
        let word = file(tid, &one).and_then(|file| Word::in_file(&file, map.inside(address)));
        Some((word.or_else(|| Word::in_segment(&one, map.inside(address)))?, map))
    }

    fn in_file(file: &File, inside: u64) -> Option<Word> {
        // A map of what is not there would end us by SIGBUS.
        if file.metadata().ok()?.len() < inside + 4 || !inside.is_multiple_of(4) {
            return None;
        }
        let (page, fd) = (inside / PAGE * PAGE, file.as_raw_fd());
        let may = libc::PROT_READ | libc::PROT_WRITE;
        // SAFETY: a new map, of which nobody else knows.
        let at = unsafe {
            libc::mmap(ptr::null_mut(), PAGE as usize, may, libc::MAP_SHARED, fd, page as i64)
        };
        let word = at.cast::<u8>().wrapping_add((inside - page) as usize);
        (at != libc::MAP_FAILED).then_some(Word { word, from: From::File(at) })
    }

    fn in_segment(one: &Mapping, inside: u64) -> Option<Word> {
        let id = one.shmid().filter(|_| inside.is_multiple_of(4))?;
        // SAFETY: attaches it where there is room.
        let at = unsafe { libc::shmat(id, ptr::null(), 0) };
        let word = at.cast::<u8>().wrapping_add(inside as usize);
        (at as isize != -1).then_some(Word { word, from: From::Segment(at) })
    }

    /// What the lock's word is, if it was marked.
    fn mark(&self, lock: &Lock, owner: u32) -> Option<u32> {
        // SAFETY: within the map, which lives as long as we, and aligned; others change it only as an atomic.
        let word = unsafe { AtomicU32::from_ptr(self.word.cast()) };
        loop {
            let was = word.load(Ordering::SeqCst);
            let left = lock.left(was, owner);
            if let Some(marked) = left.marked
                && word.compare_exchange(was, marked, Ordering::SeqCst, Ordering::SeqCst).is_err()
            {
                continue;
            }
            if left.wakes {
                // SAFETY: the kernel only looks up which memory is mapped at the address.
                unsafe { libc::syscall(libc::SYS_futex, self.word, libc::FUTEX_WAKE, 1) };
            }
            return left.marked;
        }
    }
}

impl Drop for Word {
    fn drop(&mut self) {
        // SAFETY: ours, and nothing points there any more.
        unsafe {
            match self.from {
                From::File(at) => libc::munmap(at, PAGE as usize),
                From::Segment(at) => libc::shmdt(at),
            };
        }
    }
}

/// The file of a map: as only root may open it, also one without a name; or by its name, if that still names it.
fn file(tid: Tid, one: &Mapping) -> Option<File> {
    let mut how = File::options();
    let how = how.read(true).write(true);
    let exact = how.open(format!("/proc/{tid}/map_files/{:x}-{:x}", one.start, one.end));
    if let Ok(file) = exact {
        return Some(file);
    }
    let words: Vec<&str> = one.line.split_whitespace().collect();
    let (device, inode) = (words.get(3)?, words.get(4)?);
    let file = how.open(&one.line[one.line.find('/')?..]).ok()?;
    let found = file.metadata().ok()?;
    let its = format!("{:02x}:{:02x}", libc::major(found.dev()), libc::minor(found.dev()));
    (found.ino().to_string() == *inode && its == **device).then_some(file)
}
