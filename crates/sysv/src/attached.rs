//! The books of a process on its attachments: which memory is a segment's, and who looks at it.

use std::mem;
use std::ops::Range;

use libc::c_int;

/// Memory of a segment that is attached here. `base`: what shmat answered, and shmdt takes.
pub struct Attached {
    base: usize,
    range: Range<usize>,
    writable: bool,
    /// How many references into it there are.
    pub views: usize,
}

/// What is attached. An error says what is wrong with a range of addresses.
pub struct List {
    all: Vec<Attached>,
    /// The ids of all that ever was.
    pub met: Vec<c_int>,
}

impl List {
    /// Nothing.
    #[expect(clippy::new_without_default, reason = "a static needs it")]
    pub const fn new() -> List {
        List { all: vec![], met: vec![] }
    }

    /// A segment was attached, perhaps over others.
    pub fn add(&mut self, shmid: c_int, base: usize, len: usize, writable: bool) {
        self.cut(base, len);
        self.all.push(Attached { base, range: base..base + len, writable, views: 0 });
        self.met.push(shmid);
    }

    /// Fails while somebody looks at what was attached at `base`.
    pub fn may_go(&self, base: usize) -> Result<(), String> {
        let used = self.all.iter().any(|one| one.base == base && one.views > 0);
        if used { Err(format!("a View still uses the memory at {base:#x}")) } else { Ok(()) }
    }

    /// What was attached at `base` is detached.
    pub fn gone(&mut self, base: usize) {
        self.all.retain(|one| one.base != base);
    }

    /// The attachment in which all of the range lies.
    pub fn find(&mut self, start: usize, len: usize, write: bool) -> Result<&mut Attached, String> {
        let end = start.saturating_add(len);
        let inside = |one: &&mut Attached| one.range.start <= start && end <= one.range.end;
        match self.all.iter_mut().find(inside) {
            Some(one) if one.writable || !write => Ok(one),
            Some(_) => Err(format!("{start:#x} is attached read-only here")),
            None => Err(format!("{len} bytes at {start:#x} are not attached here")),
        }
    }

    /// Fails unless all of the range lies in one attachment, and there is no view of it.
    pub fn idle(&mut self, start: usize, len: usize) -> Result<(), String> {
        match self.find(start, len, false)?.views {
            0 => Ok(()),
            _ => Err(format!("a View still uses the memory at {start:#x}")),
        }
    }

    /// The range is not attached as it was any more.
    pub fn cut(&mut self, start: usize, len: usize) {
        let end = start + len;
        for one in mem::take(&mut self.all) {
            let Range { start: from, end: to } = one.range;
            let rest = [from..to.min(start), from.max(end)..to].into_iter();
            let rest = rest.filter(|part| !part.is_empty());
            self.all.extend(rest.map(|range| Attached { range, ..one }));
        }
    }
}
