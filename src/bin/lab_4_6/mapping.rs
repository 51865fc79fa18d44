//! The calls for all mappings, which segments obey as well: mmap(2) and its relatives.

use lablib::shm::{Addr, NULL};
use lablib::trace::traced;
use lablib::{Result, flags};
use libc::{
    MAP_ANONYMOUS, MAP_PRIVATE, MREMAP_FIXED, MREMAP_MAYMOVE, PROT_NONE, PROT_READ, PROT_WRITE,
    c_int, mremap,
};

const ACCESS: &[(c_int, &str)] = &[(PROT_READ, "PROT_READ"), (PROT_WRITE, "PROT_WRITE")];
const ADVICE: &[(c_int, &str)] =
    &[(libc::MADV_DONTFORK, "MADV_DONTFORK"), (libc::MADV_POPULATE_WRITE, "MADV_POPULATE_WRITE")];

/// Reserves addresses, with nothing that could be read or written: mmap(2).
pub fn reserve(len: usize) -> Result<Addr> {
    let line = format!("mmap(NULL, {len}, PROT_NONE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0)");
    // SAFETY: without MAP_FIXED the kernel maps only where nothing is mapped.
    traced(line, || unsafe { libc::mmap(NULL, len, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) })
}

/// Takes pages out of the address space: munmap(2).
pub fn unmap(addr: Addr, len: usize) -> Result<()> {
    let line = format!("munmap({addr:p}, {len})");
    // SAFETY: the pages are of a segment or reserved, and nobody here holds a reference to them.
    traced(line, || unsafe { libc::munmap(addr, len) }).map(drop)
}

/// Changes what this process may do to pages: mprotect(2).
pub fn protect(addr: Addr, len: usize, access: c_int) -> Result<()> {
    let line = format!("mprotect({addr:p}, {len}, {})", flags::join(access, ACCESS));
    // SAFETY: as in `unmap`.
    traced(line, || unsafe { libc::mprotect(addr, len, access) }).map(drop)
}

/// Tells the kernel how pages are going to be used: madvise(2).
pub fn advise(addr: Addr, len: usize, advice: c_int) -> Result<()> {
    let known = ADVICE.iter().find(|(number, _)| *number == advice);
    let name = known.map_or(advice.to_string(), |(_, name)| name.to_string());
    // SAFETY: neither advice here changes a byte of this process.
    traced(format!("madvise({addr:p}, {len}, {name})"), || unsafe {
        libc::madvise(addr, len, advice)
    })
    .map(drop)
}

/// Moves pages to an address, which [`reserve`] has answered: mremap(2).
pub fn move_to(addr: Addr, len: usize, to: Addr) -> Result<()> {
    let how = "MREMAP_MAYMOVE|MREMAP_FIXED";
    let line = format!("mremap({addr:p}, {len}, {len}, {how}, {to:p})");
    // SAFETY: as in `unmap`; what is replaced was reserved for this.
    traced(line, || unsafe { mremap(addr, len, len, MREMAP_MAYMOVE | MREMAP_FIXED, to) }).map(drop)
}
