//! The calls for all mappings, which segments obey as well: mmap(2) and its relatives.

use std::num::NonZero;
use std::ptr::NonNull;

use lablib::print::{after, before, traced};
use lablib::shm::Addr;
use lablib::{Failure, Result, say, shm};
use libc::{MREMAP_FIXED, MREMAP_MAYMOVE, PROT_READ, PROT_WRITE, c_int, c_void, mremap};
use nix::sys::mman::{MapFlags, MmapAdvise, ProtFlags, madvise, mmap_anonymous, munmap};
use sysv::spell;

const ACCESS: &[(c_int, &str)] = &[(PROT_READ, "PROT_READ"), (PROT_WRITE, "PROT_WRITE")];

/// What [`advise`] can say; both leave every byte of this process as it is.
pub enum Advice {
    DontFork,
    PopulateWrite,
}

/// Addresses that [`reserve`] has returned, and that no code uses yet.
pub struct Reserved {
    addr: Addr,
    len: usize,
}

/// Reserves addresses, with nothing that could be read or written: mmap(2).
pub fn reserve(len: usize) -> Result<Reserved> {
    let line = format!("mmap(NULL, {len}, PROT_NONE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0)");
    let bytes = NonZero::new(len).ok_or_else(|| Failure::because("no bytes to reserve"))?;
    let _turn = before(&line)?;
    // SAFETY: without MAP_FIXED the kernel maps only where nothing is mapped.
    let addr = unsafe { mmap_anonymous(None, bytes, ProtFlags::PROT_NONE, MapFlags::MAP_PRIVATE) };
    Ok(Reserved { addr: after(addr.map(NonNull::as_ptr), |_| line)?, len })
}

impl Reserved {
    /// The first of them.
    pub fn start(&self) -> Addr {
        self.addr
    }

    /// Gives them back: munmap(2).
    pub fn unmap(self) -> Result<()> {
        let Reserved { addr, len } = self;
        let pages = there(addr)?;
        // SAFETY: no code uses these addresses.
        let call = || unsafe { munmap(pages, len) }.map_or(-1, |()| 0);
        traced(format!("munmap({addr:p}, {len})"), call).map(drop)
    }
}

/// Takes pages of a segment out of the address space.
pub fn unmap(addr: Addr, len: usize) -> Result<()> {
    // No code uses them from there on, as if they were reserved.
    shm::pages(addr, len, false, || Reserved { addr, len }.unmap())
}

/// Changes what this process may do to pages of a segment: mprotect(2).
pub fn protect(addr: Addr, len: usize, access: c_int) -> Result<()> {
    let line = format!("mprotect({addr:p}, {len}, {})", spell::join(access, ACCESS));
    shm::pages(addr, len, true, || {
        // SAFETY: a segment's pages, and no code here uses them.
        traced(line, || unsafe { libc::mprotect(addr, len, access) }).map(drop)
    })
}

/// Tells the kernel how pages of a segment are going to be used: madvise(2).
pub fn advise(addr: Addr, len: usize, advice: Advice) -> Result<()> {
    let (advice, name) = match advice {
        Advice::DontFork => (MmapAdvise::MADV_DONTFORK, "MADV_DONTFORK"),
        Advice::PopulateWrite => (MmapAdvise::MADV_POPULATE_WRITE, "MADV_POPULATE_WRITE"),
    };
    let line = format!("madvise({addr:p}, {len}, {name})");
    let pages = there(addr)?;
    // SAFETY: neither advice here changes a byte of this process.
    traced(line, || unsafe { madvise(pages, len, advice) }.map_or(-1, |()| 0)).map(drop)
}

/// An address at which something is mapped.
fn there(addr: Addr) -> Result<NonNull<c_void>> {
    NonNull::new(addr).ok_or_else(|| Failure::because("nothing is mapped at address 0"))
}

/// Moves pages of a segment to where something was reserved for them: mremap(2).
pub fn move_to(addr: Addr, len: usize, Reserved { addr: to, len: room }: Reserved) -> Result<()> {
    if len > room {
        return Err(Failure::because(say!("{len} bytes do not fit into {room}")));
    }
    let how = "MREMAP_MAYMOVE|MREMAP_FIXED";
    let line = format!("mremap({addr:p}, {len}, {len}, {how}, {to:p})");
    shm::pages(addr, len, false, || {
        // SAFETY: a segment's pages, and no code here uses them; what they replace was reserved.
        traced(line, || unsafe { mremap(addr, len, len, MREMAP_MAYMOVE | MREMAP_FIXED, to) })
            .map(drop)
    })
}
