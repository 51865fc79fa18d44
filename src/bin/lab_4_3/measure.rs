//! How long a message takes, by every way, from 64 B to 1 MiB: with its answer, and in a row.

use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use lablib::child::{child, pipe};
use lablib::print::{cell, note, step, text, translated};
use lablib::shm::NULL;
use lablib::{Failure, Result, msg, say, shm};
use libc::IPC_PRIVATE;
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};
use nix::unistd::Pid;
use sysv::tables;

use crate::calls::Side;
use crate::figures::{Figure, Row, SIZES, size};
use crate::options::Options;
use crate::ring::{self, Wake};
use crate::ways::{self, Ends, Way};
use crate::{finish, picture, tell, told};

/// The value of the message that ends a cell.
const END: u8 = 0x7f;
/// Bytes of a round: eight times what a pipe holds, so that the slower side sets the pace.
const LONG: usize = 1 << 19;
/// What a round may take, on average, before a cell is ended early.
const PATIENCE: Duration = Duration::from_millis(20);

/// What is asked of a way.
#[derive(Clone, Copy, PartialEq)]
enum Shape {
    /// One message, then its answer, and so on.
    Answered,
    /// One message after the other.
    InARow,
}

/// Measures everything, and prints it.
pub fn measure(options: &Options) -> Result<()> {
    step(1, "The ways, and where the two processes run")?;
    let queue = msg::get(IPC_PRIVATE, 0o600)?;
    let id = shm::get(IPC_PRIVATE, ring::BOTH, 0o600)?;
    let addr = shm::at(id, NULL, 0)?;
    let most = (tables::limit("msgmax") as usize).min(msg::MAX) / 64 * 64;
    let shared = |wake, in_place| ring::shared(addr, options.ring, wake, in_place);
    let mut ways: Vec<(&'static str, Ends)> = vec![
        ("pipe", ways::pipes()?),
        ("Unix socket", ways::sockets()?),
        ("message queue", ways::queue(queue, most)),
    ];
    match ways::posix_queues(posix_limit()) {
        Ok(ends) => ways.push(("POSIX message queue", ends)),
        Err(failure) => note(say!("no POSIX message queue here: {failure}")),
    }
    ways.extend([
        ("shared, call each", shared(Wake::Each, false)?),
        ("shared, blocking", shared(Wake::Sleepers, false)?),
        ("shared, spinning", shared(Wake::Never, false)?),
        ("in place, blocking", shared(Wake::Sleepers, true)?),
        ("in place, spinning", shared(Wake::Never, true)?),
    ]);
    let places = places(options.two_cpus)?;
    note(say!(
        "the best of {} rounds; the sender makes each byte of a message, the receiver looks at each",
        options.rounds
    ));
    note(say!("a message above {most} bytes goes through a queue in pieces: msgmax, msgsize_max"));
    note(say!("pipe: 65536 bytes wait in the kernel; shared: a ring of {} bytes", options.ring));
    note("call each: a futex call with every piece; blocking: one when the other sleeps");
    let rows = run(ways, options, places)?;
    shm::dt(addr)?;
    shm::ctl_rmid(id)?;
    msg::ctl_rmid(queue)?;
    tables(&rows)?;
    conclusions(&rows, options)?;
    if let Some(file) = &options.svg {
        picture::write(file, &rows)?;
        note(say!("the picture: {}", file.display()));
    }
    Ok(())
}

/// The longest message of a POSIX queue.
fn posix_limit() -> usize {
    let text = std::fs::read_to_string("/proc/sys/fs/mqueue/msgsize_max").unwrap_or_default();
    text.trim().parse().unwrap_or(8192).min(msg::MAX) / 64 * 64
}

/// A processor for each side.
fn places(two_cpus: bool) -> Result<[usize; 2]> {
    let allowed = sched_getaffinity(Pid::this()).map_err(Failure::of("sched_getaffinity"))?;
    let known: Vec<usize> =
        (0..CpuSet::count()).filter(|&cpu| allowed.is_set(cpu).unwrap_or(false)).collect();
    let first = known.first().copied().unwrap_or(0);
    match known.get(1) {
        Some(&second) if two_cpus => {
            note(say!("A runs on processor {first}, B on processor {second}"));
            Ok([first, second])
        }
        _ => {
            note(say!("A and B run on processor {first}: one works while the other waits"));
            Ok([first, first])
        }
    }
}

fn pin(cpu: usize) -> Result<()> {
    let mut set = CpuSet::new();
    set.set(cpu).map_err(Failure::of("CPU_SET"))?;
    sched_setaffinity(Pid::from_raw(0), &set).map_err(Failure::of("sched_setaffinity"))
}

/// Runs every cell: A here, B in a child, which goes through the same list.
fn run(ways: Vec<(&'static str, Ends)>, options: &Options, places: [usize; 2]) -> Result<Vec<Row>> {
    let (from_b, to_a) = pipe()?;
    let (names, ends): (Vec<_>, Vec<Ends>) = ways.into_iter().unzip();
    let (mut of_a, mut of_b): (Vec<_>, Vec<_>) = ends.into_iter().unzip();
    let b = child("B", move || {
        pin(places[1])?;
        for way in &mut of_b {
            for (size, shape) in cells() {
                tell(&to_a, answer(way.as_mut(), size, shape)?)?;
            }
        }
        Ok(())
    })?;
    pin(places[0])?;
    let bar = ProgressBar::new((names.len() * cells().count()) as u64);
    let style = ProgressStyle::with_template("  {bar:40} {pos} of {len}  {msg}");
    bar.set_style(style.map_err(|error| Failure::because(error.to_string()))?);
    let every_wait_ends = Ticks::start()?;
    let mut rows = vec![];
    let ended = names.iter().zip(&mut of_a).try_for_each(|(&name, way)| {
        bar.set_message(name);
        let mut row = Row { name, answered: vec![], in_a_row: vec![] };
        let mut side = Side::with(&b);
        for (size, shape) in cells() {
            let figure = ask(way.as_mut(), size, shape, options.rounds, &mut side, &from_b)?;
            let figures =
                if shape == Shape::Answered { &mut row.answered } else { &mut row.in_a_row };
            figures.push(figure);
            bar.inc(1);
        }
        rows.push(row);
        Ok(())
    });
    drop(every_wait_ends);
    bar.finish_and_clear();
    finish(b, ended)?;
    Ok(rows)
}

/// The cells of a way, in the order in which both sides go through them.
fn cells() -> impl Iterator<Item = (usize, Shape)> {
    SIZES.into_iter().flat_map(|size| [(size, Shape::Answered), (size, Shape::InARow)])
}

/// B's part of a cell. Answers how many calls it made.
fn answer(way: &mut dyn Way, size: usize, shape: Shape) -> Result<u64> {
    let mut side = Side::default();
    loop {
        let value = way.receive(size, &mut side)?;
        if value == END {
            return Ok(side.total());
        }
        if shape == Shape::Answered {
            way.send(size, value, &mut side)?;
        }
    }
}

/// A's part of a cell. The best round counts: in the others the machine did something else besides.
fn ask(
    way: &mut dyn Way,
    size: usize,
    shape: Shape,
    rounds: u32,
    side: &mut Side,
    from_b: &OwnedFd,
) -> Result<Figure> {
    side.take();
    let messages = match shape {
        Shape::Answered => (LONG / 2 / size).clamp(2, 50),
        Shape::InARow => (LONG / size).max(4),
    };
    let (mut best, limit) = (f64::MAX, Instant::now() + PATIENCE * rounds);
    let mut done = 0;
    // The first round fills caches and buffers, and is not counted.
    while done <= rounds && (done < 2 || Instant::now() < limit) {
        let start = Instant::now();
        for n in 0..messages {
            way.send(size, (n % usize::from(END)) as u8, side)?;
            if shape == Shape::Answered {
                way.receive(size, side)?;
            }
        }
        let nanos = start.elapsed().as_nanos() as f64 / messages as f64;
        best = if done == 0 { best } else { best.min(nanos) };
        done += 1;
    }
    way.send(size, END, side)?;
    let of_b = told(from_b)?;
    let both_ways = if shape == Shape::Answered { 2 } else { 1 };
    let all = f64::from(done) * (messages * both_ways) as f64 + 1.0;
    Ok(Figure { nanos: best, calls: (side.total() + of_b) as f64 / all })
}

/// While it lives, a signal every tenth of a second, so that no call of ours sleeps for ever: B may
/// have died, or the signal that asks us to stop may have come just before the call.
struct Ticks;

impl Ticks {
    fn start() -> Result<Ticks> {
        extern "C" fn nothing(_: i32) {}
        let action =
            SigAction::new(SigHandler::Handler(nothing), SaFlags::empty(), SigSet::empty());
        // SAFETY: the handler does nothing.
        unsafe { sigaction(Signal::SIGALRM, &action) }
            .map_err(Failure::of("sigaction(SIGALRM)"))?;
        Ticks::every(100_000);
        Ok(Ticks)
    }

    fn every(micros: libc::suseconds_t) {
        let time = libc::timeval { tv_sec: 0, tv_usec: micros };
        let timer = libc::itimerval { it_interval: time, it_value: time };
        // SAFETY: the kernel reads one itimerval.
        unsafe { libc::setitimer(libc::ITIMER_REAL, &timer, std::ptr::null_mut()) };
    }
}

impl Drop for Ticks {
    fn drop(&mut self) {
        Ticks::every(0);
    }
}

fn tables(rows: &[Row]) -> Result<()> {
    let table = |of: &dyn Fn(&Row) -> Vec<f64>| {
        text(line("", SIZES.iter().map(|&bytes| size(bytes))));
        rows.iter().for_each(|row| text(line(row.name, of(row).into_iter().map(short))));
    };
    let micros = |figures: &[Figure]| figures.iter().map(|f| f.nanos / 1e3).collect();
    step(2, "A message and its answer, in microseconds")?;
    table(&|row| micros(&row.answered));
    step(3, "Many in a row, microseconds for each")?;
    table(&|row| micros(&row.in_a_row));
    text(line("one copy, alone", SIZES.iter().map(|&bytes| short(copy(bytes) / 1e3))));
    step(4, "The same, in megabytes a second")?;
    let rate = |(figure, bytes): (&Figure, usize)| bytes as f64 * 1e3 / figure.nanos;
    table(&|row| row.in_a_row.iter().zip(SIZES).map(rate).collect());
    step(5, "System calls for each message in a row, both sides together")?;
    table(&|row| row.in_a_row.iter().map(|figure| figure.calls).collect());
    Ok(())
}

fn line(name: &str, cells: impl Iterator<Item = String>) -> String {
    format!(
        "{}{}",
        cell(translated(name), 20),
        cells.map(|cell| format!("{cell:>7}")).collect::<String>()
    )
}

/// Three digits that mean something.
pub fn short(value: f64) -> String {
    match value {
        ..0.0005 => "0".into(),
        ..0.9995 => format!("{value:.3}"),
        ..9.995 => format!("{value:.2}"),
        ..99.95 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    }
}

/// What one copy of so many bytes takes, in nanoseconds, from memory that is in the cache.
fn copy(bytes: usize) -> f64 {
    let (from, mut to) = (vec![1_u8; bytes], vec![0_u8; bytes]);
    let times = (1 << 22) / bytes;
    let start = Instant::now();
    for _ in 0..times {
        to.copy_from_slice(std::hint::black_box(&from));
        std::hint::black_box(&mut to);
    }
    start.elapsed().as_nanos() as f64 / times as f64
}

/// What the figures say, in words that are true of this run.
fn conclusions(rows: &[Row], options: &Options) -> Result<()> {
    step(6, "What the figures say")?;
    let row = |name: &str| {
        let found = rows.iter().find(|row| row.name == name);
        found.ok_or_else(|| Failure::because(say!("no figures of {name}")))
    };
    let (pipe, each, spin) = (row("pipe")?, row("shared, call each")?, row("shared, spinning")?);
    let (place, last) = (row("in place, spinning")?, SIZES.len() - 1);
    let (asleep, awake) = (pipe.answered[0].nanos, spin.answered[0].nanos);
    let one_copy = copy(SIZES[0]);
    text(say!(
        "64 B, answered: {} us by pipe, {} us by spinning; the copies: {} us",
        short(asleep / 1e3),
        short(awake / 1e3),
        short(4.0 * one_copy / 1e3)
    ));
    note("at small sizes the wake-up is what one pays for, not the copy");
    let ratio = |of: fn(&Row) -> &[Figure]| short(of(each)[0].nanos / of(pipe)[0].nanos);
    let (answered, in_a_row) = (ratio(|row| &row.answered), ratio(|row| &row.in_a_row));
    text(say!(
        "64 B, a futex call each: {answered} times the pipe's time answered, {in_a_row} in a row"
    ));
    note("the call is what costs; that it moves no bytes saves nothing at this size");
    let ratio = |row: &Row| short(pipe.in_a_row[last].nanos / row.in_a_row[last].nanos);
    text(say!(
        "1 MiB: copied {} times as fast as the pipe, in place {}",
        ratio(spin),
        ratio(place)
    ));
    note("at large sizes the copies are what one pays for");
    note(
        "a ring that is copied into and out of has two copies as well; only the kernel is not asked",
    );
    note("'no copies' is true of messages that are made and read where they lie");
    note(say!("a ring of {} bytes; try --ring 256, and --ring 1048576", options.ring));
    Ok(())
}
