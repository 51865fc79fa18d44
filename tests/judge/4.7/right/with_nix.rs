//! nix for the errors and the mask, `?` for each failure, and a guard whose Drop removes and detaches what is left. The
//! signals are blocked only until the segment is marked: a marked one goes with the process.
use std::io::Write;
use std::num::NonZeroUsize;
use std::process::ExitCode;
use std::ptr::{null, null_mut};

use nix::errno::Errno;
use nix::sys::signal::{SigSet, Signal};

struct Guard {
    id: Option<i32>,
    at: Option<*mut libc::c_void>,
}

type Failure = (&'static str, String);

fn named(call: &'static str) -> impl Fn(Errno) -> Failure {
    move |errno| (call, errno.desc().to_string())
}

impl Guard {
    fn new(size: usize) -> Result<Guard, Failure> {
        // SAFETY: shmget takes no pointer.
        let id = unsafe { libc::shmget(libc::IPC_PRIVATE, size, libc::IPC_CREAT | 0o600) };
        let id = Errno::result(id).map_err(named("shmget"))?;
        let mut guard = Guard { id: Some(id), at: None };
        // SAFETY: the kernel chooses an address that is free.
        let at = unsafe { libc::shmat(id, null(), 0) };
        if at as isize == -1 {
            return Err(named("shmat")(Errno::last()));
        }
        guard.at = Some(at);
        Ok(guard)
    }

    /// Detaches it, and says whether this has succeeded.
    fn detach(&mut self) -> Result<(), Failure> {
        let Some(at) = self.at.take() else { return Ok(()) };
        // SAFETY: nobody uses the memory.
        Errno::result(unsafe { libc::shmdt(at) }).map(drop).map_err(named("shmdt"))
    }

    fn remove(&mut self) -> Result<(), Failure> {
        let Some(id) = self.id.take() else { return Ok(()) };
        // SAFETY: IPC_RMID takes no buffer.
        let removed = unsafe { libc::shmctl(id, libc::IPC_RMID, null_mut()) };
        Errno::result(removed).map(drop).map_err(named("shmctl(IPC_RMID)"))
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        for failed in [self.remove(), self.detach()].into_iter().filter_map(Result::err) {
            eprintln!("{}: {}", failed.0, failed.1);
        }
    }
}

fn stat(id: i32) -> Result<libc::shmid_ds, Failure> {
    // SAFETY: a record of zeros is a record, and the kernel writes one.
    unsafe {
        let mut record = std::mem::zeroed();
        Errno::result(libc::shmctl(id, libc::IPC_STAT, &mut record))
            .map(|_| record)
            .map_err(named("shmctl(IPC_STAT)"))
    }
}

fn experiment(size: usize) -> Result<(), Failure> {
    let stops = SigSet::from_iter([Signal::SIGINT, Signal::SIGTERM]);
    stops.thread_block().map_err(named("sigprocmask"))?;
    let mut guard = Guard::new(size)?;
    let id = guard.id.expect("a new one");
    let mut out = std::io::stdout();
    let mut print = |line: String| {
        writeln!(out, "{line}").map_err(|why| ("standard output", why.to_string()))
    };
    let mut record = stat(id)?;
    print(format!("size {}", record.shm_segsz))?;
    record.shm_perm.mode = 0o640;
    // SAFETY: the record is ours.
    let set = unsafe { libc::shmctl(id, libc::IPC_SET, &mut record) };
    Errno::result(set).map_err(named("shmctl(IPC_SET)"))?;
    print(format!("mode {:o}", stat(id)?.shm_perm.mode & 0o777))?;
    guard.remove()?;
    stops.thread_unblock().map_err(named("sigprocmask"))?;
    if stat(id)?.shm_perm.mode & 0o1000 != 0 {
        print("dest".into())?;
    }
    guard.detach()
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let size = match &arguments[..] {
        [size] => size.parse::<NonZeroUsize>().ok(),
        _ => None,
    };
    let Some(size) = size else {
        eprintln!("usage: exercise SIZE");
        return ExitCode::from(2);
    };
    match experiment(size.get()) {
        Ok(()) => ExitCode::SUCCESS,
        Err((call, why)) => {
            eprintln!("{call}: {why}");
            ExitCode::FAILURE
        }
    }
}
