//! The calls of System V shared memory, one function each. Each makes the call, prints its line,
//! and answers what the kernel answered. Sources: shmget(2), shmop(2), shmctl(2), ftok(3).

use std::ffi::CString;
use std::sync::{Mutex, MutexGuard};
use std::{mem, ptr};

use libc::{c_int, c_void, key_t, shmid_ds};
use nix::errno::{Errno, ErrnoSentinel};

use crate::cleanup::{self, Kind};
use crate::trace::{self, Answer, after, before, traced};
use crate::{Failure, Result, flags, system};

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
    cleanup::making(Kind::Shm, key, size, shmflg, || {
        // SAFETY: shmget takes three numbers.
        traced(format!("shmget({}, {size}, {})", flags::key(key), flags::get(shmflg)), || unsafe {
            libc::shmget(key, size, shmflg)
        })
    })
}

/// Attaches a segment and answers where: shmop(2). With [`NULL`] the kernel chooses. The error is
/// `(void *) -1`, not NULL. EINVAL (id, address), EACCES, ENOMEM.
#[expect(clippy::not_unsafe_ptr_arg_deref, reason = "the kernel looks at it; nothing is read here")]
pub fn at(shmid: c_int, shmaddr: Addr, shmflg: c_int) -> Result<Addr> {
    let how = flags::join(shmflg, flags::ATTACH);
    // SAFETY: shmat maps where nothing is mapped. With SHM_REMAP it replaces what is there, which
    // only an experiment asks for, and only on a range that it reserved for this.
    let addr = traced(format!("shmat({shmid}, {}, {how})", flags::pointer(shmaddr)), || unsafe {
        libc::shmat(shmid, shmaddr, shmflg)
    })?;
    let size = system::segment(shmid).map_or(0, |row| row.get("size") as usize);
    let (start, len) = (addr as usize, size.next_multiple_of(page()));
    attached().push(Attached { start, len, writable: shmflg & libc::SHM_RDONLY == 0 });
    Ok(addr)
}

/// Detaches the segment that is attached at `shmaddr`: shmop(2). EINVAL for any other address.
#[expect(clippy::not_unsafe_ptr_arg_deref, reason = "the kernel looks at it; nothing is read here")]
pub fn dt(shmaddr: Addr) -> Result<()> {
    let mut list = attached();
    // SAFETY: nobody holds a reference into the segment: `read` and `write` copy, and only while
    // they hold the list of what is attached.
    traced(format!("shmdt({})", flags::pointer(shmaddr)), || unsafe { libc::shmdt(shmaddr) })?;
    list.retain(|one| one.start != shmaddr as usize);
    Ok(())
}

/// `shmctl(IPC_STAT)`: the kernel's record of a segment. EINVAL, EACCES (no read permission).
pub fn ctl_stat(shmid: c_int) -> Result<shmid_ds> {
    Ok(stat(shmid, libc::IPC_STAT)?.1)
}

/// `shmctl` with IPC_STAT, or with SHM_STAT or SHM_STAT_ANY (Linux only), which take a slot of the
/// kernel's table for the id and answer the id. EINVAL, EACCES (not for SHM_STAT_ANY).
pub fn stat(shmid: c_int, cmd: c_int) -> Result<(c_int, shmid_ds)> {
    let spell = |record: &str| format!("shmctl({shmid}, {}, {record})", flags::command(cmd));
    before(&spell("&ds"))?;
    // SAFETY: shmid_ds is plain numbers, and the kernel writes one whole record or nothing.
    let mut ds: shmid_ds = unsafe { mem::zeroed() };
    // SAFETY: see above.
    let result = Errno::result(unsafe { libc::shmctl(shmid, cmd, &mut ds) });
    let answer = after(result, |ok| {
        let perm = flags::perm("shm_perm", &ds.shm_perm);
        let pids = format!("shm_cpid={}, shm_lpid={}", ds.shm_cpid, ds.shm_lpid);
        let times =
            format!("{}, shm_dtime={}, shm_ctime={}", ds.shm_atime, ds.shm_dtime, ds.shm_ctime);
        let rest = format!("{pids}, shm_nattch={}, shm_atime={times}", ds.shm_nattch);
        let record = format!("{{{perm}, shm_segsz={}, {rest}}}", ds.shm_segsz);
        spell(if ok { &record } else { "&ds" })
    })?;
    Ok((answer, ds))
}

/// `shmctl(IPC_SET)`: sets uid, gid and the low 9 bits of the mode, and nothing else of `ds`.
/// EPERM unless we are its owner or creator; EINVAL for uid or gid -1.
pub fn ctl_set(shmid: c_int, ds: &shmid_ds) -> Result<()> {
    let p = &ds.shm_perm;
    let id = |id: u32| if id == u32::MAX { -1 } else { i64::from(id) };
    let perm = format!("uid={}, gid={}, mode=0{:02o}", id(p.uid), id(p.gid), p.mode);
    let mut ds = *ds;
    // SAFETY: the kernel reads one shmid_ds.
    traced(format!("shmctl({shmid}, IPC_SET, {{shm_perm={{{perm}}}}})"), || unsafe {
        libc::shmctl(shmid, libc::IPC_SET, &mut ds)
    })?;
    cleanup::changed(Kind::Shm, shmid)
}

/// `shmctl(IPC_RMID)`: removes the segment, at once or with its last detach. EPERM unless we are
/// its owner or creator; EINVAL when it is gone.
pub fn ctl_rmid(shmid: c_int) -> Result<()> {
    ctl(shmid, libc::IPC_RMID)?;
    cleanup::removed(Kind::Shm, shmid)
}

/// `shmctl` with a command that needs no buffer: `SHM_LOCK`, `SHM_UNLOCK`, or one unknown.
pub fn ctl(shmid: c_int, cmd: c_int) -> Result<()> {
    // SAFETY: these commands touch no buffer; for others the kernel answers EINVAL or EFAULT.
    traced(format!("shmctl({shmid}, {}, NULL)", flags::command(cmd)), || unsafe {
        libc::shmctl(shmid, cmd, ptr::null_mut())
    })?;
    Ok(())
}

struct Attached {
    start: usize,
    len: usize,
    writable: bool,
}

static ATTACHED: Mutex<Vec<Attached>> = Mutex::new(Vec::new());

fn attached() -> MutexGuard<'static, Vec<Attached>> {
    ATTACHED.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

/// Copies `bytes` into attached memory, without a system call: that is what shared memory is for.
/// Fails when not all of it is attached here, writable.
pub fn write(addr: Addr, bytes: &[u8]) -> Result<()> {
    let list = attached();
    within(&list, addr, bytes.len(), true)?;
    trace::text(&format!("memory at {addr:p} <- {}", show(bytes)));
    // SAFETY: the range is attached and writable, and stays so while we hold the list. Another
    // process may read or write it meanwhile: a race on bytes, which no reference here observes.
    unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), addr.cast(), bytes.len()) };
    Ok(())
}

/// Copies `len` bytes out of attached memory, without a system call. Fails when not all of it is
/// attached here.
pub fn read(addr: Addr, len: usize) -> Result<Vec<u8>> {
    let list = attached();
    within(&list, addr, len, false)?;
    let mut bytes = vec![0; len];
    // SAFETY: as in `write`; the bytes are copied out before anybody looks at them.
    unsafe { ptr::copy_nonoverlapping(addr.cast(), bytes.as_mut_ptr(), len) };
    trace::text(&format!("memory at {addr:p} -> {}", show(&bytes)));
    Ok(bytes)
}

/// Text whole, other bytes as far as a row goes.
fn show(bytes: &[u8]) -> String {
    let text = flags::bytes(bytes);
    if text.len() < 46 { text } else { flags::bytes(&bytes[..8]) + "..." }
}

fn within(list: &[Attached], addr: Addr, len: usize, write: bool) -> Result<()> {
    let addr = addr as usize;
    let inside = |one: &&Attached| addr >= one.start && addr + len <= one.start + one.len;
    match list.iter().find(inside) {
        Some(one) if one.writable || !write => Ok(()),
        Some(_) => Err(Failure::because(format!("{addr:#x} is attached read-only here"))),
        None => Err(Failure::because(format!("{len} bytes at {addr:#x} are not attached here"))),
    }
}
