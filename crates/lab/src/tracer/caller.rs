//! Which line of a program's own source is at work: not of a library that is compiled into it.

use super::Stopped;
use super::registers::Registers;
use super::source::{Binary, Sources};

/// Sources that came with a compiler or from a registry: nobody who reads an answer has written them.
const LIBRARIES: [&str; 4] = ["/.cargo/", "/rustc/", "/usr/", "/rustlib/"];

impl Sources {
    /// `/home/me/main.c:41`: the innermost line of the program's own source, where a thread stands or to which
    /// it will return. `layout`: that of its process, once that is known. `None`: it is not known.
    pub fn own_line(
        &mut self,
        thread: &Stopped,
        registers: &Registers,
        layout: &mut Option<usize>,
    ) -> Option<String> {
        self.walk(thread.tid(), registers, layout, false, |_, binary, at| own(binary, at))
    }
}

fn own(binary: &mut Binary, at: u64) -> Option<String> {
    let mut frames = binary.loader()?.find_frames(at).ok()?;
    while let Ok(Some(frame)) = frames.next() {
        let Some(location) = frame.location else { continue };
        let (Some(path), Some(line)) = (location.file, location.line) else { continue };
        if !LIBRARIES.iter().any(|library| path.contains(library)) {
            return Some(format!("{path}:{line}"));
        }
    }
    None
}
