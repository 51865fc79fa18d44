//! The calls of System V shared memory, one function each, and the memory that is attached. Each makes the
//! call, prints its line, and answers what the kernel answered. Sources: shmget(2), shmop(2), shmctl(2).
#![expect(clippy::not_unsafe_ptr_arg_deref, reason = "the kernel looks at it, or it is attached")]

use std::ffi::CString;
use std::ops::Deref;
use std::sync::atomic::{AtomicU32, AtomicU64};
use std::sync::{Mutex, MutexGuard};
use std::{mem, ptr};

use libc::{c_int, c_void, key_t, shmid_ds};
use nix::errno::Errno;
use sysv::attached::List;
use sysv::tables::{self, Kind};
use sysv::{records, spell};

use crate::backstage::failure::{Failure, Result};
use crate::backstage::ledger;
use crate::print::{self, after, before, traced};

/// An address, as `shmat` takes and answers it.
pub type Addr = *mut c_void;

/// No address: the kernel chooses.
pub const NULL: Addr = ptr::null_mut();

/// What one page holds, in bytes: the unit in which the kernel maps, and SHMLBA on most machines.
pub fn page() -> usize {
    // SAFETY: sysconf takes a number.
    unsafe { libc::sysconf(libc::_SC_PAGESIZE) as usize }
}

/// Makes a key from a file that exists and the low 8 bits of `proj_id`: ftok(3). Errors are
/// those of stat(2). The key -1 is a failure; the other negative ones are keys.
pub fn ftok(path: &str, proj_id: c_int) -> Result<key_t> {
    let letter = u8::try_from(proj_id).ok().filter(u8::is_ascii_graphic);
    let id = letter.map_or(format!("{proj_id:#x}"), |letter| format!("'{}'", letter as char));
    let file = CString::new(path).map_err(|_| Failure::because("a path cannot contain NUL"))?;
    // Printed as an address is: in hexadecimal. A key is negative or not, and fails as -1 alone.
    let key = traced(format!("ftok(\"{path}\", {id})"), || {
        // SAFETY: the path is a NUL-terminated string that outlives the call.
        let key = Errno::result(unsafe { libc::ftok(file.as_ptr(), proj_id) });
        // What ftok asks the kernel; it fails when and as this call does.
        let _ = print::dim(|| after(key.map(|_| 0), |_| format!("stat(\"{path}\", &st)")));
        key.inspect_err(|errno| errno.set()).map_or(usize::MAX as Addr, |key| key as u32 as Addr)
    })?;
    Ok(key.addr() as key_t)
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
/// segments that are attached here and have no [`View`]; anything else is refused.
pub fn at(shmid: c_int, shmaddr: Addr, shmflg: c_int) -> Result<Addr> {
    let (mut list, how) = (attached(), spell::join(shmflg, spell::ATTACH));
    // At page 0 there is nothing to be replaced, and the kernel says so.
    if shmflg & libc::SHM_REMAP != 0 && shmaddr as usize >= page() {
        list.idle(shmaddr as usize / page() * page(), bytes(shmid)).map_err(Failure::because)?;
    }
    let line = format!("shmat({shmid}, {}, {how})", spell::pointer(shmaddr));
    // SAFETY: shmat maps where nothing is mapped; with SHM_REMAP, over a segment without a view.
    let addr = traced(line, || unsafe { libc::shmat(shmid, shmaddr, shmflg) })?;
    list.add(shmid, addr as usize, bytes(shmid), shmflg & libc::SHM_RDONLY == 0);
    Ok(addr)
}

/// What a segment takes of an address space: whole pages.
fn bytes(shmid: c_int) -> usize {
    tables::segment(shmid).map_or(0, |row| row.get("size") as usize).next_multiple_of(page())
}

/// Detaches the segment that is attached at `shmaddr`: shmop(2). EINVAL for any other address.
/// Refused while there is a [`View`] of it.
pub fn dt(shmaddr: Addr) -> Result<()> {
    let mut list = attached();
    list.may_go(shmaddr as usize).map_err(Failure::because)?;
    // SAFETY: there is no view of it, and `read` and `write` copy while they hold the list. Code
    // that makes a reference into a segment by other means must make sure that it stays attached.
    traced(format!("shmdt({})", spell::pointer(shmaddr)), || unsafe { libc::shmdt(shmaddr) })?;
    list.gone(shmaddr as usize);
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
    let _turn = before(&spell("&ds"))?;
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

static ATTACHED: Mutex<List> = Mutex::new(List::new());

fn attached() -> MutexGuard<'static, List> {
    ATTACHED.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

/// The ids of what was attached here.
pub(crate) fn met() -> Vec<c_int> {
    attached().met.clone()
}

/// Lets `call` change attached memory: mprotect(2), munmap(2). Fails unless all of it is attached
/// here, and there is no [`View`] of it. `stays`: it is attached afterwards, too.
pub fn pages<F: FnOnce() -> Result<()>>(
    addr: Addr,
    len: usize,
    stays: bool,
    call: F,
) -> Result<()> {
    let mut list = attached();
    list.idle(addr as usize, len).map_err(Failure::because)?;
    call()?;
    if !stays {
        list.cut(addr as usize, len);
    }
    Ok(())
}

/// Copies `bytes` into attached memory, without a system call: that is what shared memory is for.
/// Fails when not all of it is attached here, writable.
pub fn write(addr: Addr, bytes: &[u8]) -> Result<()> {
    let mut list = attached();
    list.find(addr as usize, bytes.len(), true).map_err(Failure::because)?;
    let line = say!("memory at {addr:p} <- {}", show(bytes));
    let _turn = before(&line)?;
    print::text(line);
    // SAFETY: the range is attached and writable, and stays so while we hold the list. Another
    // process may read or write it meanwhile: a race on bytes, which no reference here observes.
    unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), addr.cast(), bytes.len()) };
    Ok(())
}

/// Copies `len` bytes out of attached memory, without a system call. Fails when not all of it is
/// attached here.
pub fn read(addr: Addr, len: usize) -> Result<Vec<u8>> {
    let mut list = attached();
    list.find(addr as usize, len, false).map_err(Failure::because)?;
    let _turn = before(&say!("memory at {addr:p} -> {len} bytes"))?;
    let mut bytes = vec![0; len];
    // SAFETY: as in `write`; the bytes are copied out before they are used.
    unsafe { ptr::copy_nonoverlapping(addr.cast(), bytes.as_mut_ptr(), len) };
    print::text(say!("memory at {addr:p} -> {}", show(&bytes)));
    Ok(bytes)
}

/// Text whole, other bytes as far as a row goes.
fn show(bytes: &[u8]) -> String {
    let text = spell::bytes(bytes);
    if text.len() < 35 { text } else { spell::bytes(&bytes[..8]) + "..." }
}

/// What one may look at while another process writes it.
///
/// # Safety
/// All of it is atomics, or is touched only by calls that are made for sharing it; so any bytes are a
/// value of it.
pub unsafe trait Shared {}

// SAFETY: atomics.
unsafe impl Shared for AtomicU32 {}
// SAFETY: as above.
unsafe impl Shared for AtomicU64 {}
// SAFETY: as its elements.
unsafe impl<T: Shared, const N: usize> Shared for [T; N] {}

/// A record in attached memory. While it lives, the segment is not detached, and not replaced.
pub struct View<T: Shared>(*const T);

/// Uses the memory at `addr` as a `T`. Fails unless all of it is attached, writable, aligned.
pub fn view<T: Shared>(addr: Addr) -> Result<View<T>> {
    let mut list = attached();
    let one = list.find(addr as usize, size_of::<T>(), true).map_err(Failure::because)?;
    if !addr.cast::<T>().is_aligned() {
        return Err(Failure::because(say!("{addr:p} is no address for such a record")));
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
        let _ = attached().find(self.0 as usize, size_of::<T>(), true).map(|one| one.views -= 1);
    }
}
