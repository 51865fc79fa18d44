//! Which line of a program's own source is at work: not of a library that is compiled into it.

use super::Stopped;
use super::memory::bytes;
use super::registers::Registers;
use super::source::{DEPTH, Sources, follows_a_call};

/// Sources that came with a compiler or from a registry: nobody who reads an answer has written them.
const LIBRARIES: [&str; 4] = ["/.cargo/", "/rustc/", "/usr/", "/rustlib/"];

impl Sources {
    /// `/home/me/main.c:41`: the innermost line of the program's own source, where a thread stands or to which
    /// it will return. `file`: which program it runs, once that is known. `None`: it is not known.
    pub fn own_line(
        &mut self,
        thread: &Stopped,
        registers: &Registers,
        file: &mut Option<usize>,
    ) -> Option<String> {
        let tid = thread.tid();
        let program = file.or_else(|| self.program(tid))?;
        *file = Some(program);
        let stack = bytes(tid, registers.stack_pointer(), DEPTH);
        let words = stack.chunks_exact(8).map(|word| word.try_into().map_or(0, u64::from_ne_bytes));
        let words: Vec<u64> = words.collect();
        if let Some(line) = self.own(program, registers.program_counter(), 0) {
            return Some(line);
        }
        let inside: Vec<u64> =
            words.into_iter().filter(|word| self.programs[program].holds(*word)).collect();
        let called = inside.into_iter().filter(|word| follows_a_call(tid, *word));
        // A return address stands behind the call; the call is what is meant.
        let called: Vec<u64> = called.collect();
        called.into_iter().find_map(|at| self.own(program, at, 1))
    }

    fn own(&mut self, program: usize, at: u64, back: u64) -> Option<String> {
        let program = &mut self.programs[program];
        let at = program.in_file(at)?.checked_sub(back)?;
        let mut frames = program.debug_information()?.find_frames(at).ok()?;
        while let Ok(Some(frame)) = frames.next() {
            let Some(location) = frame.location else { continue };
            let (Some(path), Some(line)) = (location.file, location.line) else { continue };
            if !LIBRARIES.iter().any(|library| path.contains(library)) {
                return Some(format!("{path}:{line}"));
            }
        }
        None
    }
}
