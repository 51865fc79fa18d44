//! The calls of System V shared memory, one function each, and the memory that is attached. Each makes
//! the call, prints its line, and answers what the kernel answered. Sources: shmget(2), shmop(2),
//! shmctl(2), ftok(3).

use std::ffi::CString;
use std::ops::{Deref, Range};
use std::sync::atomic::AtomicU64;
use std::sync::{Mutex, MutexGuard};
use std::{mem, ptr};

use libc::{c_int, c_void, key_t, shmid_ds};
use nix::errno::{Errno, ErrnoSentinel};
use sysv::tables::{self, Kind};
use sysv::{records, spell};

use crate::backstage::failure::{Failure, Result};
use crate::backstage::ledger;
use crate::print::{self, Answer, after, before, traced};

/// An address, as `shmat` takes and answers it.
pub type Addr = *mut c_void;

/// No address: the kernel chooses.
pub const NULL: Addr = ptr::null_mut();

/// What one page holds, in bytes: the unit in which the kernel maps, and SHMLBA on most machines.
pub fn page() -> usize {
    // SAFETY: sysconf takes a number.
    unsafe { libc::sysconf(libc::_SC_PAGESIZE) as usize }
}

#[derive(PartialEq)]
struct Key(key_t);

impl Answer for Key {
    fn spell(&self) -> String {
        format!("{:#x}", self.0)
    }
}

impl ErrnoSentinel for Key {
    fn sentinel() -> Key {
        Key(-1)
    }
}

/// Makes a key from a file that exists and the low 8 bits of `proj_id`: ftok(3). Errors are
/// those of stat(2). The key -1 is a failure; the other negative ones are keys.
pub fn ftok(path: &str, proj_id: c_int) -> Result<key_t> {
    let letter = u8::try_from(proj_id).ok().filter(u8::is_ascii_graphic);
    let id = letter.map_or(format!("{proj_id:#x}"), |letter| format!("'{}'", letter as char));
    let file = CString::new(path).map_err(|_| Failure::because("a path cannot contain NUL"))?;
    // SAFETY: the path is a NUL-terminated string that outlives the call.
    let key = traced(format!("ftok(\"{path}\", {id})"), || unsafe {
        Key(libc::ftok(file.as_ptr(), proj_id))
    })?;
    Ok(key.0)
}

/// Creates or opens a segment of `size` bytes and answers its id: shmget(2). ENOENT, EEXIST,
/// EINVAL (size), EACCES, ENOSPC (limits), ENOMEM, EPERM (huge pages).
pub fn get(key: key_t, size: usize, shmflg: c_int) -> Result<c_int> {
    ledger::making(Kind::Shm, key, size, shmflg, || {
        // SAFETY: shmget takes three numbers.
        traced(format!("shmget({}, {size}, {})", spell::key(key), spell::get(shmflg)), || unsafe {
            libc::shmget(key, size, shmflg)
        })
    })
}

/// Attaches a segment and answers where: shmop(2). With [`NULL`] the kernel chooses. The error is
/// `(void *) -1`, not NULL. EINVAL (id, address), EACCES, ENOMEM. SHM_REMAP may replace memory of
/// segments that are attached here and that nobody has in a [`View`]; anything else is refused.
pub fn at(shmid: c_int, shmaddr: Addr, shmflg: c_int) -> Result<Addr> {
    let mut list = attached();
    if shmflg & libc::SHM_REMAP != 0 {
        let start = shmaddr as usize / page() * page();
        // At 0 there is nothing to be replaced, and the kernel says so.
        if start != 0 {
            list.take(&(start..start + bytes(shmid)))?;
        }
    }
    let line = format!(
        "shmat({shmid}, {}, {})",
        spell::pointer(shmaddr),
        spell::join(shmflg, spell::ATTACH)
    );
    // SAFETY: shmat maps where nothing is mapped; with SHM_REMAP, where nobody here looks any more.
    let addr = traced(line, || unsafe { libc::shmat(shmid, shmaddr, shmflg) })?;
    let (base, range) = (addr as usize, addr as usize..addr as usize + bytes(shmid));
    let access = if shmflg & libc::SHM_RDONLY == 0 { Access::Write } else { Access::Read };
    list.0.push(Attached { base, range, access, views: 0 });
    Ok(addr)
}

/// What a segment takes of an address space: whole pages.
fn bytes(shmid: c_int) -> usize {
    let size = tables::segment(shmid).map_or(0, |row| row.get("size") as usize);
    size.next_multiple_of(page())
}

/// Detaches the segment that is attached at `shmaddr`: shmop(2). EINVAL for any other address. Refused
/// while somebody has a [`View`] of it.
#[expect(clippy::not_unsafe_ptr_arg_deref, reason = "the kernel looks at it; nothing is read here")]
pub fn dt(shmaddr: Addr) -> Result<()> {
    let (mut list, base) = (attached(), shmaddr as usize);
    if list.0.iter().any(|one| one.base == base && one.views > 0) {
        return Err(looked_at(base));
    }
    // SAFETY: there is no view of it, and `read` and `write` copy while they hold the list. Who makes a
    // reference into a segment otherwise answers for it that nobody detaches it meanwhile.
    traced(format!("shmdt({})", spell::pointer(shmaddr)), || unsafe { libc::shmdt(shmaddr) })?;
    list.0.retain(|one| one.base != base);
    Ok(())
}

/// `shmctl(IPC_STAT)`: the kernel's record of a segment. EINVAL, EACCES (no read permission).
pub fn ctl_stat(shmid: c_int) -> Result<shmid_ds> {
    Ok(stat(shmid, libc::IPC_STAT)?.1)
}

/// `shmctl` with IPC_STAT, or with SHM_STAT or SHM_STAT_ANY (Linux only), which take a slot of the
/// kernel's table for the id and answer the id. EINVAL, EACCES (not for SHM_STAT_ANY).
pub fn stat(shmid: c_int, cmd: c_int) -> Result<(c_int, shmid_ds)> {
    let spell = |record: &str| format!("shmctl({shmid}, {}, {record})", spell::command(cmd));
    before(&spell("&ds"))?;
    // SAFETY: shmid_ds is plain numbers, and the kernel writes one whole record or nothing.
    let mut ds: shmid_ds = unsafe { mem::zeroed() };
    // SAFETY: see above.
    let result = Errno::result(unsafe { libc::shmctl(shmid, cmd, &mut ds) });
    let answer = after(result, |ok| spell(&if ok { records::shm(&ds) } else { "&ds".into() }))?;
    Ok((answer, ds))
}

/// `shmctl(IPC_SET)`: sets uid, gid and the low 9 bits of the mode, and nothing else of `ds`.
/// EPERM unless we are its owner or creator; EINVAL for uid or gid -1.
pub fn ctl_set(shmid: c_int, ds: &shmid_ds) -> Result<()> {
    let line = format!("shmctl({shmid}, IPC_SET, {{shm_perm={{{}}}}})", records::set(&ds.shm_perm));
    let mut ds = *ds;
    // SAFETY: the kernel reads one shmid_ds.
    traced(line, || unsafe { libc::shmctl(shmid, libc::IPC_SET, &mut ds) })?;
    ledger::changed(Kind::Shm, shmid)
}

/// `shmctl(IPC_RMID)`: removes the segment, at once or with its last detach. EPERM unless we are
/// its owner or creator; EINVAL when it is gone.
pub fn ctl_rmid(shmid: c_int) -> Result<()> {
    ctl(shmid, libc::IPC_RMID)?;
    ledger::removed(Kind::Shm, shmid)
}

/// `shmctl` with a command that needs no buffer: `SHM_LOCK`, `SHM_UNLOCK`, or one unknown.
pub fn ctl(shmid: c_int, cmd: c_int) -> Result<()> {
    // SAFETY: these commands touch no buffer; for others the kernel answers EINVAL or EFAULT.
    traced(format!("shmctl({shmid}, {}, NULL)", spell::command(cmd)), || unsafe {
        libc::shmctl(shmid, cmd, ptr::null_mut())
    })?;
    Ok(())
}

/// What may be done with attached memory here.
#[derive(Clone, Copy, PartialEq, PartialOrd)]
enum Access {
    /// Nothing: see [`disown`].
    None,
    Read,
    Write,
}

/// Memory of segments that this process has attached.
#[derive(Clone)]
struct Attached {
    /// What shmat answered, and shmdt takes.
    base: usize,
    range: Range<usize>,
    access: Access,
    views: usize,
}

struct List(Vec<Attached>);

static ATTACHED: Mutex<List> = Mutex::new(List(Vec::new()));

fn attached() -> MutexGuard<'static, List> {
    ATTACHED.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

impl List {
    /// The attachment in which all of the range lies.
    fn find(&mut self, range: &Range<usize>, access: Access) -> Result<&mut Attached> {
        let (addr, len) = (range.start, range.len());
        let inside = |one: &&mut Attached| one.range.start <= addr && range.end <= one.range.end;
        let why = match self.0.iter_mut().find(inside) {
            Some(one) if one.access >= access => return Ok(one),
            Some(one) if one.access == Access::Read => {
                format!("{addr:#x} is attached read-only here")
            }
            _ => format!("{len} bytes at {addr:#x} are not attached here"),
        };
        Err(Failure::because(why))
    }

    /// Takes the range out of the attachment in which all of it lies, and which nobody has a view of.
    fn take(&mut self, range: &Range<usize>) -> Result<Attached> {
        let one = self.find(range, Access::None)?.clone();
        if one.views > 0 {
            return Err(looked_at(range.start));
        }
        self.0.retain(|other| other.range != one.range);
        let parts = [one.range.start..range.start, range.end..one.range.end];
        let parts = parts.into_iter().filter(|part| !part.is_empty());
        self.0.extend(parts.map(|range| Attached { range, ..one.clone() }));
        Ok(one)
    }
}

fn looked_at(addr: usize) -> Failure {
    Failure::because(format!("somebody looks into what is attached at {addr:#x}"))
}

/// Takes a range of attached memory away from [`read`], [`write`] and [`view`], before calls that are
/// not for segments alone do something with it: mprotect(2), say, or munmap(2), after which the pages
/// are not the segment's (`stays`: they are). Fails unless all of it is attached here, and nobody has a
/// [`View`] of it.
pub fn disown(addr: Addr, len: usize, stays: bool) -> Result<()> {
    let (mut list, start) = (attached(), addr as usize);
    let range = start..start + len;
    let one = list.take(&range)?;
    if stays {
        list.0.push(Attached { range, access: Access::None, ..one });
    }
    Ok(())
}

/// Copies `bytes` into attached memory, without a system call: that is what shared memory is for.
/// Fails when not all of it is attached here, writable.
pub fn write(addr: Addr, bytes: &[u8]) -> Result<()> {
    let (mut list, start) = (attached(), addr as usize);
    list.find(&(start..start + bytes.len()), Access::Write)?;
    print::text(&format!("memory at {addr:p} <- {}", show(bytes)));
    // SAFETY: the range is attached and writable, and stays so while we hold the list. Another
    // process may read or write it meanwhile: a race on bytes, which no reference here observes.
    unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), addr.cast(), bytes.len()) };
    Ok(())
}

/// Copies `len` bytes out of attached memory, without a system call. Fails when not all of it is
/// attached here.
pub fn read(addr: Addr, len: usize) -> Result<Vec<u8>> {
    let (mut list, start) = (attached(), addr as usize);
    list.find(&(start..start + len), Access::Read)?;
    let mut bytes = vec![0; len];
    // SAFETY: as in `write`; the bytes are copied out before anybody looks at them.
    unsafe { ptr::copy_nonoverlapping(addr.cast(), bytes.as_mut_ptr(), len) };
    print::text(&format!("memory at {addr:p} -> {}", show(&bytes)));
    Ok(bytes)
}

/// Text whole, other bytes as far as a row goes.
fn show(bytes: &[u8]) -> String {
    let text = spell::bytes(bytes);
    if text.len() < 46 { text } else { spell::bytes(&bytes[..8]) + "..." }
}

/// What one may look at while another process writes it.
///
/// # Safety
/// All of it is atomics, or is touched only by calls that are made for sharing it; so any bytes are a
/// value of it.
pub unsafe trait Shared {}

// SAFETY: atomics.
unsafe impl Shared for AtomicU64 {}
// SAFETY: as its elements.
unsafe impl<T: Shared, const N: usize> Shared for [T; N] {}

/// A record in attached memory. While it lives, the segment is not detached, and not replaced.
pub struct View<T: Shared>(*const T);

/// Looks at what lies at `addr` as a `T`. Fails unless all of it is attached here, writable, and aligned.
pub fn view<T: Shared>(addr: Addr) -> Result<View<T>> {
    let (mut list, start) = (attached(), addr as usize);
    let one = list.find(&(start..start + size_of::<T>()), Access::Write)?;
    if !addr.cast::<T>().is_aligned() {
        return Err(Failure::because(format!("{addr:p} is no address for such a record")));
    }
    one.views += 1;
    Ok(View(addr.cast()))
}

impl<T: Shared> Deref for View<T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: `view` has looked that it lies in attached memory, aligned, and while there is a view
        // that memory stays. Any bytes are a `T`, and others change it only as a `T` allows.
        unsafe { &*self.0 }
    }
}

impl<T: Shared> Drop for View<T> {
    fn drop(&mut self) {
        let (mut list, start) = (attached(), self.0 as usize);
        if let Ok(one) = list.find(&(start..start + size_of::<T>()), Access::Write) {
            one.views -= 1;
        }
    }
}
