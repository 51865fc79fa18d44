//! Every row, and how it is measured.

use std::os::unix::net::UnixStream;
use std::path::Path;

use duplex::waiters::Way;

use crate::kernel::{Pipes, Slots, memcpy, ping_pong};
use crate::limits::{Show, bare, lines_there_and_back, record_there_and_back, switches};
use crate::lines;
use crate::load::{Kind, Load, latency};
use crate::others::{Iceoryx, IpcChannel, rtrb};
use crate::ours::{self, Mode, RING, Segments, alone, duplex, stream};
use crate::pair::{Measured, Pin};
use crate::report::{Row, Unit};
use crate::talk::{Talk, one_way, paced, round_trip};
use crate::tried;

/// A side that answers, and one that begins: made before the fork, or after it.
fn row(
    group: &'static str,
    name: &'static str,
    unit: Unit,
    measure: impl FnMut() -> Measured + 'static,
) -> Row {
    Row { group, name, unit, measure: Box::new(measure) }
}

/// What is done with two ends that exist before the fork.
fn before<T: Talk + 'static>(
    ends: impl Fn() -> (T, T),
    run: impl Fn(Box<dyn FnOnce() -> T>, Box<dyn FnOnce() -> T>) -> Measured,
) -> Measured {
    let (a, b) = ends();
    run(Box::new(|| a), Box::new(|| b))
}

type End<T> = Box<dyn FnOnce() -> T>;

/// The same for the channel, whose ends are made by the processes that use them.
fn channel(
    ring: usize,
    way: Way,
    run: impl Fn(End<ours::Ours>, End<ours::Ours>) -> Measured,
) -> Measured {
    let segments = Segments::new(ring);
    let measured = run(
        Box::new(move || segments.side(true, way)),
        Box::new(move || segments.side(false, way)),
    );
    segments.remove();
    measured
}

/// And for iceoryx2, which finds a service by its name.
fn iceoryx(
    len: usize,
    event: bool,
    run: impl Fn(End<Iceoryx>, End<Iceoryx>) -> Measured,
) -> Measured {
    use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let name = format!("bench-{}-{}", std::process::id(), COUNT.fetch_add(1, Relaxed));
    let other = name.clone();
    run(
        Box::new(move || Iceoryx::new(&name, 0, len, event)),
        Box::new(move || Iceoryx::new(&other, 1, len, event)),
    )
}

fn unix() -> (UnixStream, UnixStream) {
    UnixStream::pair().expect("socketpair")
}

const SPIN: &str = "Round trip, 64 B, two CPUs, spinning";
const ONE: &str = "Round trip, 64 B, both on one CPU, blocking";
const TWO: &str = "Round trip, 64 B, two CPUs, blocking";
const LARGER: &str = "Round trip, 1 KiB and 64 KiB, two CPUs";
const PACED_ONE: &str = "One message a millisecond, both on one CPU";
const PACED_TWO: &str = "One message a millisecond, two CPUs";
const RATE: &str = "One way, 64 B";
const BYTES: &str = "One way, 1 KiB and 64 KiB";
const DUPLEX: &str =
    "Full duplex, 64 B, four threads wherever the kernel puts them, time a message";
const BUSY: &str = "Under load: a round trip, 64 B, while a process on each CPU computes";
const FOUR: &str = "Under load: a round trip, 64 B, four pairs at once";
const TRIED: &str = "Parts of what was tried";
const LINE: &str = "One readable line for a call, into a file: what it adds to the call";

/// Every row. A name is unique; what stands before its colon is not printed.
pub fn rows(dir: &Path) -> Vec<Row> {
    use Unit::{Bytes, Count, Each, Rate, Time};
    let default = Way::CpuAware;
    let two = |n, len| move |a: End<_>, b: End<_>| round_trip(Pin::Spinning, n, len, a, b);
    let mut rows = vec![
        row(SPIN, "spin: cache-line ping-pong, a line each way", Time, || ping_pong(20_000, 2)),
        row(SPIN, "spin: cache-line ping-pong, one line", Time, || ping_pong(20_000, 1)),
        row(SPIN, "spin: limit: two lines each way, in a ring", Time, || {
            lines_there_and_back(20_000, 2)
        }),
        row(SPIN, "spin: limit: 72 B each way, in a ring, copied in and out", Time, || {
            record_there_and_back(20_000)
        }),
        row(SPIN, "spin: channel, spinning, 56 B: one line each way", Time, move || {
            channel(RING, Way::Spin, two(20_000, 56))
        }),
        row(SPIN, "spin: channel, spinning", Time, move || {
            channel(RING, Way::Spin, two(20_000, 64))
        }),
        row(SPIN, "spin: channel, default", Time, move || channel(RING, default, two(20_000, 64))),
        row(SPIN, "spin: channel, spin, then futex", Time, move || {
            channel(RING, Way::Adaptive, two(20_000, 64))
        }),
        row(SPIN, "spin: iceoryx2, polling", Time, || {
            iceoryx(64, false, |a, b| round_trip(Pin::Spinning, 20_000, 64, a, b))
        }),
    ];
    rows.push(row(ONE, "one: limit: two switches, by sched_yield", Time, || switches(3000)));
    for (group, tag, place, n) in [(ONE, "one", Pin::One, 3000), (TWO, "two", Pin::Two, 1000)] {
        let names: [&'static str; 9] = match tag {
            "one" => [
                "one: sem_t",
                "one: futex",
                "one: pipe",
                "one: Unix socket",
                "one: ipc-channel",
                "one: iceoryx2, event",
                "one: channel, futex",
                "one: channel, spin, then futex",
                "one: channel, default",
            ],
            _ => [
                "two: sem_t",
                "two: futex",
                "two: pipe",
                "two: Unix socket",
                "two: ipc-channel",
                "two: iceoryx2, event",
                "two: channel, futex",
                "two: channel, spin, then futex",
                "two: channel, default",
            ],
        };
        rows.extend([
            row(group, names[0], Time, move || {
                before(|| Slots::new(false), |a, b| round_trip(place, n, 64, a, b))
            }),
            row(group, names[1], Time, move || {
                before(|| Slots::new(true), |a, b| round_trip(place, n, 64, a, b))
            }),
            row(group, names[2], Time, move || {
                before(Pipes::new, |a, b| round_trip(place, n, 64, a, b))
            }),
            row(group, names[3], Time, move || before(unix, |a, b| round_trip(place, n, 64, a, b))),
            row(group, names[4], Time, move || {
                before(IpcChannel::new, |a, b| round_trip(place, n, 64, a, b))
            }),
            row(group, names[5], Time, move || {
                iceoryx(64, true, |a, b| round_trip(place, n, 64, a, b))
            }),
            row(group, names[6], Time, move || {
                channel(RING, Way::Futex, |a, b| round_trip(place, n, 64, a, b))
            }),
            row(group, names[7], Time, move || {
                channel(RING, Way::Adaptive, |a, b| round_trip(place, n, 64, a, b))
            }),
            row(group, names[8], Time, move || {
                channel(RING, default, |a, b| round_trip(place, 10 * n, 64, a, b))
            }),
        ]);
    }
    for (len, names) in [
        (
            1024,
            [
                "1K: channel, 1 KiB",
                "1K: iceoryx2, polling, 1 KiB",
                "1K: Unix socket, 1 KiB",
                "1K: pipe, 1 KiB",
                "1K: ipc-channel, 1 KiB",
            ],
        ),
        (
            65536,
            [
                "64K: channel, 64 KiB",
                "64K: iceoryx2, polling, 64 KiB",
                "64K: Unix socket, 64 KiB",
                "64K: pipe, 64 KiB",
                "64K: ipc-channel, 64 KiB",
            ],
        ),
    ] {
        rows.extend([
            row(LARGER, names[0], Time, move || channel(16 * RING, default, two(2000, len))),
            row(LARGER, names[1], Time, move || {
                iceoryx(len, false, |a, b| round_trip(Pin::Spinning, 2000, len, a, b))
            }),
            row(LARGER, names[2], Time, move || {
                before(unix, |a, b| round_trip(Pin::Two, 500, len, a, b))
            }),
            row(LARGER, names[3], Time, move || {
                before(Pipes::new, |a, b| round_trip(Pin::Two, 500, len, a, b))
            }),
            row(LARGER, names[4], Time, move || {
                before(IpcChannel::new, |a, b| round_trip(Pin::Two, 500, len, a, b))
            }),
        ]);
    }
    for (group, tag, place) in [(PACED_ONE, 0, Pin::One), (PACED_TWO, 1, Pin::Two)] {
        let names: [&'static str; 6] = [
            [
                "ms one: sem_t",
                "ms one: futex",
                "ms one: pipe",
                "ms one: channel, futex",
                "ms one: channel, spin, then futex",
                "ms one: channel, default",
            ],
            [
                "ms two: sem_t",
                "ms two: futex",
                "ms two: pipe",
                "ms two: channel, futex",
                "ms two: channel, spin, then futex",
                "ms two: channel, default",
            ],
        ][tag];
        let n = 150;
        rows.extend([
            row(group, names[0], Time, move || {
                before(|| Slots::new(false), |a, b| paced(place, n, a, b))
            }),
            row(group, names[1], Time, move || {
                before(|| Slots::new(true), |a, b| paced(place, n, a, b))
            }),
            row(group, names[2], Time, move || before(Pipes::new, |a, b| paced(place, n, a, b))),
            row(group, names[3], Time, move || {
                channel(RING, Way::Futex, |a, b| paced(place, n, a, b))
            }),
            row(group, names[4], Time, move || {
                channel(RING, Way::Adaptive, |a, b| paced(place, n, a, b))
            }),
            row(group, names[5], Time, move || {
                channel(RING, default, |a, b| paced(place, n, a, b))
            }),
        ]);
    }
    let streamed = move |ring, n, len, mode| move || stream(default, ring, n, len, mode);
    rows.extend([
        row(
            RATE,
            "rate: channel, copied, each published",
            Rate,
            streamed(RING, 300_000, 64, Mode::Copied(1)),
        ),
        row(
            RATE,
            "rate: channel, copied, 32 published at once",
            Rate,
            streamed(RING, 500_000, 64, Mode::Copied(32)),
        ),
        row(
            RATE,
            "rate: channel, copied, each published, ring of 4 KiB",
            Rate,
            streamed(4096, 300_000, 64, Mode::Copied(1)),
        ),
        row(
            RATE,
            "rate: channel, in place, 32 published at once",
            Rate,
            streamed(RING, 1_000_000, 64, Mode::InPlace(32)),
        ),
        row(
            RATE,
            "rate: channel, in place, 64 published at once",
            Rate,
            streamed(RING, 1_000_000, 64, Mode::InPlace(64)),
        ),
        row(
            RATE,
            "rate: limit: 72 B a message, nothing but the lines, each published",
            Rate,
            || bare::<72>(910, 300_000, Show::Word, true),
        ),
        row(RATE, "rate: limit: 72 B a message, nothing but the lines, 32 at once", Rate, || {
            bare::<72>(910, 500_000, Show::Count(32), true)
        }),
        row(RATE, "rate: limit: 72 B a message, in place, 64 at once", Rate, || {
            bare::<72>(910, 1_000_000, Show::Count(64), false)
        }),
        row(RATE, "rate: channel, spinning, copied, each published: no barrier", Rate, move || {
            stream(Way::Spin, RING, 300_000, 64, Mode::Copied(1))
        }),
        row(
            RATE,
            "rate: channel, copied, 56 B, 32 published at once: one line a message",
            Rate,
            streamed(RING, 500_000, 56, Mode::Copied(32)),
        ),
        row(
            RATE,
            "rate: channel, copied, 32 slots of 64 B in a message",
            Rate,
            streamed(RING, 500_000, 64, Mode::Slots(32)),
        ),
        row(RATE, "rate: the code alone: both ends in one thread", Rate, move || {
            alone(default, 100_000, 64)
        }),
        row(RATE, "rate: the code alone, spinning: no barrier", Rate, move || {
            alone(Way::Spin, 100_000, 64)
        }),
        row(RATE, "rate: rtrb, two threads, 1 at once", Rate, || rtrb::<64>(1024, 300_000, 1)),
        row(RATE, "rate: rtrb, two threads, 32 at once", Rate, || rtrb::<64>(1024, 500_000, 32)),
        row(RATE, "rate: iceoryx2, polling", Rate, || {
            iceoryx(64, false, |a, b| one_way(Pin::Spinning, 50_000, 64, a, b))
        }),
        row(RATE, "rate: pipe", Rate, || {
            before(Pipes::new, |a, b| one_way(Pin::Two, 20_000, 64, a, b))
        }),
        row(RATE, "rate: Unix socket", Rate, || {
            before(unix, |a, b| one_way(Pin::Two, 20_000, 64, a, b))
        }),
        row(RATE, "rate: ipc-channel", Rate, || {
            before(IpcChannel::new, |a, b| one_way(Pin::Two, 5_000, 64, a, b))
        }),
    ]);
    let (k, kk) = (1024, 65536);
    rows.extend([
        row(
            BYTES,
            "bytes: channel, copied, 1 KiB",
            Bytes(k),
            streamed(16 * RING, 100_000, k, Mode::Copied(1)),
        ),
        row(BYTES, "bytes: iceoryx2, polling, 1 KiB", Bytes(k), || {
            iceoryx(1024, false, |a, b| one_way(Pin::Spinning, 50_000, 1024, a, b))
        }),
        row(BYTES, "bytes: pipe, 1 KiB", Bytes(k), || {
            before(Pipes::new, |a, b| one_way(Pin::Two, 20_000, 1024, a, b))
        }),
        row(BYTES, "bytes: Unix socket, 1 KiB", Bytes(k), || {
            before(unix, |a, b| one_way(Pin::Two, 20_000, 1024, a, b))
        }),
        row(BYTES, "bytes: limit: a count for each 64 KiB, copied", Bytes(kk), || {
            bare::<65536>(16, 3000, Show::Count(1), true)
        }),
        row(BYTES, "bytes: limit: a count for each 64 KiB, in place", Bytes(kk), || {
            bare::<65536>(16, 3000, Show::Count(1), false)
        }),
        row(BYTES, "bytes: memcpy, one process, 64 KiB", Bytes(kk), || memcpy(3000, 1)),
        row(
            BYTES,
            "bytes: memcpy, one process, through as much memory as the ring",
            Bytes(kk),
            || memcpy(3000, 16),
        ),
        row(
            BYTES,
            "bytes: channel, copied, 64 KiB",
            Bytes(kk),
            streamed(16 * RING, 3000, kk, Mode::Copied(1)),
        ),
        row(
            BYTES,
            "bytes: channel, in place, 64 KiB",
            Bytes(kk),
            streamed(16 * RING, 3000, kk, Mode::InPlace(1)),
        ),
        row(BYTES, "bytes: rtrb, two threads, 64 KiB", Bytes(kk), || rtrb::<65536>(16, 3000, 1)),
        row(BYTES, "bytes: iceoryx2, polling, 64 KiB", Bytes(kk), || {
            iceoryx(65536, false, |a, b| one_way(Pin::Spinning, 2000, 65536, a, b))
        }),
        row(BYTES, "bytes: Unix socket, 64 KiB", Bytes(kk), || {
            before(unix, |a, b| one_way(Pin::Two, 1000, 65536, a, b))
        }),
        row(BYTES, "bytes: pipe, 64 KiB", Bytes(kk), || {
            before(Pipes::new, |a, b| one_way(Pin::Two, 1000, 65536, a, b))
        }),
        row(BYTES, "bytes: ipc-channel, 64 KiB", Bytes(kk), || {
            before(IpcChannel::new, |a, b| one_way(Pin::Two, 1000, 65536, a, b))
        }),
    ]);
    for (name, way) in [
        ("duplex: channel, default", default),
        ("duplex: channel, futex", Way::Futex),
        ("duplex: channel, spin, then futex", Way::Adaptive),
        ("duplex: channel, yielding", Way::Yield),
    ] {
        rows.push(row(DUPLEX, name, Each, move || duplex(way, 300_000)));
    }
    for (group, load) in [(BUSY, Load::Busy), (FOUR, Load::FourPairs)] {
        for (names, kind) in [
            (["busy: channel, default", "four: channel, default"], Kind::Channel(default)),
            (["busy: channel, futex", "four: channel, futex"], Kind::Channel(Way::Futex)),
            (["busy: channel, yielding", "four: channel, yielding"], Kind::Channel(Way::Yield)),
            (["busy: sem_t", "four: sem_t"], Kind::Semaphore),
            (["busy: futex", "four: futex"], Kind::Futex),
            (["busy: pipe", "four: pipe"], Kind::Pipe),
            (["busy: Unix socket", "four: Unix socket"], Kind::Socket),
        ] {
            let name = names[usize::from(load == Load::FourPairs)];
            rows.push(row(group, name, Unit::Tail, move || latency(kind, load)));
        }
    }
    rows.extend([
        row(TRIED, "tried: membarrier(2), all that have registered", Each, tried::membarrier),
        row(TRIED, "tried: an exchange of a word, which is a barrier", Each, tried::exchange),
        row(TRIED, "tried: reading the clock", Each, tried::clock),
        row(TRIED, "tried: a round trip on one CPU, FUTEX_WAKE", Each, || tried::wake(false)),
        row(TRIED, "tried: a round trip on one CPU, FUTEX_WAKE_OP", Each, || tried::wake(true)),
    ]);
    for (name, how, n) in [
        ("line: ours", "ours", 20_000),
        ("line: write(2) alone, of a finished line", "write", 20_000),
        ("line: eprintln!", "eprintln", 20_000),
        ("line: strace -f", "strace", 20_000),
    ] {
        let dir = dir.to_owned();
        let cost = move || Measured::of(lines::cost(&dir, how, n));
        rows.push(row(LINE, name, Each, cost));
    }
    for (name, how) in
        [("line: write(2) calls, ours", "ours"), ("line: write(2) calls, eprintln!", "eprintln")]
    {
        let dir = dir.to_owned();
        rows.push(row(LINE, name, Count, move || Measured::of(lines::writes(&dir, how))));
    }
    rows
}
