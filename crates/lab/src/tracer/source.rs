//! Where in its source an instruction of a program stands: the file and the line, where the program has debug
//! information (`cc -g`).
//!
//! An instruction of a library stands for the call in the program that led there. The stack is not unwound:
//! of its words, the first that points behind a call of the program is taken.

use std::collections::HashMap;
use std::fs;
use std::path::PathBuf;

use addr2line::Loader;
use sysv::process::{Mapping, mappings};

use super::memory::{bytes, record};
use super::registers::Registers;
use super::{Stopped, Tid};

/// So much of the stack is looked at, in bytes.
pub(super) const DEPTH: usize = 4096;

/// A place in a program; the same number for the same place.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Code(usize);

/// A part of a program's file that is mapped to be run.
#[derive(Clone)]
struct Range {
    from: u64,
    to: u64,
    /// What is taken from an address, so that the file's own is left.
    base: u64,
}

/// A program's file.
pub(super) struct Program {
    path: PathBuf,
    ranges: Vec<Range>,
    /// Its debug information, once that was asked for; none if it cannot be read.
    loader: Option<Option<Loader>>,
}

impl Program {
    /// Is this address one of its instructions?
    pub(super) fn holds(&self, at: u64) -> bool {
        self.in_file(at).is_some()
    }

    /// The address that it has in the file.
    pub(super) fn in_file(&self, at: u64) -> Option<u64> {
        let range = self.ranges.iter().find(|one| (one.from..one.to).contains(&at));
        range.map(|range| at - range.base)
    }

    pub(super) fn debug_information(&mut self) -> Option<&Loader> {
        self.loader.get_or_insert_with(|| Loader::new(&self.path).ok()).as_ref()
    }
}

/// See the module.
#[derive(Default)]
pub struct Sources {
    pub(super) programs: Vec<Program>,
    of: HashMap<PathBuf, usize>,
    codes: Vec<(usize, u64)>,
    numbers: HashMap<(usize, u64), Code>,
}

impl Sources {
    /// The place in its program at which a thread stands, with these registers, or to which it will return.
    /// `file`: which program it runs, once that is known; none after an exec.
    pub fn place(
        &mut self,
        thread: &Stopped,
        registers: &Registers,
        file: &mut Option<usize>,
    ) -> Code {
        let tid = thread.tid();
        let Some(program) = file.or_else(|| self.program(tid)) else { return self.number((0, 0)) };
        *file = Some(program);
        let at = registers.program_counter();
        let inside = |at: u64| self.programs[program].in_file(at);
        if let Some(at) = inside(at) {
            return self.number((program, at));
        }
        let stack = bytes(tid, registers.stack_pointer(), DEPTH);
        let words = stack.chunks_exact(8).map(|word| word.try_into().map_or(0, u64::from_ne_bytes));
        // A return address stands behind the call; the call is what is meant.
        let called = words.filter(|word| inside(*word).is_some() && follows_a_call(tid, *word));
        let place = called.map(|word| inside(word).unwrap_or(0).saturating_sub(1)).next();
        self.number((program, place.unwrap_or(0)))
    }

    /// The same, with the same numbers, for another thread.
    pub fn copy(&self) -> Sources {
        let one = |one: &Program| Program {
            path: one.path.clone(),
            ranges: one.ranges.clone(),
            loader: None,
        };
        Sources {
            programs: self.programs.iter().map(one).collect(),
            of: self.of.clone(),
            codes: self.codes.clone(),
            numbers: self.numbers.clone(),
        }
    }

    /// How many places have a number.
    pub fn count(&self) -> usize {
        self.codes.len()
    }

    pub(super) fn program(&mut self, tid: Tid) -> Option<usize> {
        let path = fs::read_link(format!("/proc/{tid}/exe")).ok()?;
        Some(*self.of.entry(path).or_insert_with_key(|path| {
            let ranges = ranges(tid, path);
            self.programs.push(Program { ranges, path: path.clone(), loader: None });
            self.programs.len() - 1
        }))
    }

    fn number(&mut self, place: (usize, u64)) -> Code {
        *self.numbers.entry(place).or_insert_with(|| {
            self.codes.push(place);
            Code(self.codes.len() - 1)
        })
    }

    /// `main.c:41`; `None`: it is not known.
    pub fn line(&mut self, code: Code) -> Option<String> {
        let (program, at) = *self.codes.get(code.0)?;
        let program = self.programs.get_mut(program).filter(|_| at != 0)?;
        let found = program.debug_information()?.find_location(at).ok()??;
        let file = found.file?.rsplit('/').next()?;
        Some(format!("{file}:{}", found.line?))
    }
}

/// The parts of a program that can be run.
fn ranges(tid: Tid, path: &std::path::Path) -> Vec<Range> {
    let name = path.to_string_lossy();
    let its = mappings(&tid.to_string()).into_iter().filter(|one| one.line.ends_with(&*name));
    let runs = |one: &Mapping| one.line.split(' ').nth(1).is_some_and(|may| may.starts_with("r-x"));
    let all: Vec<_> = its.map(|one| (one.start as u64, one.end as u64, runs(&one))).collect();
    let start = all.iter().map(|one| one.0).min().unwrap_or(0);
    // ET_EXEC, 2, stands where the file says. elf(5)
    let fixed = record::<u16>(tid, start + 16) == Some(2);
    let base = if fixed { 0 } else { start };
    all.into_iter().filter(|one| one.2).map(|(from, to, _)| Range { from, to, base }).collect()
}

/// Is the instruction before this place a call: e8 and four bytes, or ff /2 and none to five?
pub(super) fn follows_a_call(tid: Tid, at: u64) -> bool {
    let before = bytes(tid, at.saturating_sub(7), 7);
    let byte = |back: usize| before.len().checked_sub(back).and_then(|i| before.get(i));
    let indirect = |back: &usize| {
        byte(*back) == Some(&0xff) && byte(back - 1).is_some_and(|byte| byte >> 3 & 7 == 2)
    };
    byte(5) == Some(&0xe8) || [2, 3, 4, 6, 7].iter().any(indirect)
}
