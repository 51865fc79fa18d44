//! The journal: events, numbered in the order in which the tracer learned of them, and written.

use std::collections::BTreeSet;
use std::io;
use std::rc::Rc;
use std::time::Instant;

use crate::asked;
use crate::event::{Birth, Event, Note, What};
use crate::tracer::Tid;
use crate::view::{Out, View};

/// A line is written, and a sleeper shown, at most so many microseconds later.
pub const TICK: i64 = 20_000;
/// Where nothing is due, a wait ends so often. Microseconds.
const REST: i64 = 1_000_000;

/// The process and thread of an event.
pub struct Lane {
    pub pid: i32,
    pub tid: Tid,
    /// What its process is called.
    pub name: Rc<str>,
}

/// The events of a trace, on their way out.
pub struct Journal {
    out: Out,
    view: Box<dyn View>,
    began: Instant,
    n: u64,
    counts: Counts,
    remarked: BTreeSet<&'static str>,
    ticking: bool,
}

/// How many processes, threads, calls and signals were shown.
#[derive(Default)]
struct Counts {
    processes: u64,
    threads: u64,
    calls: u64,
    signals: u64,
}

impl Counts {
    fn add(&mut self, what: &What) {
        match what {
            What::Start { .. } | What::Born { how: Birth::Fork | Birth::Vfork, .. } => {
                self.processes += 1;
                self.threads += 1;
            }
            What::Born { how: Birth::Thread, .. } => self.threads += 1,
            What::Call { .. } => self.calls += 1,
            What::Signal { .. } => self.signals += 1,
            _ => {}
        }
    }
}

impl Journal {
    /// One that is written to `out` as `view` has it; the trace begins now.
    pub fn new(out: Out, view: Box<dyn View>) -> Journal {
        let (counts, remarked) = (Counts::default(), BTreeSet::new());
        Journal { out, view, began: Instant::now(), n: 0, counts, remarked, ticking: false }
    }

    /// Microseconds since the trace began.
    pub fn now(&self) -> u64 {
        self.began.elapsed().as_micros() as u64
    }

    /// Adds an event.
    pub fn write(&mut self, lane: Lane, what: What, note: Option<Note>) {
        self.counts.add(&what);
        self.n += 1;
        let Lane { pid, tid, name } = lane;
        let event = Event { n: self.n, us: self.now(), pid, tid, lane: name, what, note };
        self.view.show(&event, self.out.lines());
        self.want_tick();
    }

    /// A wait of ours will soon end, so that what is due gets done.
    pub fn want_tick(&mut self) {
        if !self.ticking {
            self.ticking = true;
            asked::tick_every(TICK);
        }
    }

    /// Nothing is due any more. A signal that asks us to stop just before a wait begins is seen when the
    /// next tick ends that.
    pub fn rest(&mut self) {
        self.ticking = false;
        asked::tick_every(REST);
    }

    /// Writes the lines that there are. True if there were some.
    pub fn flush(&mut self) -> bool {
        self.out.flush()
    }

    /// Why nothing can be written any more, if so.
    pub fn lost(&self) -> Option<&io::Error> {
        self.out.lost()
    }

    /// Does a process write to where we write with its descriptor `fd`?
    pub fn is_shared_with(&self, pid: i32, fd: i32) -> bool {
        self.out.is_shared_with(pid, fd)
    }

    /// Is this remark one that has not been made?
    pub fn is_news(&mut self, text: &'static str) -> bool {
        self.remarked.insert(text)
    }

    /// The last event.
    pub fn summary(&self, left: usize) -> What {
        let &Counts { processes, threads, calls, signals } = &self.counts;
        What::Summary { processes, threads, calls, signals, left: left as u64 }
    }
}
