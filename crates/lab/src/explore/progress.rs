//! What a terminal shows during an exploration: the progress, and the first finding.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use say::tell;

use super::complain;
use super::report::Answer;
use super::schedule::Schedule;

/// So often the line is written anew.
const EVERY: Duration = Duration::from_millis(200);

/// A line on standard error, where that is a terminal. It has no thread: it is written between runs.
pub struct Progress {
    bar: ProgressBar,
    last: Option<Instant>,
    /// Standard output has the answer for a program, and standard error is no terminal.
    quiet: bool,
}

impl Progress {
    /// Nothing is written yet.
    pub fn new(json: bool) -> Progress {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        bar.set_style(
            ProgressStyle::with_template("{msg}").unwrap_or_else(|_| ProgressStyle::default_bar()),
        );
        let quiet = json && bar.is_hidden();
        Progress { bar, last: None, quiet }
    }

    /// So far it is.
    pub fn show(&mut self, answer: &Answer, since: Duration) {
        if self.last.is_some_and(|last| last.elapsed() < EVERY) {
            return;
        }
        self.last = Some(Instant::now());
        let (schedules, seconds) = (answer.schedules, since.as_secs());
        self.bar.set_message(match answer.worst {
            Some(_) => tell!("exploring: {schedules} schedules, {seconds} s; found; going on (Ctrl-C: what is known)"),
            None => tell!("exploring: {schedules} schedules, {seconds} s; none found so far (Ctrl-C: what is known)"),
        });
        self.bar.tick();
    }

    /// The first finding, at once; also where standard error is no terminal.
    pub fn found(&self, answer: &Answer, name: &str, schedule: &Schedule) {
        if !self.quiet {
            let line = tell!("found in schedule {}: {name} ({schedule})", answer.schedules);
            self.bar.suspend(|| complain(&line));
        }
    }

    /// The answer comes now.
    pub fn end(&self) {
        self.bar.finish_and_clear();
    }
}
