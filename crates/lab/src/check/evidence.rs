//! What was seen of a program: the calls of one run, and what went wrong in which. It is made in the cell, and sent
//! out of it as one line of JSON.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What the cell is told to do.
#[derive(Serialize, Deserialize, Clone, Debug)]
pub enum Ask {
    /// Make a program of the source.
    Compile(Compile),
    /// Try the program with an instrument.
    Try(Box<Trying>),
    /// Run it once more as in a run that was seen, and tell its story.
    Again(Box<Trying>),
}

/// How a program is made.
#[derive(Serialize, Deserialize, Clone, Debug)]
pub struct Compile {
    /// The words of the command; none: it is a program already.
    pub command: Vec<String>,
    /// Variables for it.
    pub environment: Vec<(String, String)>,
    /// Seconds of processor time that it may use.
    pub seconds: u64,
}

/// How a program is tried.
#[derive(Serialize, Deserialize, Clone, PartialEq, Eq, Debug, Default)]
pub struct Trying {
    pub instrument: String,
    /// The program in the cell.
    pub program: String,
    pub arguments: Vec<String>,
    /// It runs once more at the same time, with these.
    pub beside: Option<Vec<String>>,
    /// All that standard output must be.
    pub prints: Option<Vec<String>>,
    pub preemptions: u32,
    pub runs: u64,
    /// The calls that are made to fail, and with which errno.
    pub fails: Vec<(String, String)>,
    /// Of a run that was seen: its schedule, …
    pub schedule: Option<String>,
    /// … or what was done in it, in the order in which nobody is interrupted.
    pub strike: Option<Strike>,
    /// Or less, if it says so: it may give up when the other side is slow.
    pub gives_up: bool,
    /// Who may wait for ever if another one has failed.
    pub waits: Vec<String>,
    /// Where standard output goes.
    pub output: Output,
    /// What an input is called, and whether it may be, must be or must not be refused.
    pub input: String,
    pub refuses: String,
}

/// What is done at a thread's n-th call, from 0: it fails, as `fails` says, or a signal comes before it.
#[derive(Serialize, Deserialize, Clone, Copy, PartialEq, Eq, Debug)]
pub struct Strike {
    pub letter: usize,
    pub nth: usize,
    pub signal: Option<i32>,
    /// The signal comes to all processes, as from a terminal.
    pub to_all: bool,
}

/// Where standard output goes.
#[derive(Serialize, Deserialize, Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Output {
    /// Into a file, which is looked at.
    #[default]
    Kept,
    /// Into a pipe that nobody reads: `| true`
    NoReader,
    /// It is closed: `>&-`
    Closed,
}

impl Output {
    /// As a finding calls it.
    pub fn name(self) -> &'static str {
        match self {
            Output::Kept => "standard output is a file",
            Output::NoReader => "nobody reads its output (| true)",
            Output::Closed => "standard output is closed (>&-)",
        }
    }
}

/// What came of it.
#[derive(Serialize, Deserialize, Clone, Debug, Default)]
pub struct Answer {
    /// The calls and accesses of a run.
    pub did: Vec<Did>,
    pub facts: Vec<Fact>,
    /// How many runs were tried in which there was something to see.
    pub runs: u64,
    /// The first process has ended with 0.
    pub well: bool,
    /// Why it cannot be said whether all is well.
    pub not_judged: Option<String>,
    /// What the compiler said, if it refused.
    pub refused: Option<String>,
    /// A story that was asked for; what was done in it, or which input it had; and the same run as events, one a
    /// line, unless there are too many.
    pub story: Vec<String>,
    pub with: Vec<String>,
    pub events: String,
    /// How the run in `did` is run again.
    pub again: Option<Box<Trying>>,
}

/// A call, or an access to shared memory.
#[derive(Serialize, Deserialize, Clone, Debug, Default)]
pub struct Did {
    /// `a`, `b`
    pub who: String,
    /// `shmget`, `fork`; `store`, `load`
    pub name: String,
    /// Its arguments, spelled; the bytes of an access.
    pub args: String,
    /// Its error, if it failed.
    pub errno: Option<String>,
    pub line: String,
    /// `main.c:41`
    pub source: Option<String>,
}

/// Something that was wrong in a run.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
pub struct Fact {
    /// What a rule may ask for: `found`, `in`, `who`, `call`, `errno`, `signal`, `asleep`, …
    pub is: BTreeMap<String, Vec<String>>,
    /// Two lines of the trace, or one.
    pub happened: Vec<String>,
    pub source: Option<String>,
    /// The run that shows it.
    pub again: Option<Box<Trying>>,
}

impl Fact {
    /// Of an instrument.
    pub fn new(instrument: &str, found: &str) -> Fact {
        let mut fact = Fact::default();
        fact.add("in", instrument);
        fact.add("found", found);
        fact
    }

    pub fn add(&mut self, name: &str, value: impl Into<String>) {
        let values = self.is.entry(name.into()).or_default();
        let value = value.into();
        if !values.contains(&value) {
            values.push(value);
        }
    }

    pub fn first(&self, name: &str) -> Option<&str> {
        self.is.get(name)?.first().map(String::as_str)
    }
}
