//! make bench: the channel of 4.10 beside what the kernel and well-kept libraries offer.
//!
//! Two processes for each row, all rows once in every round, ratios from within one round. Writes
//! notes/performance.md when it has measured everything.

use std::fs;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::Ordering::SeqCst;

use duplex::waiters::Way;

use crate::kernel::{Pipes, Slots, memcpy, ping_pong};
use crate::others::{Iceoryx, IpcChannel, rtrb};
use crate::ours::{Mode, RING, Segments, alone, duplex, stream};
use crate::pair::{FIFO, Measured, Pin};
use crate::report::{Results, Row, Unit, machine};
use crate::talk::{Talk, one_way, paced, round_trip};
use crate::verdicts::verdicts;

mod kernel;
mod lines;
mod others;
mod ours;
mod pair;
mod report;
mod talk;
mod verdicts;

const USAGE: &str = "usage: peers [--rounds N] [--fifo] [--only WORD] [--write FILE]";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let mut words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    if let ["lines", how, n] = words[..] {
        return lines::run(how, n.parse().expect("a count"));
    }
    let (mut rounds, mut only, mut write) = (7, None, None);
    let fifo = words.contains(&"--fifo");
    words.retain(|word| *word != "--fifo");
    FIFO.store(fifo, SeqCst);
    for pair in words.chunks(2) {
        match *pair {
            ["--rounds", n] if n.parse::<usize>().is_ok_and(|n| n > 0) => {
                rounds = n.parse().unwrap_or(7);
            }
            ["--only", word] => only = Some(word),
            ["--write", file] => write = Some(PathBuf::from(file)),
            _ => {
                eprintln!("{USAGE}");
                return ExitCode::from(2);
            }
        }
    }
    // What lablib prints about its calls is not wanted here.
    let null = fs::File::options().write(true).open("/dev/null").expect("/dev/null");
    let out = nix::unistd::dup(std::io::stdout()).expect("dup");
    nix::unistd::dup2_stdout(&null).expect("dup2");
    lablib::child::enter_own_ipc().expect("an IPC namespace: run it as root");
    iceoryx2::prelude::set_log_level(iceoryx2::prelude::LogLevel::Fatal);
    let dir = std::env::temp_dir().join(format!("shm-workbook-bench-{}", std::process::id()));
    fs::create_dir(&dir).expect("a folder");
    let machine = machine();
    let mut rows = rows(&dir);
    rows.retain(|row| only.is_none_or(|word| row.name.contains(word)));
    let results = Results::measure(rows, rounds);
    fs::remove_dir_all(&dir).expect("our folder");
    let text = page(&machine, &command(&arguments), rounds, &results);
    match write {
        Some(file) => fs::write(file, text).expect("the page"),
        None => drop(nix::unistd::write(out, text.as_bytes())),
    }
    ExitCode::SUCCESS
}

/// What was typed: make has put the file before it.
fn command(arguments: &[String]) -> String {
    let typed: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match &typed[..] {
        ["--write", _] | [] => "make bench".into(),
        ["--write", _, typed @ ..] | typed => format!("make bench ARGS='{}'", typed.join(" ")),
    }
}

fn page(machine: &str, command: &str, rounds: usize, results: &Results) -> String {
    let tables = results.tables();
    let verdicts = verdicts(results);
    let truths = include_str!("truths.md");
    let class = if FIFO.load(SeqCst) {
        "\n\n`--fifo`: the measured processes run before all others (SCHED_FIFO), because other work was \
         running: the load is above.\nThe CPU time of a row on one CPU then includes the start of its two \
         processes, which may be a second."
    } else {
        ""
    };
    format!(
        "# What the channel costs, beside others\n\n\
         Written by `make bench`; edit benches/peers, not this page.\n\n\
         Machine: {machine}.\n\nCommand: `{command}`. {rounds} rounds; each row is measured once in \
         each round.\nTwo processes, unless a row says otherwise. A ratio is the median of the ratios \
         within the rounds.{class}\n\n## Figures\n\n{verdicts}\n## All rows\n{tables}\n{truths}"
    )
}

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
const LINE: &str = "One readable line for a call, into a file: what it adds to the call";

/// Every row. A name is unique; what stands before its colon is not printed.
fn rows(dir: &Path) -> Vec<Row> {
    use Unit::{Bytes, Count, Each, Rate, Time};
    let default = Way::CpuAware;
    let two = |n, len| move |a: End<_>, b: End<_>| round_trip(Pin::Spinning, n, len, a, b);
    let mut rows = vec![
        row(SPIN, "spin: cache-line ping-pong, a line each way", Time, || ping_pong(20_000, 2)),
        row(SPIN, "spin: cache-line ping-pong, one line", Time, || ping_pong(20_000, 1)),
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
        row(RATE, "rate: channel, both ends in one thread: the code alone", Rate, move || {
            alone(default, 100_000, 64)
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
    for (name, how, n) in [
        ("line: ours", "ours", 20_000),
        ("line: write(2) alone, of a finished line", "write", 20_000),
        ("line: eprintln!", "eprintln", 20_000),
        ("line: strace -f", "strace", 20_000),
    ] {
        let dir = dir.to_owned();
        let cost = move || Measured { number: lines::cost(&dir, how, n), cpu: 0.0 };
        rows.push(row(LINE, name, Each, cost));
    }
    for (name, how) in
        [("line: write(2) calls, ours", "ours"), ("line: write(2) calls, eprintln!", "eprintln")]
    {
        let dir = dir.to_owned();
        rows.push(row(LINE, name, Count, move || Measured {
            number: lines::writes(&dir, how),
            cpu: 0.0,
        }));
    }
    rows
}
