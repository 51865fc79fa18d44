//! The memories that the programs share, as the tracer has them, too: what is closed for a program can be read
//! and written here.
//!
//! A segment is attached here as long as a program has it attached; a file is read and written, for one that is
//! mapped may be cut short. shmat(2), pread(2)

use std::collections::BTreeMap;
use std::fs::File;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::ptr;

use libc::c_int;

use super::learned::PAGE;
use crate::explore::footprint::Bytes;

/// So many bytes are read for [`Objects::state`].
const MOST: u64 = 1 << 22;

enum Object {
    /// Attached here, so many bytes.
    Segment(*mut u8, usize),
    File(File),
}

/// See the module. By the names that maps have.
#[derive(Default)]
pub struct Objects(BTreeMap<u64, Object>);

impl Objects {
    /// A segment. False: it cannot be had.
    pub fn attach(&mut self, memory: u64, id: c_int, len: usize) -> bool {
        if self.0.contains_key(&memory) {
            return true;
        }
        // SAFETY: attaches it where there is room.
        let at = unsafe { libc::shmat(id, ptr::null(), 0) };
        if at as isize == -1 {
            return false;
        }
        // The kernel gives whole pages.
        self.0.insert(memory, Object::Segment(at.cast(), len.next_multiple_of(PAGE as usize)));
        true
    }

    /// A file that is mapped.
    pub fn open(&mut self, memory: u64, file: File) {
        self.0.entry(memory).or_insert(Object::File(file));
    }

    /// Is it here?
    pub fn has(&self, memory: u64) -> bool {
        self.0.contains_key(&memory)
    }

    /// Those that nobody has any more are given up.
    pub fn keep(&mut self, has: impl Fn(u64) -> bool) {
        self.0.retain(|memory, object| {
            let keeps = has(*memory);
            if let (false, Object::Segment(at, _)) = (keeps, &*object) {
                detach(*at);
            }
            keeps
        });
    }

    /// A number that is the same when all of them hold the same bytes; `None`: there are too many to be read.
    pub fn state(&self) -> Option<u64> {
        let (mut hasher, mut read) = (DefaultHasher::new(), 0);
        for (memory, object) in &self.0 {
            let len = match object {
                Object::Segment(_, size) => *size as u64,
                Object::File(file) => file.metadata().ok()?.len(),
            };
            read += len;
            if read > MOST {
                return None;
            }
            self.read(Bytes { memory: *memory, from: 0, to: len })?.hash(&mut hasher);
        }
        Some(hasher.finish())
    }

    /// Bytes of one; `None`: they are not all there.
    pub fn read(&self, bytes: Bytes) -> Option<Vec<u8>> {
        let mut found = vec![0; bytes.len()];
        match self.0.get(&bytes.memory)? {
            Object::Segment(at, size) => {
                let from = inside(bytes.from, found.len(), *size)?;
                // SAFETY: within the segment, which stays attached; only one process moves, and it stands still.
                unsafe { ptr::copy_nonoverlapping(at.add(from), found.as_mut_ptr(), found.len()) };
            }
            Object::File(file) => file.read_exact_at(&mut found, bytes.from).ok()?,
        }
        Some(found)
    }

    /// Wakes one that sleeps until this word changes. futex(2), FUTEX_WAKE
    pub fn wake(&self, word: Bytes) {
        let page = word.from / PAGE * PAGE;
        let wake = |at: *mut u8| {
            // SAFETY: the kernel only looks up which memory is mapped at the address.
            unsafe { libc::syscall(libc::SYS_futex, at, libc::FUTEX_WAKE, 1) };
        };
        match self.0.get(&word.memory) {
            Some(Object::Segment(at, size)) if word.to as usize <= *size => {
                // SAFETY: within the segment.
                wake(unsafe { at.add(word.from as usize) });
            }
            // SAFETY: a new map of a whole page, which nobody else has, and which is given up at once.
            Some(Object::File(file)) => unsafe {
                let (len, fd) = (PAGE as usize, file.as_raw_fd());
                let (reads, shared) = (libc::PROT_READ, libc::MAP_SHARED);
                let at = libc::mmap(ptr::null_mut(), len, reads, shared, fd, page as i64);
                if at != libc::MAP_FAILED {
                    wake(at.cast::<u8>().add((word.from - page) as usize));
                    libc::munmap(at, len);
                }
            },
            _ => {}
        }
    }

    /// False: not all of them are there, and none was written.
    pub fn write(&self, memory: u64, from: u64, bytes: &[u8]) -> bool {
        match self.0.get(&memory) {
            Some(Object::Segment(at, size)) => {
                let Some(from) = inside(from, bytes.len(), *size) else { return false };
                // SAFETY: as above.
                unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), at.add(from), bytes.len()) };
                true
            }
            Some(Object::File(file)) => {
                // A file does not grow because of a store.
                let end = file.metadata().map_or(0, |found| found.len());
                from + bytes.len() as u64 <= end && file.write_all_at(bytes, from).is_ok()
            }
            None => false,
        }
    }
}

fn inside(from: u64, len: usize, size: usize) -> Option<usize> {
    let from = from as usize;
    (from.checked_add(len)? <= size).then_some(from)
}

fn detach(at: *mut u8) {
    // SAFETY: attached by us, and nothing points there any more.
    unsafe { libc::shmdt(at.cast()) };
}

impl Drop for Objects {
    fn drop(&mut self) {
        self.keep(|_| false);
    }
}
