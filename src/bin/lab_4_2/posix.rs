//! The modern neighbour: shm_open and mmap, shared memory that is a file descriptor.

use std::num::NonZeroUsize;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;
use std::ptr::{self, NonNull};

use lablib::child::child;
use lablib::print::{claim, note, text};
use lablib::{Experiment, Failure, Result, expect_errno, say};
use libc::{FD_CLOEXEC, O_CREAT, O_EXCL, O_RDWR, POLLIN, c_int, c_void};
use nix::errno::Errno;
use nix::sys::mman::{self, MapFlags, ProtFlags};
use nix::unistd;
use sysv::tables::Kind;
use sysv::{spell, tables};

use crate::files::{self, number, printed, zero};
use crate::{HELLO, SIZE};

pub const ALL: &[Experiment] = &[
    Experiment {
        name: "shm-open",
        rows: "I11 I12",
        question: "Is there shared memory that is a file descriptor?",
        run: shm_open_is_a_file,
    },
    Experiment {
        name: "shm-unlink",
        rows: "I13",
        question: "And does it clean up after itself?",
        run: shm_unlink_as_well,
    },
];

fn shm_open_is_a_file() -> Result<()> {
    let name = Name::new()?;
    let fd = open(&name, O_RDWR | O_CREAT | O_EXCL)?;
    claim(files::what_is(&fd)? == format!("/dev/shm{}", name.0), "a file, below /dev/shm")?;
    claim(files::fd_flags(fd.as_raw_fd())? == FD_CLOEXEC, "FD_CLOEXEC: exec will close it")?;
    claim(files::poll(fd.as_raw_fd())? == POLLIN, "poll accepts it: it can be read")?;
    printed(
        format!("ftruncate({}, {SIZE})", number(&fd)),
        || unistd::ftruncate(&fd, SIZE as i64),
        zero,
    )?;
    let here = Mapping::of(&fd)?;
    files::close(fd)?;
    here.write(HELLO);
    let reader = child("B", || {
        let fd = open(&name, O_RDWR)?;
        let there = Mapping::of(&fd)?;
        claim(there.read(HELLO.len()) == HELLO, "found by its name, and the same memory")?;
        there.unmap()
    })?;
    reader.finish()?;
    let us = i64::from(std::process::id());
    let listed = tables::table(Kind::Shm).iter().any(|row| row.get("cpid") == us);
    claim(!listed, "/proc/sysvipc/shm, which ipcs -m reads, has no segment of this process")?;
    here.unmap()?;
    name.unlink()
}

fn shm_unlink_as_well() -> Result<()> {
    let name = Name::new()?;
    let fd = open(&name, O_RDWR | O_CREAT | O_EXCL)?;
    files::write(&fd, HELLO)?;
    files::close(fd)?;
    let again = open(&name, O_RDWR)?;
    claim(
        files::read(&again, 64)? == HELLO,
        "closed by all, and opened again by its name: it stayed",
    )?;
    name.unlink()?;
    expect_errno(open(&name, O_RDWR), Errno::ENOENT)?;
    files::rewind(&again)?;
    claim(files::read(&again, 64)? == HELLO, "without a name, and a descriptor of it still reads")?;
    files::close(again)?;
    note("unlink early, and hand on the descriptor: then nothing can stay behind");
    Ok(())
}

/// The name of an object of this run alone; gone when this is dropped.
struct Name(String);

impl Name {
    fn new() -> Result<Name> {
        if !Path::new("/dev/shm").is_dir() {
            return Err(Failure::Needs("/dev/shm".into(), "mount a tmpfs there"));
        }
        Ok(Name(format!("/lab-4.2-{}", std::process::id())))
    }

    /// shm_unlink(3).
    fn unlink(&self) -> Result<()> {
        let call = || mman::shm_unlink(self.0.as_str());
        printed(format!("shm_unlink(\"{}\")", self.0), call, zero)
    }
}

impl Drop for Name {
    fn drop(&mut self) {
        let _ = mman::shm_unlink(self.0.as_str());
    }
}

/// shm_open(3), for this user alone.
fn open(name: &Name, oflag: c_int) -> Result<OwnedFd> {
    let (spelled, oflag, mode) = files::how(oflag, 0o600);
    let call = || mman::shm_open(name.0.as_str(), oflag, mode);
    printed(format!("shm_open(\"{}\", {spelled})", name.0), call, number)
}

/// [`SIZE`] bytes of an object, mapped here, shared, to read and to write.
pub struct Mapping(NonNull<c_void>);

impl Mapping {
    /// mmap(2).
    pub fn of(fd: &OwnedFd) -> Result<Mapping> {
        let access = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        let fd_number = number(fd);
        let line = format!("mmap(NULL, {SIZE}, PROT_READ|PROT_WRITE, MAP_SHARED, {fd_number}, 0)");
        let size = NonZeroUsize::new(SIZE).unwrap_or(NonZeroUsize::MIN);
        let call = || {
            // SAFETY: without an address mmap takes only free memory; no other code uses it.
            unsafe {
                mman::mmap(
                    None, // the kernel chooses, as with shmat's NULL
                    size,
                    access,
                    MapFlags::MAP_SHARED, // MAP_PRIVATE would be a copy of our own
                    fd,
                    0,
                )
            }
        };
        printed(line, call, |addr| format!("{:p}", *addr)).map(Mapping)
    }

    /// Copies bytes into it, without a system call.
    pub fn write(&self, bytes: &[u8]) {
        text(say!("memory at {:p} <- {}", self.0, spell::bytes(bytes)));
        let len = bytes.len().min(SIZE);
        // SAFETY: SIZE bytes are mapped and writable until `unmap`, which takes us. Another
        // process may touch them meanwhile: a race on bytes, which no reference here observes.
        unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), self.0.as_ptr().cast(), len) };
    }

    /// Copies bytes out of it.
    pub fn read(&self, len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len.min(SIZE)];
        let to = bytes.as_mut_ptr();
        // SAFETY: as in `write`; the bytes are copied out before they are used.
        unsafe { ptr::copy_nonoverlapping(self.0.as_ptr().cast(), to, bytes.len()) };
        text(say!("memory at {:p} -> {}", self.0, spell::bytes(&bytes)));
        bytes
    }

    /// munmap(2).
    pub fn unmap(self) -> Result<()> {
        // SAFETY: exactly what mmap answered; `self` ends here, and nothing else refers to it.
        let call = || unsafe { mman::munmap(self.0, SIZE) };
        printed(format!("munmap({:p}, {SIZE})", self.0), call, zero)
    }
}
