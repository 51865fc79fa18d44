//! What a student reads: titles, steps, one line a call, a note under it.
//!
//! A line is one `write(2)`. A call and its line happen under one lock that every printed line of
//! every process takes, so that the line of a cause stands before the line of its effect. The
//! lock is a robust mutex in memory shared across `fork`: it dies with its holder.

use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::OpenOptions;
use std::io::{IsTerminal, Read, Write};
use std::os::fd::AsFd;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicPtr, Ordering::Relaxed};
use std::{mem, ptr};

use colored::{Color, ColoredString, Colorize};
use libc::{c_int, c_void, pthread_mutex_t};
use nix::errno::{Errno, ErrnoSentinel};

use crate::{Failure, Result, flags, signals};

/// Where `= result` starts.
const RESULT_COLUMN: usize = 52;
const BLANKS: &str = "                                                    ";
/// A heading's rule ends here.
const PAGE: usize = 80;

static TURN: AtomicPtr<pthread_mutex_t> = AtomicPtr::new(ptr::null_mut());
static LOST: AtomicBool = AtomicBool::new(false);

/// In a bulk run: how often each call had each outcome.
type Counts = BTreeMap<String, BTreeMap<String, usize>>;

thread_local! {
    /// As it is printed, and its width in columns.
    static LANE: RefCell<(String, usize)> = const { RefCell::new((String::new(), 0)) };
    static DIM: Cell<bool> = const { Cell::new(false) };
    static BULK: RefCell<Option<Counts>> = const { RefCell::new(None) };
}

/// The section's title.
pub fn title(title: &str) {
    out(&format!("{}\n{}\n", title.bold(), "═".repeat(title.chars().count()).cyan()));
}

/// A numbered step of the section: heading, comment and printed line at once. With `STEP=1` it
/// waits for Enter. `Err` when a signal has asked the lab to stop.
pub fn step(number: u32, heading: &str) -> Result<()> {
    heading_line(&format!("── {number}  {heading} "))
}

/// The heading of an experiment, and its question.
pub(crate) fn experiment(name: &str, question: &str, rows: &str) -> Result<()> {
    heading_line(&format!("── {name} ({rows}) "))?;
    note(question);
    Ok(())
}

fn heading_line(text: &str) -> Result<()> {
    signals::check()?;
    let _turn = turn();
    if stepping().is_some() {
        prompt("Enter: go on")?;
    }
    let (lane, width) = lane();
    let rule = "─".repeat(PAGE.saturating_sub(width + text.chars().count()));
    out(&format!("\n{lane}{}\n", format!("{text}{rule}").cyan()));
    Ok(())
}

/// What the line above means here.
pub fn note(text: &str) {
    let (lane, width) = lane();
    let text = format!("· {text}");
    let (rows, last) = wrap(&text, columns().saturating_sub(width + 4), 2);
    let rows = rows.iter().map(String::as_str).chain([&*last]);
    out(&rows.map(|row| format!("{lane}    {}\n", row.dimmed())).collect::<String>());
}

/// A note that is asserted: what it says holds, or the lab fails saying that it does not.
pub fn claim(holds: bool, text: &str) -> Result<()> {
    if holds {
        note(&format!("✓ {text}"));
        return Ok(());
    }
    Err(Failure::because(format!("not so: {text}")))
}

/// A line that is neither call nor note: a row of a table, what was read from memory.
pub fn text(line: &str) {
    out(&format!("{}  {line}\n", lane().0));
}

/// Names this thread's lines and gives them a colour: `parent 4242 │ …`, `server reader 4243 │ …`. The
/// number is the thread's, as strace tells threads apart; a process of one thread has the same.
pub fn name(name: &str) {
    let color = match name.split(' ').next() {
        Some("parent" | "server" | "A") => Color::Blue,
        Some("child" | "client" | "B") => Color::Magenta,
        _ => Color::Yellow,
    };
    let label = format!("{name} {} │", nix::unistd::gettid());
    LANE.set((label.color(color).to_string(), label.chars().count()));
}

/// Runs `body` with its calls printed dim: guards, polls and the safety net.
pub fn dim<T>(body: impl FnOnce() -> T) -> T {
    let before = DIM.replace(true);
    let result = body();
    DIM.set(before);
    result
}

/// Runs `body` with its calls counted instead of printed, and prints the counts.
pub fn bulk<T>(body: impl FnOnce() -> Result<T>) -> Result<T> {
    BULK.set(Some(Counts::new()));
    let result = body();
    for (call, outcomes) in BULK.take().unwrap_or_default() {
        let total: usize = outcomes.values().sum();
        let list: Vec<String> =
            outcomes.iter().rev().map(|(what, n)| format!("{n} {what}")).collect();
        text(&format!("{call} x {total}: {}", list.join(", ")));
    }
    result
}

/// What a call answers, printed after the `=`.
pub trait Answer {
    /// Its spelling.
    fn spell(&self) -> String;
}

impl Answer for c_int {
    fn spell(&self) -> String {
        self.to_string()
    }
}

impl Answer for *mut c_void {
    fn spell(&self) -> String {
        if self.is_null() { "0".into() } else { format!("{:p}", *self) }
    }
}

/// Makes one call and prints its line, both under the lock.
pub fn traced<T: Answer + ErrnoSentinel + PartialEq>(
    line: String,
    call: impl FnOnce() -> T,
) -> Result<T> {
    before(&line)?;
    let _turn = turn();
    after(Errno::result(call()), |_| line)
}

/// What [`traced`] does before its call. With [`after`], for a call that may block, and so must not
/// keep the lock, and for one that is spelled with what it wrote.
pub fn before(line: &str) -> Result<()> {
    signals::check()?;
    if stepping() == Some("call") && !DIM.get() && BULK.with_borrow(Option::is_none) {
        let _turn = turn();
        prompt(&format!("next: {line}"))?;
    }
    Ok(())
}

/// Prints, or counts, the line of a call that has returned. `line` is told whether it succeeded.
pub fn after<T: Answer>(result: nix::Result<T>, line: impl FnOnce(bool) -> String) -> Result<T> {
    let call = line(result.is_ok());
    let count = |counts: &mut Counts| {
        let name = call.split('(').next().unwrap_or_default().to_string();
        let outcome = result.as_ref().map_or_else(|errno| format!("{errno:?}"), |_| "ok".into());
        *counts.entry(name).or_default().entry(outcome).or_default() += 1;
    };
    let bulk = BULK.with_borrow_mut(|counts| counts.as_mut().map(count));
    if bulk.is_none() {
        let answer = match &result {
            Ok(value) => value.spell(),
            Err(errno) => format!("-1 {}", flags::errno(*errno)),
        };
        call_line(&call, &answer, result.is_ok());
    }
    result.map_err(Failure::of(call))
}

/// Prints the line of a call: what was asked, and what was answered.
pub fn call_line(call: &str, answer: &str, good: bool) {
    let (lane, width) = lane();
    let room = columns().saturating_sub(width + 2);
    let tail = [" = ", answer].concat();
    let (mut rows, mut last) = wrap(call, room, 4);
    let used = last.chars().count();
    let fits = |column: &usize| column + tail.chars().count() <= room;
    let column = [used.max(RESULT_COLUMN.saturating_sub(width + 2)), used].into_iter().find(fits);
    if column.is_none() {
        rows.push(mem::take(&mut last).into_owned());
    }
    let gap = &BLANKS[..column.map_or(3, |column| column - used)];
    let mut text = String::with_capacity(2 * PAGE * (rows.len() + 1));
    let paint = |piece: &str| if DIM.get() { piece.dimmed() } else { piece.into() };
    // Nothing fails that writes into a string.
    let _ = rows.iter().try_for_each(|row| writeln!(text, "{lane}  {}", paint(row)));
    text.extend([&*lane, "  "]);
    let _ = if DIM.get() {
        writeln!(text, "{}", [&*last, gap, &tail].concat().dimmed())
    } else {
        text.extend([&*last, gap]);
        let tail = ColoredString::from(tail);
        writeln!(text, "{}", if good { tail.green() } else { tail.red() })
    };
    out(&text);
}

/// This thread's lane, coloured, and its width in columns.
fn lane() -> (String, usize) {
    LANE.with_borrow(Clone::clone)
}

/// Breaks `text` at spaces so that no row is wider than `width`; later rows are indented. The last row
/// by itself: mostly there is no other, and nothing to copy.
fn wrap(text: &str, width: usize, indent: usize) -> (Vec<String>, Cow<'_, str>) {
    if text.len() <= width {
        return (vec![], text.trim_start_matches(' ').into());
    }
    let mut rows = vec![];
    let mut row = String::new();
    for word in text.split(' ') {
        let used = row.chars().count();
        if used > indent && used + 1 + word.chars().count() > width {
            rows.push(mem::replace(&mut row, " ".repeat(indent) + word));
        } else {
            row = if row.is_empty() { word.into() } else { format!("{row} {word}") };
        }
    }
    (rows, row.into())
}

/// The terminal's width, or `COLUMNS`, or no limit: in a pipe a call is one line.
fn columns() -> usize {
    static COLUMNS: OnceLock<usize> = OnceLock::new();
    *COLUMNS.get_or_init(|| {
        let mut size = libc::winsize { ws_row: 0, ws_col: 0, ws_xpixel: 0, ws_ypixel: 0 };
        // SAFETY: TIOCGWINSZ writes one winsize through the pointer, or nothing.
        unsafe { libc::ioctl(libc::STDOUT_FILENO, libc::TIOCGWINSZ, &mut size) };
        let set = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse::<usize>().ok());
        let terminal = (size.ws_col > 0).then_some(size.ws_col.into());
        terminal.or(set).map_or(usize::MAX, |columns| columns.max(40))
    })
}

/// Writes to standard output under the lock, whole, with one `write(2)`. A closed pipe asks the
/// lab to stop, as SIGPIPE would; any other error is told once, and counts in the exit code.
pub fn out(text: &str) {
    let _turn = turn();
    if LOST.load(Relaxed) {
        return;
    }
    match write_all(&std::io::stdout(), text) {
        Ok(()) => {}
        Err(Errno::EPIPE) => signals::stop(libc::SIGPIPE),
        Err(errno) => {
            LOST.store(true, Relaxed);
            complain(&format!("standard output: {}", flags::errno(errno)));
        }
    }
}

/// One line on standard error: the program, and what is wrong.
pub fn complain(text: &str) {
    let program = std::env::args().next().unwrap_or_default();
    let program = program.rsplit('/').next().unwrap_or_default();
    // Nobody is left to be told when this fails too.
    let _ = write_all(&std::io::stderr(), &format!("{program}: {text}\n"));
}

/// Was anything printed that could not be written (a full disk, not a closed pipe)?
pub(crate) fn lost_output() -> bool {
    LOST.load(Relaxed)
}

fn write_all(to: &impl AsFd, text: &str) -> nix::Result<()> {
    let mut rest = text.as_bytes();
    while !rest.is_empty() {
        match nix::unistd::write(to, rest) {
            Ok(n) => rest = &rest[n..],
            Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(())
}

/// `STEP=1` stops at each step, `STEP=call` before each call, too.
fn stepping() -> Option<&'static str> {
    static STEP: OnceLock<Option<&'static str>> = OnceLock::new();
    *STEP.get_or_init(|| match std::env::var("STEP").as_deref() {
        Err(_) | Ok("" | "0") => None,
        Ok("call") => Some("call"),
        Ok(_) => Some("step"),
    })
}

/// Does the lab stop at each step, so that nobody may be hurried?
pub(crate) fn is_stepping() -> bool {
    stepping().is_some()
}

/// Waits for Enter at the terminal, which need not be standard input. The caller has the turn.
fn prompt(what: &str) -> Result<()> {
    static TOLD: AtomicBool = AtomicBool::new(false);
    let Ok(mut tty) = OpenOptions::new().read(true).write(true).open("/dev/tty") else {
        if !TOLD.swap(true, Relaxed) {
            complain("STEP is set, but there is no terminal to press Enter at; going on");
        }
        return Ok(());
    };
    // A prompt that cannot be written, or an answer that cannot be read, changes nothing.
    let _ = write!(tty, "{}", format!("  [{what}] ").dimmed());
    signals::wait_readable(tty.as_fd(), None)?;
    let typed = tty.read(&mut [0; 256]).unwrap_or(0);
    if typed == 0 || !std::io::stdout().is_terminal() {
        let _ = writeln!(tty);
    }
    Ok(())
}

/// The turn to call and print; given back when dropped.
pub(crate) struct Turn(bool);

impl Drop for Turn {
    fn drop(&mut self) {
        if self.0 {
            // SAFETY: turn() locked this mutex in this thread, and it is never unmapped.
            unsafe { libc::pthread_mutex_unlock(TURN.load(Relaxed)) };
        }
    }
}

/// Makes the lock. Before the first fork, so that children share it.
pub(crate) fn share_turn() {
    let access = libc::PROT_READ | libc::PROT_WRITE;
    let kind = libc::MAP_SHARED | libc::MAP_ANONYMOUS;
    // SAFETY: a fresh page is large enough and aligned for a mutex, stays mapped for the life of
    // the process, and is not used by anybody before it is initialised.
    unsafe {
        let page =
            libc::mmap(ptr::null_mut(), mem::size_of::<pthread_mutex_t>(), access, kind, -1, 0);
        let mut attributes: libc::pthread_mutexattr_t = mem::zeroed();
        libc::pthread_mutexattr_init(&mut attributes);
        libc::pthread_mutexattr_setpshared(&mut attributes, libc::PTHREAD_PROCESS_SHARED);
        libc::pthread_mutexattr_setrobust(&mut attributes, libc::PTHREAD_MUTEX_ROBUST);
        libc::pthread_mutexattr_settype(&mut attributes, libc::PTHREAD_MUTEX_ERRORCHECK);
        if page != libc::MAP_FAILED && libc::pthread_mutex_init(page.cast(), &attributes) == 0 {
            TURN.store(page.cast(), Relaxed);
        }
    }
}

/// Takes the lock. A thread that has it already goes on; so does, after a second, one that waits
/// for a stopped holder: a line out of order is better than a hang.
pub(crate) fn turn() -> Turn {
    let mutex = TURN.load(Relaxed);
    if mutex.is_null() {
        return Turn(false);
    }
    let mut limit = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the mutex was initialised by share_turn and is never unmapped; the clock is the one
    // by which pthread_mutex_timedlock measures. A dead holder's lock guards no data to repair.
    unsafe {
        let mut answer = libc::pthread_mutex_trylock(mutex);
        if answer == libc::EBUSY {
            libc::clock_gettime(libc::CLOCK_REALTIME, &mut limit);
            limit.tv_sec += if stepping().is_some() { 86_400 } else { 1 };
            answer = libc::pthread_mutex_timedlock(mutex, &limit);
        }
        Turn(
            answer == 0
                || (answer == libc::EOWNERDEAD && libc::pthread_mutex_consistent(mutex) == 0),
        )
    }
}
