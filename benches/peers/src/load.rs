//! Round trips while others want the CPUs, too: not only the median counts then.

use std::hint::spin_loop;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use duplex::waiters::Way;
use hdrhistogram::Histogram;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::waitpid;

use crate::kernel::{Pipes, Slots};
use crate::ours::{RING, Segments};
use crate::pair::{
    Measured, Pin, child, end_meeting, meet, new_meeting, pin, reap, shared, unshare,
};
use crate::talk::Talk;

/// What the two of a pair talk through.
#[derive(Clone, Copy)]
pub enum Kind {
    Channel(Way),
    Semaphore,
    Futex,
    Pipe,
    Socket,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Load {
    /// One pair, and on each CPU a process that computes.
    Busy,
    /// Four pairs.
    FourPairs,
}

/// For so long.
const TIME: Duration = Duration::from_millis(200);
/// The most round trips that are noted down.
const MOST: usize = 1 << 20;
const BYTES: usize = 8 * (MOST + 1);

type End = Box<dyn FnOnce() -> Box<dyn Talk>>;

/// The two ends, which exist already, or are made by the processes that use them.
fn ends(kind: Kind, made: &mut Vec<Segments>) -> (End, End) {
    fn two<T: Talk + 'static>((a, b): (T, T)) -> (End, End) {
        (Box::new(|| Box::new(a)), Box::new(|| Box::new(b)))
    }
    match kind {
        Kind::Channel(way) => {
            let segments = Segments::new(RING);
            made.push(segments);
            let side = |server| -> End { Box::new(move || Box::new(segments.side(server, way))) };
            (side(true), side(false))
        }
        Kind::Semaphore => two(Slots::new(false)),
        Kind::Futex => two(Slots::new(true)),
        Kind::Pipe => two(Pipes::new()),
        Kind::Socket => two(UnixStream::pair().expect("socketpair")),
    }
}

/// The times of one pair, shared: how many, and each in nanoseconds.
#[derive(Clone, Copy)]
struct Times(*mut u8);

impl Times {
    fn at(&self, i: usize) -> &AtomicU64 {
        // SAFETY: `i` is at most MOST, and the mapping has so many words and one.
        unsafe { AtomicU64::from_ptr(self.0.cast::<u64>().add(i)) }
    }
}

/// The median round trip, its tail, and the CPU time of one, of all pairs together.
pub fn latency(kind: Kind, load: Load) -> Measured {
    let mut made = vec![];
    let hogs: Vec<_> = match load {
        Load::Busy => (0..2)
            .map(|cpu| {
                child(Pin::Beside, cpu, move || {
                    pin(cpu);
                    loop {
                        spin_loop();
                    }
                })
            })
            .collect(),
        Load::FourPairs => vec![],
    };
    let pairs = if load == Load::Busy { 1 } else { 4 };
    let mut children = vec![];
    let mut memory = vec![];
    for _ in 0..pairs {
        let (meeting, times) = (new_meeting(), Times(shared(BYTES)));
        let (a, b) = ends(kind, &mut made);
        children.push(child(Pin::Beside, 0, move || begin(a(), times)));
        children.push(child(Pin::Beside, 1, move || answer(b(), times)));
        memory.push((meeting, times));
    }
    children.into_iter().for_each(reap);
    for hog in hogs {
        kill(hog, Signal::SIGKILL).expect("our own child");
        waitpid(hog, None).expect("our own child");
    }
    made.into_iter().for_each(Segments::remove);
    let mut cpu = 0.0;
    let mut all = Histogram::<u64>::new(3).expect("three digits");
    for (meeting, times) in memory {
        let count = times.at(0).load(Relaxed) as usize;
        (1..=count).for_each(|i| all.record(times.at(i).load(Relaxed)).expect("it grows"));
        cpu += end_meeting(meeting);
        unshare(times.0, BYTES);
    }
    let [number, one, two] =
        [0.5, 0.99, 0.999].map(|quantile| all.value_at_quantile(quantile) as f64);
    Measured { number, cpu: cpu / all.len() as f64, tail: [one, two] }
}

fn begin(mut talk: Box<dyn Talk>, times: Times) {
    let (message, mut got) = ([1; 64], [0; 64]);
    meet();
    let began = Instant::now();
    let mut n = 0;
    while n < MOST && began.elapsed() < TIME {
        let began = Instant::now();
        talk.send(&message);
        talk.recv(&mut got);
        n += 1;
        times.at(n).store(began.elapsed().as_nanos() as u64, Relaxed);
    }
    times.at(0).store(n as u64, Relaxed);
    talk.send(&message);
    meet();
}

/// Answers until the first side has noted down how many there were.
fn answer(mut talk: Box<dyn Talk>, times: Times) {
    let mut got = [0; 64];
    meet();
    loop {
        talk.recv(&mut got);
        if times.at(0).load(Relaxed) != 0 {
            return meet();
        }
        talk.send(&got);
    }
}
