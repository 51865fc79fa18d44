//! How far it is: a line on a terminal, several times a second; elsewhere a line now and then.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::complain;
use super::workers::Far;

/// So often a line is written where there is no terminal.
const EVERY: Duration = Duration::from_secs(30);

/// See the module.
pub struct Progress {
    bar: ProgressBar,
    /// Those that were judged before we began.
    before: usize,
    last: Instant,
}

impl Progress {
    /// Nothing is written yet.
    pub fn new(before: usize) -> Progress {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        bar.set_style(
            ProgressStyle::with_template("{msg}").unwrap_or_else(|_| ProgressStyle::default_bar()),
        );
        Progress { bar, before, last: Instant::now() }
    }

    /// So far it is.
    pub fn show(&mut self, far: &Far) {
        let text = said(far, self.before);
        if !self.bar.is_hidden() {
            self.bar.set_message(format!("{text} (Ctrl-C: keeps what is done)"));
            self.bar.tick();
        } else if self.last.elapsed() >= EVERY {
            self.last = Instant::now();
            complain(&text);
        }
    }

    /// No more of it.
    pub fn end(&self) {
        self.bar.finish_and_clear();
    }
}

fn said(far: &Far, before: usize) -> String {
    let done = before + far.done;
    let all = done + far.waiting + far.running.len();
    let left = match far.left().map(|left| left.as_secs()) {
        None => "time left: not known yet".into(),
        Some(seconds @ 0..100) => format!("about {seconds} s left"),
        Some(seconds) => format!("about {} min left", seconds.div_ceil(60)),
    };
    format!("{done} of {all} judged, {} at a time; {left}", far.jobs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_says_how_far_it_is() {
        let far = Far {
            done: 3,
            waiting: 5,
            took: Duration::from_secs(30),
            running: vec![Duration::ZERO; 2],
            jobs: 2,
        };
        assert_eq!(said(&far, 10), "13 of 20 judged, 2 at a time; about 35 s left");
        let first = Far { done: 0, ..far };
        assert_eq!(said(&first, 0), "0 of 7 judged, 2 at a time; time left: not known yet");
    }
}
