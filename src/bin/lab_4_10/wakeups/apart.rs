//! Processes that a watchdog can end: what hangs is killed, and becomes a row.

use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use lablib::{Failure, Result, child, print, signals};
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::waitpid;
use nix::unistd::{Pid, pipe, read, write};

/// A process that runs `body` and writes numbers as its answer. Killed and reaped when dropped.
pub struct Apart {
    pub pid: Pid,
    answer: OwnedFd,
}

impl Apart {
    /// Starts it. It dies with its parent, and of the signals that ask the lab to stop.
    pub fn start(body: impl FnOnce() -> Result<Vec<u64>>) -> Result<Apart> {
        signals::check()?;
        let (answer, to) = pipe().map_err(Failure::of("pipe"))?;
        let pid = child::apart(|| match body() {
            Ok(numbers) => {
                let bytes: Vec<u8> = numbers.iter().flat_map(|n| n.to_ne_bytes()).collect();
                u8::from(write(&to, &bytes) != Ok(bytes.len()))
            }
            Err(failure) => {
                print::tell(&failure);
                failure.code()
            }
        })?;
        Ok(Apart { pid, answer })
    }

    /// Its numbers; `None` when it has not answered within `limit`. `Err` when it failed, which it
    /// has told.
    pub fn answer(self, limit: Duration) -> Result<Option<Vec<u64>>> {
        let (until, mut bytes) = (Instant::now() + limit, vec![]);
        loop {
            let rest = until.saturating_duration_since(Instant::now());
            if !signals::wait_readable(self.answer.as_fd(), Some(rest))? {
                return Ok(None);
            }
            let mut more = [0; 512];
            match read(&self.answer, &mut more).map_err(Failure::of("read"))? {
                0 if bytes.is_empty() => {
                    signals::check()?;
                    return Err(Failure::Told(1));
                }
                0 => break,
                n => bytes.extend_from_slice(&more[..n]),
            }
        }
        let number = |bytes: &[u8]| bytes.try_into().map_or(0, u64::from_ne_bytes);
        Ok(Some(bytes.chunks(8).map(number).collect()))
    }

    /// Has it ended? It is not waited for yet.
    pub fn has_ended(&self) -> Result<bool> {
        signals::wait_readable(child::pidfd_open(self.pid)?.as_fd(), Some(Duration::ZERO))
    }
}

impl Drop for Apart {
    fn drop(&mut self) {
        // Ours and not reaped, so the number is still its own.
        let _ = kill(self.pid, Signal::SIGKILL);
        let _ = waitpid(self.pid, None);
    }
}

/// The processors for two sides: two, or the first one twice.
pub fn places(one_cpu: bool) -> Result<[usize; 2]> {
    let allowed = sched_getaffinity(Pid::from_raw(0)).map_err(Failure::of("sched_getaffinity"))?;
    let mut known = (0..CpuSet::count()).filter(|&cpu| allowed.is_set(cpu).unwrap_or(false));
    let first = known.next().unwrap_or(0);
    let second = known.next().filter(|_| !one_cpu);
    Ok([first, second.unwrap_or(first)])
}

/// Keeps this process, and the threads it will make, on one processor.
pub fn pin(cpu: usize) -> Result<()> {
    let mut set = CpuSet::new();
    set.set(cpu).map_err(Failure::of("CPU_SET"))?;
    sched_setaffinity(Pid::from_raw(0), &set).map_err(Failure::of("sched_setaffinity"))
}
