//! Where the tracer runs, and what it traces.

use nix::sched::{CpuSet, sched_getcpu, sched_setaffinity};
use nix::unistd::Pid;

/// Pins this process, and so what it starts, to the CPU on which it is: three times as fast. `None`
/// where that is refused: then it is only slower.
pub fn pin() -> Option<usize> {
    let cpu = sched_getcpu().ok()?;
    let mut set = CpuSet::new();
    set.set(cpu).ok()?;
    sched_setaffinity(Pid::from_raw(0), &set).ok()?;
    Some(cpu)
}
