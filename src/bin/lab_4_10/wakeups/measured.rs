//! The ways that work, on the channel of this section: rounds of a message and its answer.

use std::thread;
use std::time::{Duration, Instant};

use duplex::layout::{Role, Segment, segment_size};
use duplex::receiver::Receiver;
use duplex::sender::Sender;
use duplex::waiters::Way;
use hdrhistogram::Histogram;
use lablib::{Failure, Result, exit, say, sem, shm};
use libc::IPC_PRIVATE;
use nix::time::{ClockId, clock_gettime};

use super::apart::{Apart, pin, places};
use super::no_thread;
use super::outcome::{AWAKE, Figure, Outcome, SITUATIONS, Situation, UNDECIDED, WORKS};

/// Bytes of each ring; what is measured is waking, not carrying.
const RING: usize = 4096;
/// What a cell may take before its rounds are cut short.
const BUDGET: Duration = Duration::from_millis(600);
/// One message a millisecond: idle, but not asleep for good.
const PAUSE: Duration = Duration::from_millis(1);

/// Runs a way in every situation.
pub fn run(name: &'static str, way: Way, rounds: u32, watchdog: Duration) -> Result<Outcome> {
    let (mut figures, mut done, mut lost, mut stuck) = (vec![], 0, 0, 0);
    for situation in SITUATIONS {
        let rounds = if situation.idle { (rounds / 5).max(5) } else { rounds };
        match cell(way, situation, rounds, watchdog)? {
            Some([rounds, late, p50, p99, max]) => {
                (done, lost) = (done + rounds, lost + late);
                figures.push(Some(Figure { p50, p99, max }));
            }
            None => {
                stuck += 1;
                figures.push(None);
            }
        }
    }
    // A side that is kept from running between its store and its ring makes the other look up by
    // itself; a machine with other work does that now and then. A way that loses wake-ups does it
    // again and again.
    let sound = stuck == 0 && lost * 50 <= done;
    let (verdict, reason) = match (sound, why(way)) {
        (true, (verdict, why)) => (verdict, why.into()),
        (false, _) => (UNDECIDED, say!("{stuck} situations stuck, {lost} of {done} rounds late")),
    };
    Ok(Outcome { way: name, rounds: done, lost, figures, verdict, reason })
}

/// The verdict on a way that passes, and its reason in one line.
fn why(way: Way) -> (&'static str, &'static str) {
    match way {
        Way::Mutex => {
            (AWAKE, "it excludes and does not signal: the reader takes it again and again")
        }
        Way::HandlerPost => (WORKS, "sem_post may be called in a handler, and remembers"),
        Way::Suspend => (WORKS, "the signal is blocked, and let in only while the reader sleeps"),
        Way::SigWait => (WORKS, "no handler: a thread takes the signal, which waits for it"),
        Way::Semaphore => (WORKS, "a post is remembered; a call only if the reader sleeps"),
        Way::SemOp(..) => (WORKS, "a post is remembered; always a call, always into the kernel"),
        Way::Condition => (WORKS, "signalled under its mutex by a thread, and no handler"),
        Way::Futex => (WORKS, "the kernel looks at the word once more before it lets us sleep"),
        Way::Spin => (AWAKE, "looks again and again: a processor that does nothing else"),
        Way::Yield => (AWAKE, "spins politely: lets others run between two looks"),
        Way::Adaptive => (WORKS, "awake while it may be short, asleep when it is long"),
        Way::CpuAware => {
            (WORKS, "adaptive, and on one processor it lets the other run: the default")
        }
    }
}

/// Rounds done, rounds in which nobody rang, and p50, p99, max in nanoseconds.
type Numbers = [u64; 5];

/// One way in one situation; `None` when the watchdog had to end it.
fn cell(
    way: Way,
    situation: Situation,
    rounds: u32,
    watchdog: Duration,
) -> Result<Option<Numbers>> {
    let ids = [
        shm::get(IPC_PRIVATE, segment_size(RING), 0o600)?,
        shm::get(IPC_PRIVATE, segment_size(RING), 0o600)?,
    ];
    let set = match way {
        Way::SemOp(..) => Some(sem::get(IPC_PRIVATE, 4, 0o600)?),
        _ => None,
    };
    // Each segment has two bells, and so two semaphores of the set.
    let ways = [0, 2].map(|first| set.map_or(way, |set| Way::SemOp(set, first)));
    let [here, there] = places(situation.one_cpu)?;
    let measured = Apart::start(|| {
        let _other = Apart::start(|| {
            pin(there)?;
            other_side(ids, ways)
        })?;
        pin(here)?;
        one_side(ids, ways, situation.idle, rounds)
    })
    .and_then(|one| one.answer(watchdog));
    for id in ids {
        shm::ctl_rmid(id)?;
    }
    set.map_or(Ok(()), sem::ctl_rmid)?;
    Ok(measured?.and_then(|numbers| numbers.try_into().ok()))
}

/// The side that speaks first, in a thread of its own: the main thread waits, as in the chat, and is
/// there for signals to go astray to.
fn one_side(ids: [i32; 2], ways: [Way; 2], idle: bool, rounds: u32) -> Result<Vec<u64>> {
    ways[0].prepare()?;
    let mut out = Segment::create(ids[0], Role::Writer)?;
    let mut back = Segment::create(ids[1], Role::Reader)?;
    // Who is not answered waits for the watchdog.
    let patience = None;
    let peer = out.meet(patience)?;
    back.meet(patience)?;
    let mut sender = Sender::new(&mut out, ways[0], Some(&peer), patience)?;
    let mut receiver = Receiver::new(&mut back, ways[1], Some(&peer), patience)?;
    in_a_thread(|| ask(&mut sender, &mut receiver, idle, rounds))
}

fn other_side(ids: [i32; 2], ways: [Way; 2]) -> Result<Vec<u64>> {
    ways[0].prepare()?;
    let mut back = open(ids[0], Role::Reader)?;
    let mut out = open(ids[1], Role::Writer)?;
    // Who is not answered waits for the watchdog.
    let patience = None;
    let peer = out.meet(patience)?;
    let mut receiver = Receiver::new(&mut back, ways[0], Some(&peer), patience)?;
    let mut sender = Sender::new(&mut out, ways[1], Some(&peer), patience)?;
    in_a_thread(|| answer(&mut sender, &mut receiver))
}

/// Opens a segment as soon as it is laid out.
fn open(id: i32, role: Role) -> Result<Segment> {
    loop {
        match Segment::open(id, role) {
            Err(Failure::Because(exit::NO_PEER, _)) => thread::yield_now(),
            opened => return opened,
        }
    }
}

fn in_a_thread(body: impl FnOnce() -> Result<Vec<u64>> + Send) -> Result<Vec<u64>> {
    thread::scope(|scope| {
        let made = thread::Builder::new().spawn_scoped(scope, body).map_err(no_thread)?;
        made.join().unwrap_or(Err(Failure::Told(101)))
    })
}

fn ask(sender: &mut Sender, receiver: &mut Receiver, idle: bool, rounds: u32) -> Result<Vec<u64>> {
    let trouble = |error| Failure::because(say!("a latency: {error:?}"));
    let mut latencies = Histogram::<u64>::new(3).map_err(trouble)?;
    let (start, mut message, mut done, mut late) = (Instant::now(), vec![], 0, 0);
    let limit = if idle { BUDGET + PAUSE * rounds } else { BUDGET };
    while done < rounds && (done < 3 || start.elapsed() < limit) {
        if idle {
            thread::sleep(PAUSE);
        }
        sender.send(&[])?;
        if !receiver.recv(&mut message)? {
            return Err(Failure::because("the other side left too early"));
        }
        let now = now()?;
        let word = |i: usize| message[8 * i..][..8].try_into().map_or(0, u64::from_ne_bytes);
        latencies
            .record(now.saturating_sub(word(0)))
            .map_err(|_| Failure::because("a latency that no histogram holds"))?;
        (done, late) = (done + 1, word(1));
    }
    let Figure { p50, p99, max } = Figure::of(&latencies);
    Ok(vec![done.into(), late + receiver.late(), p50, p99, max])
}

/// Answers each message with the time, and with how often nobody rang here so far.
fn answer(sender: &mut Sender, receiver: &mut Receiver) -> Result<Vec<u64>> {
    let mut message = vec![];
    while receiver.recv(&mut message)? {
        let mut answer = [0; 16];
        answer[8..].copy_from_slice(&receiver.late().to_ne_bytes());
        answer[..8].copy_from_slice(&now()?.to_ne_bytes());
        sender.send(&answer)?;
    }
    Ok(vec![0])
}

/// Nanoseconds, by a clock that is the same in both processes.
fn now() -> Result<u64> {
    let now = clock_gettime(ClockId::CLOCK_MONOTONIC).map_err(Failure::of("clock_gettime"))?;
    Ok(now.tv_sec() as u64 * 1_000_000_000 + now.tv_nsec() as u64)
}
