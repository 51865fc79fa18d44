//! Where in its source a program stands: the file and the line, where it has debug information (`cc -g`).
//!
//! An instruction of a library stands for the call in the program that led there: the stack is unwound, up to
//! the first frame of the program's own file that has a line. Where a frame has no tables, nothing is known.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use addr2line::Loader;
use sysv::process::mappings;

use super::memory::{bytes, record};
use super::registers::Registers;
use super::unwind::{Frame, Tables};
use super::{Stopped, Tid, registers};

/// So many frames are looked at.
const DEPTH: usize = 64;
/// A larger table of frames is not read, in bytes.
const LARGEST: u64 = 64 << 20;

/// A place in a program; the same number for the same place.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Code(usize);

/// A part of a file that is mapped to be run.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Range {
    from: u64,
    to: u64,
    /// What is taken from an address, so that the file's own is left.
    base: u64,
    /// Which file.
    file: usize,
}

/// What a process can run: its program's file, and where in its memory which file is.
#[derive(Clone, PartialEq, Eq)]
struct Layout {
    program: usize,
    ranges: Vec<Range>,
}

/// A file of a program: its own, or a library.
pub(super) struct Binary {
    path: PathBuf,
    /// Its debug information and its sections, once they were asked for; none if they cannot be read.
    loader: Option<Option<Loader>>,
    /// Has it debug information at all? Likewise.
    lined: Option<bool>,
    /// Its tables of frames, likewise.
    tables: Option<Option<Tables>>,
    lines: HashMap<u64, Option<String>>,
}

impl Binary {
    pub(super) fn loader(&mut self) -> Option<&Loader> {
        self.loader.get_or_insert_with(|| Loader::new(&self.path).ok()).as_ref()
    }

    /// `main.c:41`
    fn line(&mut self, at: u64) -> Option<String> {
        if let Some(known) = self.lines.get(&at) {
            return known.clone();
        }
        let found = self.loader().and_then(|loader| {
            let place = loader.find_location(at).ok()??;
            let file = place.file?.rsplit('/').next()?;
            Some(format!("{file}:{}", place.line.filter(|line| *line > 0)?))
        });
        self.lines.insert(at, found.clone());
        found
    }

    fn has_lines(&mut self) -> bool {
        if let Some(known) = self.lined {
            return known;
        }
        let section = |loader: &Loader| loader.get_section_range(b".debug_info").is_some();
        let lined = self.loader().is_some_and(section);
        self.lined = Some(lined);
        lined
    }

    /// Its tables, read from where they are mapped.
    fn tables(&mut self, tid: Tid, base: u64) -> Option<&mut Tables> {
        if self.tables.is_none() {
            let section = |loader: &Loader, name: &[u8]| {
                let range = loader.get_section_range(name)?;
                let len = (range.end - range.begin).min(LARGEST) as usize;
                Some((range.begin, bytes(tid, range.begin + base, len)))
            };
            let found = self.loader().and_then(|loader| {
                let frames = section(loader, b".eh_frame")?;
                let index = section(loader, b".eh_frame_hdr").unwrap_or_default();
                Some(Tables::new(frames, index))
            });
            self.tables = Some(found);
        }
        self.tables.as_mut()?.as_mut()
    }
}

/// See the module.
#[derive(Default)]
pub struct Sources {
    binaries: Vec<Binary>,
    by_path: HashMap<PathBuf, usize>,
    layouts: Vec<Layout>,
    /// The layout of the last process of each program.
    of: HashMap<PathBuf, usize>,
    codes: Vec<(usize, u64)>,
    numbers: HashMap<(usize, u64), Code>,
    /// Of those, instructions of a program that stand for themselves, and for no call.
    own: HashMap<(usize, u64), Code>,
}

impl Sources {
    /// The place in its program at which a thread stands, with these registers, or to which it will return.
    /// `layout`: that of its process, once that is known; none after an exec.
    pub fn place(
        &mut self,
        thread: &Stopped,
        registers: &Registers,
        layout: &mut Option<usize>,
    ) -> Code {
        self.place_of(thread.tid(), registers, layout, false)
    }

    /// The same for a thread that stands at the beginning or at the end of a call: where the call was made.
    pub fn place_of_call(&mut self, thread: &Stopped, layout: &mut Option<usize>) -> Code {
        match registers::all(thread) {
            Ok(registers) => self.place_of(thread.tid(), &registers, layout, true),
            Err(_) => self.number((0, 0)),
        }
    }

    /// The line from which the call was made at whose beginning or end a thread stands: `main.c:41`; `None`:
    /// it is not known.
    pub fn line_of_call(&mut self, thread: &Stopped, layout: &mut Option<usize>) -> Option<String> {
        let code = self.place_of_call(thread, layout);
        self.line(code)
    }

    fn place_of(
        &mut self,
        tid: Tid,
        registers: &Registers,
        layout: &mut Option<usize>,
        behind: bool,
    ) -> Code {
        let here = layout.and_then(|at| self.range(at, registers.program_counter()));
        let here = here.map(|one| (one.file, registers.program_counter() - one.base));
        if let Some(known) = here.filter(|_| !behind).and_then(|here| self.own.get(&here)) {
            return *known;
        }
        let mut first = None;
        let found = self.walk(tid, registers, layout, behind, |file, binary, at| {
            first = first.or(Some((file, at)));
            binary.line(at).map(|_| (file, at))
        });
        let code = self.number(found.or(first).unwrap_or((0, 0)));
        if let Some(here) = here.filter(|_| !behind) {
            let only = !self.binaries[here.0].has_lines();
            if found == Some(here) || first == Some(here) && only {
                self.own.insert(here, code);
            }
        }
        code
    }

    /// Goes through the frames of the program's own file, from the innermost, until something is found: asked
    /// are the file and the place in it. `behind`: the first frame stands behind what is meant.
    pub(super) fn walk<T>(
        &mut self,
        tid: Tid,
        registers: &Registers,
        layout: &mut Option<usize>,
        mut behind: bool,
        mut find: impl FnMut(usize, &mut Binary, u64) -> Option<T>,
    ) -> Option<T> {
        let known = layout.or_else(|| self.known(tid, registers.program_counter()));
        let mut at = known.or_else(|| self.look(tid))?;
        *layout = Some(at);
        let mut frame = Frame::of(registers);
        for _ in 0..DEPTH {
            // A return address stands behind the call; the call is what is meant.
            let counter = frame.program_counter() - u64::from(behind);
            if self.range(at, counter).is_none() {
                // It has loaded a library since.
                let new = self.look(tid).filter(|new| *new != at)?;
                (at, *layout) = (new, Some(new));
            }
            let range = self.range(at, counter)?;
            let inside = counter - range.base;
            let binary = &mut self.binaries[range.file];
            if range.file == self.layouts[at].program {
                let found = find(range.file, binary, inside);
                if found.is_some() || !binary.has_lines() {
                    return found;
                }
            }
            frame = binary.tables(tid, range.base)?.caller(tid, &frame, inside)?;
            behind = true;
        }
        None
    }

    /// The same, with the same numbers, for another thread of ours.
    pub fn copy(&self) -> Sources {
        let one = |one: &Binary| Binary {
            path: one.path.clone(),
            loader: None,
            lined: one.lined,
            tables: None,
            lines: one.lines.clone(),
        };
        Sources {
            binaries: self.binaries.iter().map(one).collect(),
            by_path: self.by_path.clone(),
            layouts: self.layouts.clone(),
            of: self.of.clone(),
            codes: self.codes.clone(),
            numbers: self.numbers.clone(),
            own: self.own.clone(),
        }
    }

    /// How many places have a number.
    pub fn count(&self) -> usize {
        self.codes.len()
    }

    fn range(&self, layout: usize, at: u64) -> Option<Range> {
        let mut ranges = self.layouts[layout].ranges.iter();
        ranges.find(|one| (one.from..one.to).contains(&at)).copied()
    }

    /// The layout of a process that runs the same program as another before it, if it fits.
    fn known(&self, tid: Tid, at: u64) -> Option<usize> {
        let path = fs::read_link(format!("/proc/{tid}/exe")).ok()?;
        let known = *self.of.get(&path)?;
        self.range(known, at).map(|_| known)
    }

    /// Looks at what a process can run.
    fn look(&mut self, tid: Tid) -> Option<usize> {
        let path = fs::read_link(format!("/proc/{tid}/exe")).ok()?;
        let program = self.binary(&path);
        let mut first: HashMap<String, u64> = HashMap::new();
        let mut ranges = vec![];
        for map in mappings(&tid.to_string()) {
            let mut words = map.line.splitn(6, ' ').skip(1);
            let runs = words.next().is_some_and(|may| may.starts_with("r-x"));
            let Some(name) = words.nth(3).filter(|name| name.starts_with('/')) else { continue };
            let start = *first.entry(name.into()).or_insert(map.start as u64);
            if !runs {
                continue;
            }
            // ET_EXEC, 2, stands where the file says. elf(5)
            let fixed = record::<u16>(tid, start + 16) == Some(2);
            let base = if fixed { 0 } else { start };
            let file = self.binary(Path::new(name));
            ranges.push(Range { from: map.start as u64, to: map.end as u64, base, file });
        }
        let layout = Layout { program, ranges };
        let known = self.layouts.iter().position(|one| *one == layout);
        let at = known.unwrap_or(self.layouts.len());
        if at == self.layouts.len() {
            self.layouts.push(layout);
        }
        self.of.insert(path, at);
        Some(at)
    }

    fn binary(&mut self, path: &Path) -> usize {
        if let Some(known) = self.by_path.get(path) {
            return *known;
        }
        self.binaries.push(Binary {
            path: path.into(),
            loader: None,
            lined: None,
            tables: None,
            lines: HashMap::new(),
        });
        self.by_path.insert(path.into(), self.binaries.len() - 1);
        self.binaries.len() - 1
    }

    fn number(&mut self, place: (usize, u64)) -> Code {
        *self.numbers.entry(place).or_insert_with(|| {
            self.codes.push(place);
            Code(self.codes.len() - 1)
        })
    }

    /// `main.c:41`; `None`: it is not known.
    pub fn line(&mut self, code: Code) -> Option<String> {
        let (file, at) = *self.codes.get(code.0)?;
        self.binaries.get_mut(file).filter(|_| at != 0)?.line(at)
    }
}
