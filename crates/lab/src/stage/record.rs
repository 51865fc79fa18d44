//! `--record FILE`: the last run, as `lab explore --replay --json` prints it, and beside it what the audience saw, as
//! an asciicast, version 2. docs.asciinema.org/manual/asciicast/v2

use std::cell::RefCell;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Instant;

use serde_json::json;

use super::tty::Out;

/// What was written to the terminal so far, frame by frame.
#[derive(Clone, Default)]
pub struct Tape(Rc<RefCell<Frames>>);

#[derive(Default)]
struct Frames {
    /// Nothing is kept.
    off: bool,
    /// What is not written yet.
    waits: Vec<u8>,
    /// What was written since the last frame.
    new: Vec<u8>,
    all: Vec<(f64, String)>,
    since: Option<Instant>,
}

impl Tape {
    /// One that keeps what is written, or that does not.
    pub fn new(on: bool) -> Tape {
        Tape(Rc::new(RefCell::new(Frames { off: !on, ..Frames::default() })))
    }

    /// A frame is whole. `steady`: each is shown for a second, as a script has no time.
    pub fn frame(&self, steady: bool) {
        let mut frames = self.0.borrow_mut();
        if frames.new.is_empty() {
            return;
        }
        let since = *frames.since.get_or_insert_with(Instant::now);
        let at = if steady { frames.all.len() as f64 } else { since.elapsed().as_secs_f64() };
        let text = String::from_utf8_lossy(&std::mem::take(&mut frames.new)).into_owned();
        frames.all.push((at, text));
    }
}

/// To standard output, and onto the tape.
impl Write for Tape {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().waits.extend(bytes);
        Ok(bytes.len())
    }

    /// All of a picture is written at once. If nobody takes it, there will be no key either, and this is the end: nothing
    /// is said of it, as what would say it (ratatui, on standard error) would wait for the same terminal.
    fn flush(&mut self) -> io::Result<()> {
        let mut frames = self.0.borrow_mut();
        let bytes = std::mem::take(&mut frames.waits);
        let _ = Out.write_all(&bytes);
        if !frames.off {
            frames.new.extend(bytes);
        }
        Ok(())
    }
}

/// Writes both files. The error is one line.
pub fn write(path: &Path, run: &str, tape: &Tape, size: (u16, u16)) -> Result<(), String> {
    let said = |path: &Path, error: io::Error| format!("{}: {error}", path.display());
    fs::write(path, run).map_err(|error| said(path, error))?;
    let (width, height) = size;
    let mut text = format!("{}\n", json!({"version": 2, "width": width, "height": height}));
    for (at, shown) in &tape.0.borrow().all {
        // A terminal needs both to begin a row.
        let shown = shown.replace("\r\n", "\n").replace('\n', "\r\n");
        text += &format!("{}\n", json!([at, "o", shown]));
    }
    let beside = beside(path);
    fs::write(&beside, text).map_err(|error| said(&beside, error))
}

/// `lesson.json`: `lesson.cast`
fn beside(path: &Path) -> PathBuf {
    path.with_extension("cast")
}
