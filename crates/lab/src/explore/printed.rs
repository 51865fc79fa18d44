//! What the programs print. Their standard output and standard error are files in memory, as in
//! `./program > out 2> err`; after each move we read what is new, so it is known who wrote it.

use std::fs::{self, File};
use std::hash::{Hash, Hasher};
use std::io::Seek;
use std::ops::RangeInclusive;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;

use nix::errno::Errno;
use nix::sys::memfd::{MFdFlags, memfd_create};

/// More than this of one run is not kept.
const MOST: usize = 16 << 20;

/// Where a process writes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Stream {
    Out,
    Err,
}

const STREAMS: [Stream; 2] = [Stream::Out, Stream::Err];

impl Stream {
    /// As C calls it.
    pub fn name(self) -> &'static str {
        match self {
            Stream::Out => "stdout",
            Stream::Err => "stderr",
        }
    }
}

/// Is a descriptor, by what it is a link to, one of the two?
pub fn is_printed(link: &[u8]) -> bool {
    link.starts_with(b"/memfd:lab:std")
}

/// The two files, and how much of them has been read.
pub struct Streams {
    files: [File; 2],
    read: [u64; 2],
}

impl Streams {
    /// Empty files. memfd_create(2)
    pub fn new() -> nix::Result<Streams> {
        let make = |name| memfd_create(name, MFdFlags::MFD_CLOEXEC).map(File::from);
        Ok(Streams { files: [make(c"lab:stdout")?, make(c"lab:stderr")?], read: [0; 2] })
    }

    /// In the starter: 1 and 2 are these files, which all programs inherit.
    pub fn take_their_places(&self) -> nix::Result<()> {
        for (file, fd) in self.files.iter().zip([libc::STDOUT_FILENO, libc::STDERR_FILENO]) {
            // SAFETY: descriptors of this process, which has nothing to print any more.
            Errno::result(unsafe { libc::dup2(file.as_raw_fd(), fd) })?;
        }
        Ok(())
    }

    /// A new run finds them empty.
    pub fn renew(&mut self) -> std::io::Result<()> {
        for (file, read) in self.files.iter_mut().zip(&mut self.read) {
            if *read > 0 || file.metadata()?.len() > 0 {
                file.set_len(0)?;
            }
            file.rewind()?;
            *read = 0;
        }
        Ok(())
    }

    /// What was written since the last time.
    fn news(&mut self) -> impl Iterator<Item = (Stream, Vec<u8>)> {
        STREAMS.into_iter().zip(&self.files).zip(&mut self.read).filter_map(
            |((stream, file), read)| {
                let end = file.metadata().map_or(0, |data| data.len());
                if end == *read {
                    return None;
                }
                let len = end.saturating_sub(*read).min(MOST as u64 + 1) as usize;
                let mut bytes = vec![0; len];
                let got = file.read_at(&mut bytes, *read).unwrap_or(0);
                bytes.truncate(got);
                *read = end;
                (!bytes.is_empty()).then_some((stream, bytes))
            },
        )
    }
}

/// What one process wrote, without another's in between.
#[derive(Clone, Debug)]
pub struct Piece {
    /// The process in this run, and what it is in every run.
    pub letter: usize,
    pub id: u32,
    pub stream: Stream,
    pub bytes: Vec<u8>,
}

impl Piece {
    /// What makes two the same: the letter is another in each run.
    fn said(&self) -> (u32, Stream, &[u8]) {
        (self.id, self.stream, &self.bytes)
    }
}

impl PartialEq for Piece {
    fn eq(&self, other: &Piece) -> bool {
        self.said() == other.said()
    }
}

impl Eq for Piece {}

impl Hash for Piece {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.said().hash(state);
    }
}

/// What was printed in a run.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Printed {
    /// In the order in which it came.
    pieces: Vec<Piece>,
    len: usize,
}

impl Printed {
    /// After a move of this process: what is new.
    pub fn add(&mut self, letter: usize, id: u32, streams: &mut Streams) -> Vec<Piece> {
        let piece = |(stream, bytes)| Piece { letter, id, stream, bytes };
        let new: Vec<Piece> = streams.news().map(piece).collect();
        for piece in &new {
            self.len += piece.bytes.len();
            match self.pieces.last_mut() {
                Some(last) if (last.id, last.stream) == (id, piece.stream) => {
                    last.bytes.extend(&piece.bytes)
                }
                _ => self.pieces.push(piece.clone()),
            }
        }
        new
    }

    /// Does this stand in what one of them has printed?
    pub fn says(&self, text: &str) -> bool {
        let stands = |piece: &Piece| String::from_utf8_lossy(&piece.bytes).contains(text);
        self.by_process().iter().any(stands)
    }

    /// Has this process written anything to standard error?
    pub fn complains(&self, letter: usize) -> bool {
        self.pieces.iter().any(|one| one.letter == letter && one.stream == Stream::Err)
    }

    /// The last line that it has written there; a `?` stands for what a terminal would obey.
    pub fn complaint(&self, letter: usize) -> Option<String> {
        let all = self.by_process();
        let piece = all.iter().find(|one| one.letter == letter && one.stream == Stream::Err)?;
        let text = String::from_utf8_lossy(&piece.bytes);
        let shown = |letter: char| if letter.is_control() { '?' } else { letter };
        text.lines().next_back().map(|line| line.chars().map(shown).collect())
    }

    /// It is more than is kept.
    pub fn is_too_much(&self) -> bool {
        self.len > MOST
    }

    /// The kernel keeps the time of day at which a segment was attached, and a program may print it: one that
    /// lies within the exploration is shown as its start, in every run. In seconds.
    pub fn at_one_time(&mut self, exploration: &RangeInclusive<u64>) {
        for piece in &mut self.pieces {
            piece.bytes = at_one_time(&piece.bytes, exploration);
        }
    }

    /// What tells two runs apart: what each process has printed, or also who was first.
    pub fn apart(&self, interleaving: bool) -> Vec<Piece> {
        if interleaving { self.interleaved().to_vec() } else { self.by_process() }
    }

    /// What each process has written to each of the two.
    pub fn by_process(&self) -> Vec<Piece> {
        let mut all: Vec<Piece> = vec![];
        for piece in &self.pieces {
            match all.iter_mut().find(|one| (one.id, one.stream) == (piece.id, piece.stream)) {
                Some(one) => one.bytes.extend(&piece.bytes),
                None => all.push(piece.clone()),
            }
        }
        all.sort_by_key(|one| (one.id, one.stream));
        all
    }

    /// In the order in which a terminal would have shown it.
    pub fn interleaved(&self) -> &[Piece] {
        &self.pieces
    }

    /// The lines that each process has written to standard output.
    fn lines(&self) -> Vec<Vec<Vec<u8>>> {
        let out = self.by_process().into_iter().filter(|piece| piece.stream == Stream::Out);
        out.map(|piece| lines(&piece.bytes)).collect()
    }
}

fn lines(bytes: &[u8]) -> Vec<Vec<u8>> {
    if bytes.is_empty() {
        return vec![];
    }
    let bytes = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    bytes.split(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect()
}

/// All that standard output must be: the lines of each process in their order, those of different
/// processes in any.
#[derive(Clone, Debug)]
pub struct Expected {
    lines: Vec<Vec<u8>>,
    /// Also right: less, if a process says so on standard error and does not end with 0.
    or_gives_up: bool,
}

impl Expected {
    /// These lines. `or_gives_up`: or less, if a process says so on standard error and does not end with 0.
    pub fn these(lines: &[String], or_gives_up: bool) -> Expected {
        let lines = lines.iter().map(|line| line.clone().into_bytes()).collect();
        Expected { lines, or_gives_up }
    }

    /// What stands in the file of this name; where there is none, the text itself, in which `\n`
    /// ends a line.
    pub fn of(text: &str) -> Result<Expected, String> {
        let bytes = match fs::read(text) {
            Ok(bytes) => bytes,
            Err(error) if std::path::Path::new(text).exists() => {
                return Err(format!("{text}: {error}"));
            }
            Err(_) => text.replace("\\n", "\n").into_bytes(),
        };
        Ok(Expected { lines: lines(&bytes), or_gives_up: false })
    }

    /// The first line that was printed and is not expected there, or is expected and was not
    /// printed; and who wrote it.
    pub fn differs(&self, printed: &Printed, ends: &[String]) -> Option<Difference> {
        let gives_up = |(process, end): (usize, &String)| end != "0" && printed.complains(process);
        if self.or_gives_up && ends.iter().enumerate().any(gives_up) {
            return None;
        }
        let written = printed.lines();
        let mut deepest = vec![0; written.len()];
        if self.fits(&written, &mut vec![0; written.len()], &mut vec![], &mut deepest) {
            return None;
        }
        let at: usize = deepest.iter().sum();
        let wanted = self.lines.get(at).cloned();
        let next = written.iter().zip(&deepest).enumerate();
        let mut next = next.filter_map(|(i, (lines, at))| Some((i, lines.get(*at)?.clone())));
        let got = next.next();
        let out = printed.by_process();
        let out: Vec<&Piece> = out.iter().filter(|piece| piece.stream == Stream::Out).collect();
        Some(Difference {
            letter: got.as_ref().map(|(i, _)| out[*i].letter),
            got: got.map(|(_, line)| line),
            wanted,
        })
    }

    /// Can the lines be put into the expected order, each process's own kept? `failed`: from where
    /// they cannot. `deepest`: how far one can come.
    fn fits(
        &self,
        written: &[Vec<Vec<u8>>],
        at: &mut Vec<usize>,
        failed: &mut Vec<Vec<usize>>,
        deepest: &mut Vec<usize>,
    ) -> bool {
        let done: usize = at.iter().sum();
        if done > deepest.iter().sum() {
            deepest.clone_from(at);
        }
        if done == self.lines.len() {
            return written.iter().zip(at.iter()).all(|(lines, at)| lines.len() == *at);
        }
        if failed.contains(at) {
            return false;
        }
        for i in 0..written.len() {
            if written[i].get(at[i]) == Some(&self.lines[done]) {
                at[i] += 1;
                if self.fits(written, at, failed, deepest) {
                    return true;
                }
                at[i] -= 1;
            }
        }
        failed.push(at.clone());
        false
    }
}

/// Where standard output is not what it must be.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Difference {
    /// Who has printed the line that does not fit.
    pub letter: Option<usize>,
    pub got: Option<Vec<u8>>,
    pub wanted: Option<Vec<u8>>,
}

/// See [`Printed::at_one_time`].
pub fn at_one_time(bytes: &[u8], exploration: &RangeInclusive<u64>) -> Vec<u8> {
    let moments = |run: &[u8]| {
        let number: u64 = std::str::from_utf8(run).ok()?.parse().ok()?;
        exploration.contains(&number).then_some(exploration.start().to_string())
    };
    let runs = bytes.chunk_by(|a, b| a.is_ascii_digit() == b.is_ascii_digit());
    runs.flat_map(|run| moments(run).map_or(run.to_vec(), String::into_bytes)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(pieces: &[(u32, &str)]) -> Printed {
        let piece = |&(id, text): &(u32, &str)| Piece {
            letter: id as usize,
            id,
            stream: Stream::Out,
            bytes: text.into(),
        };
        Printed { pieces: pieces.iter().map(piece).collect(), len: 0 }
    }

    #[test]
    fn lines_of_different_processes_may_come_in_any_order() {
        let expected = Expected::of("a1\\na2\\nb1").expect("a text");
        for pieces in [
            &[(0, "a1\na2\n"), (1, "b1\n")][..],
            &[(1, "b1\n"), (0, "a1\n"), (0, "a2")],
            &[(0, "a1\n"), (1, "b1\n"), (0, "a2\n")],
        ] {
            assert_eq!(expected.differs(&printed(pieces), &[]), None, "{pieces:?}");
        }
        let wrong =
            expected.differs(&printed(&[(0, "a2\na1\n"), (1, "b1\n")]), &[]).expect("wrong");
        assert_eq!((wrong.letter, wrong.wanted), (Some(0), Some(b"a1".to_vec())));
        let missing = expected.differs(&printed(&[(0, "a1\na2\n")]), &[]).expect("missing");
        assert_eq!((missing.got, missing.wanted), (None, Some(b"b1".to_vec())));
        let more = expected.differs(&printed(&[(0, "a1\na2\nb1\nc\n")]), &[]).expect("more");
        assert_eq!((more.got, more.wanted), (Some(b"c".to_vec()), None));
    }

    #[test]
    fn the_time_of_day_is_the_same_in_every_run() {
        let mut now = printed(&[(0, "atime=1000003, 1000011 10000031000003 1000005\n")]);
        now.at_one_time(&(1_000_001..=1_000_010));
        let text = "atime=1000001, 1000011 10000031000003 1000001\n";
        assert_eq!(now.by_process(), printed(&[(0, text)]).by_process());
    }

    #[test]
    fn equal_lines_of_two_may_be_either_ones() {
        let expected = Expected::of("x\\ny\\nx\\nz").expect("a text");
        assert_eq!(expected.differs(&printed(&[(0, "x\nz\n"), (1, "x\ny\n")]), &[]), None);
        assert!(expected.differs(&printed(&[(0, "x\nz\ny\n"), (1, "x\n")]), &[]).is_some());
    }
}
