//! The file calls that stand beside those of IPC, each printed as C has it.

use std::os::fd::{AsRawFd, OwnedFd, RawFd};

use lablib::{Failure, Result, print, signals};
use libc::{c_int, off_t};
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::stat::Mode;
use nix::unistd::Whence;
use nix::{fcntl, sys, unistd};
use sysv::spell;

const OPEN: &[(c_int, &str)] =
    &[(libc::O_RDWR, "O_RDWR"), (libc::O_CREAT, "O_CREAT"), (libc::O_EXCL, "O_EXCL")];

/// Makes a call and prints its line; `answer` spells what it answered.
pub fn printed<T>(
    line: String,
    call: impl FnOnce() -> nix::Result<T>,
    answer: impl FnOnce(&T) -> String,
) -> Result<T> {
    let _turn = print::before(&line)?;
    answered(line, call(), answer)
}

/// The second half of [`printed`], for a call that is spelled with what it wrote.
fn answered<T>(
    line: String,
    result: nix::Result<T>,
    answer: impl FnOnce(&T) -> String,
) -> Result<T> {
    let said = match &result {
        Ok(value) => answer(value),
        Err(errno) => format!("-1 {}", spell::errno(*errno)),
    };
    print::call_line(&line, &said, result.is_ok());
    result.map_err(Failure::of(line))
}

/// The answer of a call that has nothing to say.
pub fn zero(_: &()) -> String {
    "0".into()
}

/// The number of a descriptor.
pub fn number(fd: &OwnedFd) -> String {
    fd.as_raw_fd().to_string()
}

/// The arguments of open and shm_open, as they are spelled, and as nix takes them.
pub fn how(oflag: c_int, mode: u32) -> (String, OFlag, Mode) {
    let mode_if_made =
        if oflag & libc::O_CREAT == 0 { String::new() } else { format!(", 0{mode:o}") };
    let spelled = spell::join(oflag, OPEN) + &mode_if_made;
    (spelled, OFlag::from_bits_truncate(oflag), Mode::from_bits_truncate(mode))
}

/// open(2): ENOENT, EEXIST, EACCES.
pub fn open(path: &str, oflag: c_int, mode: u32) -> Result<OwnedFd> {
    let (spelled, oflag, mode) = how(oflag, mode);
    printed(format!("open(\"{path}\", {spelled})"), || fcntl::open(path, oflag, mode), number)
}

/// write(2).
pub fn write(fd: &OwnedFd, bytes: &[u8]) -> Result<()> {
    let line = format!("write({}, {}, {})", number(fd), spell::bytes(bytes), bytes.len());
    printed(line, || unistd::write(fd, bytes), usize::to_string)?;
    Ok(())
}

/// read(2): at most `room` bytes from where the descriptor stands; none at the end.
pub fn read(fd: &OwnedFd, room: usize) -> Result<Vec<u8>> {
    let _turn = print::before(&format!("read({}, &buffer, {room})", number(fd)))?;
    let mut bytes = vec![0; room];
    let got = unistd::read(fd, &mut bytes);
    bytes.truncate(got.unwrap_or(0));
    let line = format!("read({}, {}, {room})", number(fd), spell::bytes(&bytes));
    answered(line, got, usize::to_string)?;
    Ok(bytes)
}

/// lseek(2), to the beginning.
pub fn rewind(fd: &OwnedFd) -> Result<()> {
    let line = format!("lseek({}, 0, SEEK_SET)", number(fd));
    printed(line, || unistd::lseek(fd, 0, Whence::SeekSet), off_t::to_string)?;
    Ok(())
}

/// close(2).
pub fn close(fd: OwnedFd) -> Result<()> {
    printed(format!("close({})", number(&fd)), || unistd::close(fd), zero)
}

/// unlink(2): ENOENT.
pub fn unlink(path: &str) -> Result<()> {
    printed(format!("unlink(\"{path}\")"), || unistd::unlink(path), zero)
}

/// fchmod(2).
pub fn chmod(fd: &OwnedFd, mode: u32) -> Result<()> {
    let bits = Mode::from_bits_truncate(mode);
    let line = format!("fchmod({}, 0{mode:02o})", number(fd));
    printed(line, || sys::stat::fchmod(fd, bits), zero)
}

/// `fcntl(F_GETFD)` on a number that may be no descriptor: EBADF.
pub fn fd_flags(fd: RawFd) -> Result<c_int> {
    // Not by nix, which takes none but open descriptors.
    // SAFETY: F_GETFD takes a number, which need not be a descriptor, and changes nothing.
    let call = || Errno::result(unsafe { libc::fcntl(fd, libc::F_GETFD) });
    printed(format!("fcntl({fd}, F_GETFD)"), call, |flags| match *flags {
        libc::FD_CLOEXEC => "0x1 (flags FD_CLOEXEC)".into(),
        other => format!("{other:#x}"),
    })
}

/// poll(2) on one number that may be no descriptor, without waiting: its `revents`. Where nothing is
/// ready, a signal makes it fail all the same.
pub fn poll(fd: RawFd) -> Result<i16> {
    match poll_once(fd) {
        Err(Failure::Call(_, Errno::EINTR)) => signals::check().and_then(|()| poll(fd)),
        answer => answer,
    }
}

fn poll_once(fd: RawFd) -> Result<i16> {
    // Not by nix, as above.
    let mut one = libc::pollfd { fd, events: libc::POLLIN, revents: 0 };
    // SAFETY: poll reads and writes one pollfd; the number in it need not be a descriptor.
    let call = || Errno::result(unsafe { libc::poll(&mut one, 1, 0) }).map(|_| one.revents);
    printed(format!("poll([{{fd={fd}, events=POLLIN}}], 1, 0)"), call, |revents| match *revents {
        0 => "0 (Timeout)".into(),
        libc::POLLNVAL => format!("1 ([{{fd={fd}, revents=POLLNVAL}}])"),
        libc::POLLIN => format!("1 ([{{fd={fd}, revents=POLLIN}}])"),
        other => format!("1 ([{{fd={fd}, revents={other:#x}}}])"),
    })
}

/// readlink(2): what one of our descriptors is, as /proc/self/fd shows it.
pub fn what_is(fd: &OwnedFd) -> Result<String> {
    let path = format!("/proc/self/fd/{}", number(fd));
    let call = || fcntl::readlink(path.as_str()).map(|to| to.to_string_lossy().into_owned());
    printed(format!("readlink(\"{path}\")"), call, |to| format!("\"{to}\""))
}

/// The numbers in /proc/self/fd, less the one that this look itself opens.
pub fn open_now() -> Result<Vec<RawFd>> {
    let failed = |call: &str| Failure::of::<std::io::Error>(format!("{call}(\"/proc/self/fd\")"));
    let mut numbers: Vec<RawFd> = vec![];
    for entry in std::fs::read_dir("/proc/self/fd").map_err(failed("open"))? {
        let entry = entry.map_err(failed("getdents"))?;
        let to = std::fs::read_link(entry.path()).map_err(failed("readlink"))?;
        let name = entry.file_name();
        let number = name.to_str().and_then(|name| name.parse().ok());
        numbers.extend(number.filter(|_: &RawFd| !to.ends_with("fd")));
    }
    numbers.sort();
    Ok(numbers)
}

/// A name in the file system that is gone when this is dropped, unless it was before.
pub struct Scrap(pub String);

impl Drop for Scrap {
    fn drop(&mut self) {
        let _ = unistd::unlink(self.0.as_str());
    }
}
