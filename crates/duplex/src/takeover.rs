//! Leftovers: if a segment's server is gone, a new one removes the segment and makes another.

use std::fs::{File, TryLockError};
use std::time::Duration;

use lablib::{Failure, Result, exit, looked, print, say, shm, signals};
use libc::{c_int, key_t};
use nix::errno::Errno;
use nix::unistd::geteuid;
use sysv::process::started_at;
use sysv::tables::{self, Kind, Row};

/// Time between two looks at a segment in use, and how many there are: a client may just be looking into a leftover.
const LOOK: Duration = Duration::from_millis(20);
const LOOKS: u32 = 20;

/// A server's segment, made with IPC_EXCL. A segment left by a server that is gone is removed
/// first; one in use is BUSY, one of another user REFUSED. Other errors: those of shmget(2).
pub fn create(key: key_t, size: usize, mode: c_int) -> Result<c_int> {
    let refuse = |code, why: String| Err(Failure::Because(code, why));
    let make = || shm::get(key, size, libc::IPC_CREAT | libc::IPC_EXCL | mode);
    for look in 1..=LOOKS {
        match if look == 1 { make() } else { print::dim(make) } {
            Err(Failure::Call(_, Errno::EEXIST)) => {}
            made => return made,
        }
        let found = leftover(key, size);
        looked()?;
        match found {
            Leftover::Absent => {}
            Leftover::Ours(row) => {
                let maker = row.get("cpid");
                let what = say!("ours, {size} bytes, not attached, and {maker} is gone");
                print::note(say!("a leftover: {what}"));
                print::dim(|| remove(row.id() as c_int))?;
                print::note("taken over: the old one is removed, and a new one made");
            }
            Leftover::Foreign(why) => {
                return refuse(exit::REFUSED, say!("refused: {why}; use another key"));
            }
            Leftover::InUse(why) if look == LOOKS => {
                return refuse(exit::BUSY, say!("busy: {why}"));
            }
            Leftover::InUse(why) => {
                if look == 1 {
                    print::note(say!("{why}: looking again"));
                }
                signals::wait(&[], Some(LOOK), || false)?;
            }
        }
    }
    refuse(exit::BUSY, "busy: somebody else makes segments with our key".into())
}

/// IPC_RMID. If another process was faster, the segment is already removed.
pub fn remove(shmid: c_int) -> Result<()> {
    match shm::ctl_rmid(shmid) {
        Err(Failure::Call(_, Errno::EINVAL | Errno::EIDRM)) if is_removed(shmid) => Ok(()),
        removed => removed,
    }
}

/// Was IPC_RMID called on the segment? A look that failed does not say so.
pub fn is_removed(shmid: c_int) -> bool {
    tables::segment(shmid).is_none_or(|row| row.is_dest()) && looked().is_ok()
}

/// What a segment is that has our key before we have made one.
enum Leftover {
    /// It has gone meanwhile.
    Absent,
    /// Our user's, of our size, not attached, and its maker is gone: it may be removed.
    Ours(Row),
    /// In use, or its maker may be about to use it: why.
    InUse(String),
    /// Another user's, or of another kind: why.
    Foreign(String),
}

/// Classifies the segment that has `key`, by the kernel's table alone: nothing is attached.
fn leftover(key: key_t, size: usize) -> Leftover {
    let Some(row) = tables::table(Kind::Shm).into_iter().find(|row| row.key() == key) else {
        return Leftover::Absent;
    };
    let (id, cpid, bytes) = (row.id(), row.get("cpid") as i32, row.get("size"));
    if row.get("cuid") != geteuid().as_raw().into() {
        return Leftover::Foreign(say!("segment {id} was made by uid {}", row.get("cuid")));
    }
    if bytes != size as i64 {
        return Leftover::Foreign(say!("segment {id} has {bytes} bytes, not {size}"));
    }
    match (row.get("nattch"), started_at(cpid)) {
        // A process that was started later only has the number of the one that made it.
        (0, Some(start)) if start <= row.get("ctime") + 1 => {
            Leftover::InUse(say!("segment {id}: {cpid}, which made it, is alive"))
        }
        (0, _) => Leftover::Ours(row),
        (n, _) => Leftover::InUse(say!("segment {id} is attached by {n}")),
    }
}

/// Locks a file for as long as we live, however we end: flock(2). BUSY if another process has it.
pub fn lock(path: &str) -> Result<File> {
    let file = File::open(path).map_err(Failure::of(format!("open({path:?})")))?;
    let line = format!("flock(\"{path}\", LOCK_EX|LOCK_NB)");
    file.try_lock().map_err(|error| match error {
        TryLockError::Error(error) => Failure::of(&line)(error),
        TryLockError::WouldBlock => {
            let why = say!("busy: another server is running, it has {path} locked");
            Failure::Because(exit::BUSY, why)
        }
    })?;
    print::call_line(&line, "0", true);
    Ok(file)
}
