//! A tracee's memory: process_vm_readv(2) and process_vm_writev(2), one call a read or write.

use std::fs::File;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::unix::fs::FileExt;

use nix::errno::Errno;
use nix::sys::ptrace;
use nix::sys::uio::{RemoteIoVec, process_vm_readv, process_vm_writev};
use nix::unistd::Pid;
use sysv::process::{Mapping, mappings};

use super::{Stopped, Tid};

/// A page: memory ends at the end of one.
const PAGE: usize = 4096;

/// Records of the C library that are numbers alone, so that any bytes are one.
///
/// # Safety
/// Every bit pattern must be a value of the type.
pub unsafe trait Plain: Copy {}

macro_rules! plain {
    ($($type:ty),* $(,)?) => { $(
        // SAFETY: numbers and arrays of numbers, as the kernel has them; pointers are not followed.
        unsafe impl Plain for $type {}
    )* };
}

plain!(u8, u16, i32, u32, i64, u64, usize);
plain!(libc::shmid_ds, libc::msqid_ds, libc::semid_ds, libc::sembuf, libc::timespec);
plain!(libc::siginfo_t, libc::sigaction, libc::pollfd, libc::stat, libc::iovec, libc::clone_args);
// SAFETY: an array of plain records is one.
unsafe impl<T: Plain, const N: usize> Plain for [T; N] {}

/// Fills as much of `buffer` as there is at `address`, and answers how much that was.
pub fn fill(tid: Tid, address: u64, buffer: &mut [u8]) -> usize {
    if address == 0 || buffer.is_empty() {
        return 0;
    }
    let remote = [RemoteIoVec { base: address as usize, len: buffer.len() }];
    let pid = Pid::from_raw(tid);
    match process_vm_readv(pid, &mut [IoSliceMut::new(buffer)], &remote) {
        Ok(got) if got == buffer.len() => got,
        // What is closed for the program (PROT_NONE) can be read there. proc_pid_mem(5)
        Ok(_) | Err(Errno::EFAULT) => {
            let file = File::open(format!("/proc/{tid}/mem"));
            file.map_or(0, |file| read_as_far(&file, address, buffer))
        }
        Err(_) => 0,
    }
}

fn read_as_far(file: &File, address: u64, buffer: &mut [u8]) -> usize {
    let mut got = 0;
    while got < buffer.len() {
        match file.read_at(&mut buffer[got..], address + got as u64) {
            Ok(more) if more > 0 => got += more,
            _ => break,
        }
    }
    got
}

/// One word; `None` if not all of it is there. That takes half the time of [`record`]. ptrace(2), PTRACE_PEEKDATA
pub fn word(thread: &Stopped, address: u64) -> Option<u64> {
    let at = std::ptr::without_provenance_mut(address as usize);
    ptrace::read(Pid::from_raw(thread.tid()), at).ok().map(|word| word as u64)
}

/// At most `len` bytes.
pub fn bytes(tid: Tid, address: u64, len: usize) -> Vec<u8> {
    let mut buffer = vec![0; len];
    let got = fill(tid, address, &mut buffer);
    buffer.truncate(got);
    buffer
}

/// One record; `None` if not all of it is there.
pub fn record<T: Plain>(tid: Tid, address: u64) -> Option<T> {
    let mut record = MaybeUninit::<T>::zeroed();
    // SAFETY: zeroed, so initialised; the slice covers the record alone and ends before it is used.
    let bytes =
        unsafe { std::slice::from_raw_parts_mut(record.as_mut_ptr().cast(), size_of::<T>()) };
    // SAFETY: zeroed or filled by the kernel, and every bit pattern is a value.
    (fill(tid, address, bytes) == bytes.len()).then(|| unsafe { record.assume_init() })
}

/// At most `count` records in a row.
pub fn records<T: Plain>(tid: Tid, address: u64, count: usize) -> Vec<T> {
    let at = |i: usize| address + (i * size_of::<T>()) as u64;
    (0..count).map_while(|i| record(tid, at(i))).collect()
}

/// A string up to its NUL, at most `limit` bytes of it; `None` if none is there.
pub fn string(tid: Tid, address: u64, limit: usize) -> Option<Vec<u8>> {
    let mut text = vec![];
    while text.len() < limit {
        let at = address + text.len() as u64;
        let rest = PAGE - at as usize % PAGE;
        let part = bytes(tid, at, rest.min(256).min(limit - text.len()));
        if part.is_empty() {
            return (!text.is_empty()).then_some(text);
        }
        if let Some(end) = part.iter().position(|&byte| byte == 0) {
            text.extend(&part[..end]);
            return Some(text);
        }
        text.extend(part);
    }
    Some(text)
}

/// The strings of a list that ends with NULL, as exec takes them; at most `limit`.
pub fn strings(tid: Tid, address: u64, limit: usize) -> Vec<Vec<u8>> {
    let pointers = (0..limit).map_while(|i| record::<u64>(tid, address + 8 * i as u64));
    pointers.take_while(|&at| at != 0).filter_map(|at| string(tid, at, 4096)).collect()
}

/// More than this of a process's own memory is not read.
const MOST: usize = 16 << 20;
/// One that is larger is in memory only here and there: the shadow of AddressSanitizer has terabytes. It is
/// left out: it says what the rest looks like.
const SHADOW: usize = 64 << 30;

/// A number that is the same when all that a process has written into memory of its own is; `None`: it has
/// too much.
pub fn private_state(tid: Tid) -> Option<u64> {
    let mut hasher = DefaultHasher::new();
    let mut all = 0;
    for Mapping { start, end, line } in mappings(&tid.to_string()) {
        let its_own = line.split(' ').nth(1) == Some("rw-p") && end - start < SHADOW;
        if its_own {
            all += end - start;
            if all > MOST {
                return None;
            }
            bytes(tid, start as u64, end - start).hash(&mut hasher);
        }
    }
    Some(hasher.finish())
}

/// Writes numbers, as the kernel would where a call has it fill a record. NULL: nothing. An address
/// that cannot be written is the program's own affair: its call would have failed with EFAULT.
pub fn write(thread: &Stopped, address: u64, words: &[u64]) -> nix::Result<()> {
    if address == 0 {
        return Ok(());
    }
    let raw: Vec<u8> = words.iter().flat_map(|word| word.to_ne_bytes()).collect();
    let remote = [RemoteIoVec { base: address as usize, len: raw.len() }];
    match process_vm_writev(Pid::from_raw(thread.tid()), &[IoSlice::new(&raw)], &remote) {
        // It was killed, and the next wait reports that.
        Ok(_) | Err(Errno::EFAULT | Errno::ESRCH) => Ok(()),
        Err(errno) => Err(errno),
    }
}

/// Writes bytes. False: not all of them can be written.
pub fn write_bytes(thread: &Stopped, address: u64, bytes: &[u8]) -> bool {
    let remote = [RemoteIoVec { base: address as usize, len: bytes.len() }];
    let done = process_vm_writev(Pid::from_raw(thread.tid()), &[IoSlice::new(bytes)], &remote);
    done == Ok(bytes.len())
}
