//! What the explorer knows of a call beyond its row: whether others can move before it, how long it
//! would wait, which processes it signals, what it makes.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use libc::{c_int, timespec};
use sysv::process;
use sysv::tables::Kind;

use super::descriptors::{descriptor, has_locked_files, of_pidfd};
use super::places::Place;
use super::printed::is_printed;
use crate::event::Action;
use crate::syscalls;
use crate::syscalls::cells::{
    Addressee, CallRow, Changes, Follow, LetsIn, Object, Point, Question, Shown, Since, Sleep,
    TimeLimit, Unit,
};
use crate::tracer::memory::{record, records, string, write};
use crate::tracer::{Entry, Stopped, Tid, registers, zeroed};

/// Signals that a thread raises by what it does.
pub const FAULTS: u64 = 1 << (libc::SIGSEGV - 1)
    | 1 << (libc::SIGBUS - 1)
    | 1 << (libc::SIGFPE - 1)
    | 1 << (libc::SIGILL - 1)
    | 1 << (libc::SIGTRAP - 1)
    | 1 << (libc::SIGSYS - 1);

/// Can it sleep until another process does something?
pub fn may_sleep(entry: &Entry) -> bool {
    known(entry).is_none_or(|row| row.may_sleep(entry))
}

/// Is its limit 0? It may sleep until the kernel's timer has gone off, which is at once: nobody has to wake it.
pub fn ends_at_once(tid: Tid, entry: &Entry) -> bool {
    let Some(TimeLimit { argument, unit, .. }) = known(entry).and_then(|row| row.limit) else {
        return false;
    };
    let value = entry.args[argument];
    match unit {
        Unit::Millis => value as c_int == 0,
        Unit::Timespec => {
            record::<timespec>(tid, value).is_some_and(|time| nanoseconds(&time) == 0)
        }
        Unit::Timeval => record(tid, value) == Some([0_i64; 2]),
        Unit::Socket(_) => false,
    }
}

/// Does it wait with a signal mask of its own?
pub fn has_own_mask(entry: &Entry) -> bool {
    known(entry).is_some_and(|row| row.own_mask)
}

/// The row of a call; `None`: it is unknown, and may do anything.
pub fn known(entry: &Entry) -> Option<&'static CallRow> {
    syscalls::row(entry.number).filter(|_| !entry.foreign)
}

/// The kind of object that a call finds or makes.
pub fn gets(number: i64) -> Option<Kind> {
    match syscalls::row(number)?.object {
        Object::Get { kind, .. } => Some(kind),
        _ => None,
    }
}

/// The limit of a wait, as one call has it.
#[derive(Clone, Copy, Debug)]
pub struct Limit {
    /// Which argument, and what it held.
    pub argument: usize,
    pub value: u64,
    pub unit: Unit,
    /// The argument whose flags say that it is a moment on a clock, if there is one.
    pub flags: Option<usize>,
    /// The call does nothing but sleep.
    pub sleep: bool,
    /// In nanoseconds from now, or until a moment on a clock (the clock's number).
    pub length: u64,
    pub until: Option<c_int>,
    /// What the call answers when the limit is reached.
    pub answer: i64,
}

/// How long calls on sockets may sleep, in nanoseconds.
pub type SocketLimits = HashMap<(String, c_int), u64>;

/// The socket and the option, if a call sets or asks for how long calls on it may sleep.
pub fn socket_limit(tid: Tid, entry: &Entry) -> Option<(String, c_int)> {
    /// SO_RCVTIMEO_NEW and SO_SNDTIMEO_NEW, <asm-generic/socket.h>
    const NEW: [c_int; 2] = [66, 67];
    let option = match entry.args[2] as c_int {
        new if new == NEW[0] => libc::SO_RCVTIMEO,
        new if new == NEW[1] => libc::SO_SNDTIMEO,
        option => option,
    };
    let limits = [libc::SO_RCVTIMEO, libc::SO_SNDTIMEO].contains(&option);
    let found = limits && entry.args[1] as c_int == libc::SOL_SOCKET;
    let link = found.then(|| descriptor(tid, entry.args[0])).flatten()?;
    link.starts_with("socket:").then_some((link, option))
}

/// The limit of a call's wait, if it has one that is not 0.
pub fn limit(tid: Tid, entry: &Entry, sockets: &SocketLimits) -> Option<Limit> {
    let row = syscalls::row(entry.number).filter(|row| row.may_sleep(entry))?;
    let TimeLimit { argument, unit, from, error, sleep } = row.limit?;
    let until = until(from, entry);
    let value = entry.args[argument];
    let length = match unit {
        Unit::Socket(_) if sockets.is_empty() => return None,
        Unit::Socket(option) => *sockets.get(&(descriptor(tid, value)?, option))?,
        Unit::Millis => u64::try_from(value as c_int).ok()? * 1_000_000,
        Unit::Timespec => nanoseconds(&record(tid, value)?),
        Unit::Timeval => {
            let [seconds, micros]: [i64; 2] = record(tid, value)?;
            nanoseconds(&timespec { tv_sec: seconds, tv_nsec: micros * 1000 })
        }
    };
    let flags = if let Since::Flagged { flags, .. } = from { Some(flags) } else { None };
    let answer = -i64::from(error);
    (length > 0).then_some(Limit { argument, value, unit, flags, sleep, length, until, answer })
}

/// The clock on which a limit is a moment; `None`: it counts from now.
fn until(from: Since, entry: &Entry) -> Option<c_int> {
    const FUTEX_CLOCK_REALTIME: c_int = 256;
    let op = entry.args[1] as c_int;
    match from {
        Since::Now => None,
        Since::Day => Some(libc::CLOCK_REALTIME),
        Since::Flagged { clock, flags } => {
            let at = entry.args[flags] as c_int & libc::TIMER_ABSTIME != 0;
            at.then_some(entry.args[clock] as c_int)
        }
        Since::Futex => match op & 0x7f {
            libc::FUTEX_WAIT => None,
            libc::FUTEX_LOCK_PI => Some(libc::CLOCK_REALTIME),
            _ if op & FUTEX_CLOCK_REALTIME != 0 => Some(libc::CLOCK_REALTIME),
            _ => Some(libc::CLOCK_MONOTONIC),
        },
    }
}

/// A time in nanoseconds; a negative one is 0.
pub fn nanoseconds(time: &timespec) -> u64 {
    (time.tv_sec.max(0) as u64).saturating_mul(1_000_000_000) + time.tv_nsec.max(0) as u64
}

impl Limit {
    /// No argument of the call holds it: it is that of a socket.
    pub fn is_sockets(&self) -> bool {
        matches!(self.unit, Unit::Socket(_))
    }

    /// At the call's entry: takes the limit away, so that it waits for ever. A pure sleep gets 2^32
    /// seconds.
    pub fn take_away(&self, thread: &Stopped) -> nix::Result<()> {
        if self.is_sockets() {
            return Ok(());
        }
        if !self.sleep {
            let for_ever = if self.unit == Unit::Millis { u64::MAX } else { 0 };
            return registers::set_argument(thread, self.argument, for_ever);
        }
        let Ok(scratch) = registers::scratch(thread) else { return Ok(()) };
        write(thread, scratch, &[1 << 32, 0])?;
        registers::set_argument(thread, self.argument, scratch)?;
        self.flags.map_or(Ok(()), |flags| registers::set_argument(thread, flags, 0))
    }

    /// At its end: the program finds its arguments as they were.
    pub fn give_back(&self, thread: &Stopped, entry: &Entry) -> nix::Result<()> {
        if self.is_sockets() {
            return Ok(());
        }
        registers::set_argument(thread, self.argument, self.value)?;
        let flags = self.flags.map(|flags| (flags, entry.args[flags]));
        flags.map_or(Ok(()), |(flags, value)| registers::set_argument(thread, flags, value))
    }
}

/// Can others move before a call?
pub enum Visible {
    Yes,
    /// It is made at once.
    No,
    /// Likewise; what it maps may be shared.
    Mapping,
    /// It asks what time it is.
    Question(Question),
}

/// Can others move before this call? Some calls have no effect that another process can see.
pub fn visible(tid: Tid, entry: &Entry, locks: bool) -> Visible {
    const LOCKS: [c_int; 4] =
        [libc::F_SETLK, libc::F_SETLKW, libc::F_OFD_SETLK, libc::F_OFD_SETLKW];
    let args = entry.args;
    if !entry.foreign && syscalls::only_points(entry.number) {
        return Visible::No;
    }
    let Some(row) = known(entry) else { return Visible::Yes };
    let visible = match row.point {
        Point::Yes => true,
        Point::Passes => false,
        Point::IfSet => args[1] != 0,
        Point::Lock => LOCKS.contains(&(args[1] as c_int)),
        Point::Open { path } => {
            args[path + 1] & (libc::O_CREAT | libc::O_WRONLY | libc::O_RDWR) as u64 != 0
                || !string(tid, args[path], 256).is_some_and(|path| is_everybodys(&path))
        }
        Point::LookUp { path } => match string(tid, args[path], 256).as_deref() {
            // Of the descriptor that stands before it.
            Some(b"") if path > 0 => is_others_business(tid, args[path - 1], true),
            Some(path) => !is_everybodys(path),
            None => false,
        },
        Point::Read => is_others_business(tid, args[0], true),
        // A file that is closed may take a lock with it that was set through another descriptor.
        Point::Close => is_others_business(tid, args[0], locks && has_locked_files(tid)),
        // One of its own that takes the place of another is nobody's business, either.
        Point::Mapping => return Visible::Mapping,
        Point::Clock(question) => return Visible::Question(question),
    };
    if visible { Visible::Yes } else { Visible::No }
}

/// Is it about the process that makes it, so that another one could not have made it in its place?
pub fn is_its_own(entry: &Entry) -> bool {
    let its_own = |row: &CallRow| row.changes != Changes::KeepsNumber && !row.changes.maps();
    known(entry).is_some_and(|row| row.point == Point::Passes && its_own(row))
}

/// Does it only look at files, and leave nothing that another program could notice?
pub fn only_looks(tid: Tid, entry: &Entry) -> bool {
    let writes = (libc::O_CREAT | libc::O_TRUNC | libc::O_WRONLY | libc::O_RDWR) as u64;
    let is_file = || descriptor(tid, entry.args[0]).is_some_and(|link| link.starts_with('/'));
    match known(entry).map(|row| row.point) {
        Some(Point::Open { path }) => entry.args[path + 1] & writes == 0,
        Some(Point::LookUp { .. }) => true,
        Some(Point::Read | Point::Close) => is_file(),
        _ => false,
    }
}

/// Does it open a file so that it can be written?
pub fn opens_to_write(entry: &Entry) -> bool {
    let writes = (libc::O_WRONLY | libc::O_RDWR) as u64;
    let path = known(entry).map(|row| row.point);
    matches!(path, Some(Point::Open { path }) if entry.args[path + 1] & writes != 0)
}

/// Is it beside the point of a story: it looks at files, or sets what a signal does that nobody sends?
pub fn is_aside(tid: Tid, entry: &Entry) -> bool {
    let row = known(entry);
    let unseen = row.is_some_and(|row| row.shown == Shown::Handlers)
        && !syscalls::handler_is_seen(entry.args[0] as c_int);
    unseen || only_looks(tid, entry)
}

/// Must its end be seen? Not if the call cannot sleep and only the caller needs its result.
pub fn has_to_be_followed(tid: Tid, entry: &Entry) -> bool {
    match syscalls::row(entry.number).map_or(Follow::Yes, |row| row.follow) {
        Follow::Yes => true,
        Follow::No => false,
        Follow::NotToNull => descriptor(tid, entry.args[0])
            .is_none_or(|link| link != "/dev/null" && !is_printed(link.as_bytes())),
    }
}

/// Can others see what is done with a descriptor? `files`: also if it is an ordinary file.
fn is_others_business(tid: Tid, fd: u64, files: bool) -> bool {
    match descriptor(tid, fd) {
        Some(link) if link.starts_with("pipe:") || link.starts_with("socket:") => true,
        Some(link) if link.starts_with("anon_inode") => true,
        Some(link) => files && !is_everybodys(link.as_bytes()),
        None => false,
    }
}

/// Files that programs find and do not change.
fn is_everybodys(path: &[u8]) -> bool {
    let heads: [&[u8]; 9] = [
        b"/lib",
        b"/usr/",
        b"/etc/",
        b"/sys/",
        b"/dev/null",
        b"/dev/urandom",
        b"/proc/self/",
        b"/proc/thread-self/",
        b"/proc/sys/",
    ];
    // Wherever the loader looks for a library.
    let library = path.windows(3).any(|part| part == b".so");
    library || is_printed(path) || heads.iter().any(|head| path.starts_with(head))
}

/// A signal that is about to be sent.
pub struct Sent {
    pub signal: c_int,
    /// The first argument.
    pub target: i32,
    /// The process that it reaches, as the call names it.
    pub process: Option<Named>,
    /// It can only reach processes in the room.
    pub is_surely_inside: bool,
}

/// A process, by a number.
#[derive(Clone, Copy)]
pub enum Named {
    /// Its number in the room.
    Pid(i32),
    /// Its number for us.
    Tgid(Tid),
}

/// The signal that a call sends, and its target.
pub fn sent(tid: Tid, entry: &Entry, to: Addressee) -> Sent {
    let target = entry.args[0] as i32;
    let process = match to {
        Addressee::Pidfd => of_pidfd(tid, entry.args[0]).map(Named::Tgid),
        Addressee::Thread => None,
        Addressee::Process | Addressee::ThreadOf => Some(Named::Pid(target)),
    };
    let is_surely_inside = matches!(to, Addressee::Thread | Addressee::Pidfd);
    Sent { signal: entry.args[to.signal()] as c_int, target, process, is_surely_inside }
}

/// What a process will do with a signal that it sets.
pub fn action(tid: Tid, entry: &Entry) -> Action {
    match record::<u64>(tid, entry.args[1]) {
        Some(0) => Action::Default,
        Some(1) => Action::Ignore,
        _ => Action::Handler,
    }
}

/// What a call is answered that the kernel does not make.
pub struct Reply<const N: usize> {
    /// Where the words go; 0: nowhere.
    pub at: u64,
    pub words: [u64; N],
    /// What the call returns.
    pub result: i64,
}

/// The size of a segment, in the tables that we share with the programs; the largest where it cannot
/// be known.
pub fn size(shmid: c_int) -> usize {
    let mut ds: libc::shmid_ds = zeroed();
    // SAFETY: IPC_STAT fills one record.
    let found = unsafe { libc::shmctl(shmid, libc::IPC_STAT, &mut ds) } == 0;
    if found { ds.shm_segsz } else { usize::MAX }
}

/// A place outside of the programs in which a call may leave something; not `scratch`.
pub fn place(tid: Tid, entry: &Entry, scratch: &Path) -> Option<Place> {
    let row = known(entry)?;
    if row.changes == Changes::Binds {
        let family: u16 = record(tid, entry.args[1])?;
        return (c_int::from(family) != libc::AF_UNIX).then_some(Place::Ports);
    }
    let Point::Open { path } = row.point else { return None };
    let makes = entry.args[path + 1] & libc::O_CREAT as u64 != 0;
    let name = string(tid, entry.args[path], 4096).filter(|_| makes)?;
    let here = || fs::read_link(format!("/proc/{tid}/cwd")).unwrap_or_default();
    let name = Path::new(OsStr::from_bytes(&name));
    let whole = if name.is_absolute() { name.into() } else { here().join(name) };
    // That one is emptied in any case.
    if whole.starts_with(scratch) {
        return None;
    }
    let places = [("/tmp", Place::Tmp), ("/dev/shm", Place::Shm)];
    places.into_iter().find_map(|(folder, place)| whole.starts_with(folder).then_some(place))
}

/// What a shared mapping maps.
pub fn mapped_file(tid: Tid, entry: &Entry) -> Mapped {
    if entry.args[3] & libc::MAP_ANONYMOUS as u64 != 0 {
        return Mapped::Anonymous;
    }
    let fd = entry.args[4];
    if descriptor(tid, fd).is_some_and(|link| is_everybodys(link.as_bytes())) {
        return Mapped::Everybodys;
    }
    let found = fs::metadata(format!("/proc/{tid}/fd/{}", fd as i32));
    found.map_or(Mapped::Anonymous, |found| {
        Mapped::File(FileId { device: found.dev(), inode: found.ino() })
    })
}

/// What a shared mapping maps.
pub enum Mapped {
    Anonymous,
    File(FileId),
    /// One that nobody changes.
    Everybodys,
}

/// A file, whatever its name.
#[derive(PartialEq, Eq, Hash)]
pub struct FileId {
    device: u64,
    inode: u64,
}

/// The set that a call on semaphores will undo something of when its process ends.
pub fn to_be_undone(tid: Tid, entry: &Entry) -> Option<i32> {
    let undone = |one: &libc::sembuf| one.sem_flg as c_int & libc::SEM_UNDO != 0;
    // Too many to be looked at: it may.
    let all = operations(tid, entry);
    (all.is_empty() || all.iter().any(undone)).then_some(entry.args[0] as i32)
}

/// What a call on semaphores does to each of them; empty: not known.
pub fn operations(tid: Tid, entry: &Entry) -> Vec<libc::sembuf> {
    let count = entry.args[2] as usize;
    let all = if count <= 64 { records(tid, entry.args[1], count) } else { vec![] };
    if all.len() == count { all } else { vec![] }
}

/// Will a segment be gone when nobody has it attached any more?
pub fn goes_with_its_last_detach(shmid: c_int) -> bool {
    /// SHM_DEST: <linux/shm.h>
    const DEST: u16 = 0o1000;
    let mut ds: libc::shmid_ds = zeroed();
    // SAFETY: IPC_STAT fills one record.
    let found = unsafe { libc::shmctl(shmid, libc::IPC_STAT, &mut ds) } == 0;
    // One that we may not look at may be such a one.
    !found || ds.shm_perm.mode & DEST != 0
}

/// The one child that a call waits for; `None`: any of several, or it is no such call.
pub fn waits_for(entry: &Entry) -> Option<i32> {
    let pid = entry.args[0] as i32;
    (!entry.foreign && entry.number == libc::SYS_wait4 && pid > 0).then_some(pid)
}

/// Does a thread block a signal?
pub fn blocks(tid: Tid, signal: c_int) -> bool {
    process::status(tid).is_some_and(|status| status.blocked >> (signal - 1) & 1 == 1)
}

/// Does a call wait for this signal, to take it? While it sleeps the kernel does not show it as blocked.
pub fn takes(tid: Tid, entry: &Entry, signal: c_int) -> bool {
    let takes = known(entry).is_some_and(|row| row.sleep == Sleep::Signal(LetsIn::Taken));
    let set = takes.then(|| record::<u64>(tid, entry.args[0])).flatten().unwrap_or(0);
    set >> (signal - 1) & 1 == 1
}

/// The signals that are pending for a thread, and that it does not block, or this mask does not; a bit each,
/// from 1.
pub fn pending(tid: Tid, mask: Option<u64>) -> u64 {
    let open = |status: process::Status| status.pending & !mask.unwrap_or(status.blocked);
    process::status(tid).map_or(0, open)
}
