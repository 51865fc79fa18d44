//! Judges again each time a source is saved.

use std::path::Path;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use notify::{Config, PollWatcher, RecommendedWatcher, RecursiveMode, Watcher};
use screen::words::translated;

use super::judge::NoVerdict;
use super::{complain, no_verdict};
use crate::asked;

/// Some editors write a file in several steps: they are one save.
const STEPS: Duration = Duration::from_millis(150);
/// So often we look whether a signal asks us to stop; with `poll`, at the file, too.
const LOOK: Duration = Duration::from_millis(500);

/// Calls `judge` now, and after each save, until a signal asks us to stop.
pub fn at_each_save(
    source: &Path,
    poll: bool,
    judge: &mut dyn FnMut() -> Result<(), NoVerdict>,
) -> Result<(), NoVerdict> {
    let usage = |error: notify::Error| NoVerdict::Usage(format!("watch: {error}"));
    let (tell, told) = channel();
    let config = Config::default().with_poll_interval(LOOK).with_compare_contents(true);
    let handler = move |event| {
        // If nobody hears it any more, we have ended.
        let _ = tell.send(event);
    };
    let mut watcher: Box<dyn Watcher> = match poll {
        true => Box::new(PollWatcher::new(handler, config).map_err(usage)?),
        false => Box::new(RecommendedWatcher::new(handler, config).map_err(usage)?),
    };
    // An editor may put a new file in the place of the old one: the folder knows.
    let folder = if source.is_dir() { source } else { source.parent().unwrap_or(Path::new(".")) };
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    watcher.watch(folder, RecursiveMode::NonRecursive).map_err(usage)?;
    let content = || std::fs::read(source).ok();
    let mut before = content();
    loop {
        match judge() {
            Err(NoVerdict::Signal(signal)) => return Err(NoVerdict::Signal(signal)),
            Err(other) => drop(no_verdict(other)),
            Ok(()) => {}
        }
        complain(translated("waits for the next save; Ctrl-C ends it"));
        loop {
            if let Some(signal) = asked::to_stop() {
                return Err(NoVerdict::Signal(signal));
            }
            match told.recv_timeout(LOOK) {
                Ok(_) => while told.recv_timeout(STEPS).is_ok() {},
                Err(RecvTimeoutError::Timeout) => continue,
                Err(RecvTimeoutError::Disconnected) => return Ok(()),
            }
            let now = content();
            if source.is_dir() || now != before {
                before = now;
                break;
            }
        }
    }
}
