//! Where the tracer runs, and what it traces.

use std::fs;
use std::time::{Duration, Instant};

use nix::sched::{CpuSet, sched_getaffinity, sched_getcpu, sched_setaffinity};
use nix::unistd::Pid;

/// The CPUs on which this thread may run.
pub fn allowed() -> Vec<usize> {
    let set = sched_getaffinity(Pid::from_raw(0)).unwrap_or_default();
    (0..CpuSet::count()).filter(|cpu| set.is_set(*cpu).unwrap_or(false)).collect()
}

/// Pins this thread, and so what it starts, to the CPU on which it is: three times as fast. `None`
/// where that is refused: then it is only slower.
pub fn pin() -> Option<usize> {
    pin_to(sched_getcpu().ok()?)
}

/// Pins this thread, and what it starts, to a CPU.
pub fn pin_to(cpu: usize) -> Option<usize> {
    let mut set = CpuSet::new();
    set.set(cpu).ok()?;
    sched_setaffinity(Pid::from_raw(0), &set).ok()?;
    Some(cpu)
}

/// Worth another worker: what goes on for so long.
const LONG: Duration = Duration::from_millis(300);
/// So often in a row it is found that a CPU is idle,
const TIMES: u32 = 5;
/// and so much time is between.
const BETWEEN: Duration = Duration::from_millis(10);

/// Watches whether one of our CPUs has nothing to do.
#[derive(Default)]
pub struct Idle {
    cpus: usize,
    times: u32,
    last: Option<Instant>,
}

impl Idle {
    /// Of so many.
    pub fn of(cpus: usize) -> Idle {
        Idle { cpus, ..Idle::default() }
    }

    /// Is there one, for something that began then?
    pub fn is_another(&mut self, start: Instant) -> bool {
        if start.elapsed() < LONG || self.last.is_some_and(|last| last.elapsed() < BETWEEN) {
            return false;
        }
        self.last = Some(Instant::now());
        // How many want to run now on the machine, we with them, of how many there are. proc(5)
        let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
        let running = text.split([' ', '/']).nth(3).and_then(|number| number.parse::<usize>().ok());
        let idle = running.is_some_and(|running| running < self.cpus);
        self.times = if idle { self.times + 1 } else { 0 };
        self.times >= TIMES
    }
}
