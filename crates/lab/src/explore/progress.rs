//! What a terminal shows during an exploration: the progress, and the first finding.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::report::Answer;
use super::schedule::Schedule;

/// So often the line is written anew.
const EVERY: Duration = Duration::from_millis(200);

/// A line on standard error, where that is a terminal. It has no thread: it is written between runs.
pub struct Progress {
    bar: ProgressBar,
    last: Instant,
}

impl Progress {
    /// Nothing is written yet: what ends within a moment needs none.
    pub fn new() -> Progress {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        bar.set_style(
            ProgressStyle::with_template("{msg}").unwrap_or_else(|_| ProgressStyle::default_bar()),
        );
        Progress { bar, last: Instant::now() }
    }

    /// So far it is.
    pub fn show(&mut self, answer: &Answer, since: Duration) {
        if self.last.elapsed() < EVERY {
            return;
        }
        self.last = Instant::now();
        let found = if answer.worst.is_some() { "found; going on" } else { "none found so far" };
        self.bar.set_message(format!(
            "exploring: {} schedules, {} s; {found} (Ctrl-C: what is known)",
            answer.schedules,
            since.as_secs()
        ));
        self.bar.tick();
    }

    /// The first finding, at once.
    pub fn found(&self, answer: &Answer, name: &str, schedule: &Schedule) {
        self.bar.println(format!("found in schedule {}: {name} ({schedule})", answer.schedules));
    }

    /// The answer comes now.
    pub fn end(&self) {
        self.bar.finish_and_clear();
    }
}
