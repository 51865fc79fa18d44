//! Which physical page is behind an address: /proc/self/pagemap.

use lablib::shm::{Addr, page};
use lablib::{Failure, Result};
use std::fs::File;
use std::os::unix::fs::FileExt;

/// In an entry of pagemap: the page is in memory; and the bits of its frame's number.
/// Source: Documentation/admin-guide/mm/pagemap.rst
const PRESENT: u64 = 1 << 63;
const FRAME: u64 = (1 << 55) - 1;

/// The number of the page frame at `addr`, which must have been touched: before that there is none.
/// `None` where we may not know: the kernel shows frames to root alone.
pub fn frame(addr: Addr) -> Result<Option<u64>> {
    let mut entry = [0; 8];
    let offset = addr as usize / page() * entry.len();
    let pagemap = File::open("/proc/self/pagemap");
    let pagemap = pagemap.map_err(Failure::of("open(\"/proc/self/pagemap\")"))?;
    let read = pagemap.read_exact_at(&mut entry, offset as u64);
    read.map_err(Failure::of("pread(\"/proc/self/pagemap\")"))?;
    let entry = u64::from_ne_bytes(entry);
    Ok((entry & PRESENT != 0 && entry & FRAME != 0).then_some(entry & FRAME))
}

/// What is missing when there is no frame.
pub fn needs() -> Failure {
    let what = "the numbers of physical pages, which the kernel shows to root alone";
    Failure::Needs(what.into(), "run it as root, with sudo")
}
