//! STEP, `--from` and `--only`: what is shown, and after how many rows a lab waits for Enter.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU32, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

/// So many rows at most between two pauses, and a heading, its prompt, and the rows of a clean-up, which waits
/// for nobody: nine where two processes detach and remove. A table that begins when fewer are left than
/// [`TABLE`] waits for the next page, and is not split.
const PAGE: usize = 13;
const TABLE: usize = 8;
/// A longer table is split all the same: a terminal has 24 rows.
const LONGEST: usize = 18;

/// `STEP=1` stops at each heading, `STEP=call` before each call, too.
pub fn stepping() -> Option<&'static str> {
    static STEP: OnceLock<Option<&'static str>> = OnceLock::new();
    *STEP.get_or_init(|| match std::env::var("STEP").as_deref() {
        Err(_) | Ok("" | "0") => None,
        Ok("call") => Some("call"),
        Ok(_) => Some("step"),
    })
}

/// A limit on the wait for an answer of the peer; `None`: no limit.
pub type Patience = Option<Duration>;

/// Reads a [`Patience`] from the command line: seconds, with a fraction; 0 is none. With STEP there
/// is no limit.
pub fn patience(text: &str) -> std::result::Result<Patience, String> {
    let seconds = text.parse().ok().filter(|seconds| (0.0..1e6).contains(seconds));
    let seconds = seconds.ok_or("not a number of seconds, such as 2 or 0.5")?;
    Ok((seconds > 0.0 && stepping().is_none()).then(|| Duration::from_secs_f64(seconds)))
}

/// What the processes of a lab share of their screen. It lies in memory that they share, zero at first.
pub struct Pages {
    from: AtomicU32,
    only: AtomicU32,
    reached: AtomicBool,
    /// The thread that printed last, how many rows there are since the last pause, is it a table?
    last: AtomicI32,
    rows: AtomicUsize,
    table: AtomicBool,
}

/// The step that this process is in.
static STEP: AtomicU32 = AtomicU32::new(0);

impl Pages {
    /// Shows what is printed from step `from` on, or in step `only` alone.
    pub fn choose(&self, from: Option<u32>, only: Option<u32>) {
        self.from.store(from.unwrap_or(0), Relaxed);
        self.only.store(only.unwrap_or(0), Relaxed);
    }

    /// The step that was asked for and has not come.
    pub fn missed(&self) -> Option<u32> {
        let asked = self.from.load(Relaxed).max(self.only.load(Relaxed));
        (asked > 0 && !self.reached.load(Relaxed)).then_some(asked)
    }

    /// This process comes to a step; 0: to what has no number.
    pub fn step(&self, number: u32) {
        STEP.store(number, Relaxed);
        if number > 0 && [&self.from, &self.only].iter().any(|asked| asked.load(Relaxed) == number)
        {
            self.reached.store(true, Relaxed);
        }
    }

    /// Is what this process prints not to be shown?
    pub fn hidden(&self) -> bool {
        let only = self.only.load(Relaxed);
        let before = self.from.load(Relaxed) > 0 && !self.reached.load(Relaxed);
        before || (only > 0 && STEP.load(Relaxed) != only)
    }

    /// Did another thread print last? From now on it is `tid`.
    pub fn changes_to(&self, tid: i32) -> bool {
        let last = self.last.swap(tid, Relaxed);
        last != tid && last != 0
    }

    /// Counts rows that are going to be printed, and answers whether a pause has to come before them.
    pub fn is_full(&self, rows: usize, table: bool) -> bool {
        let before = self.rows.fetch_add(rows, Relaxed);
        let goes_on = self.table.swap(table, Relaxed) && table;
        let most = if table { PAGE - TABLE } else { PAGE - rows.min(PAGE) };
        before > if goes_on { LONGEST } else { most }
    }

    /// There was a pause, and `rows` rows come after it.
    pub fn turn(&self, rows: usize) {
        self.rows.store(rows, Relaxed);
    }
}
