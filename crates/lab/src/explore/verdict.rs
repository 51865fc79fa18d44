//! What is found, and the story of a run in which it was.

use std::fmt;

use libc::c_int;
use say::tell;
use screen::words::{semicolon, translated};
pub use sysv::tables::Kind;

use super::footprint::Bytes;
use super::printed::{Difference, Piece};
use super::schedule::{Who, letter};
pub use crate::event::Passed;
use crate::event::{Call, Row};
pub use crate::memory::place;
use crate::syscalls;
use crate::tracer::names;
use crate::view::bytes::{LINE, content, quoted};

/// What an object is called where its kind's three letters would be no word.
pub fn word(kind: Kind) -> &'static str {
    translated(match kind {
        Kind::Shm => "segment",
        Kind::Msg => "queue",
        Kind::Sem => "semaphore",
    })
}

/// What is wrong with a run. Processes are meant by their letters.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Finding {
    /// All processes that live sleep, each in a call that only another of them could end.
    Deadlock { sleepers: Vec<Sleeper> },
    /// A signal that has no handler has killed it. `had`: not any more.
    NoHandler { letter: usize, pid: i32, signal: c_int, had: bool },
    /// SIGSEGV, SIGABRT, …
    Crash { letter: usize, pid: i32, signal: c_int },
    /// Still there when all have ended.
    Left { kind: Kind, id: i32 },
    /// IPC_RMID for one that `by` had removed before.
    RemovedTwice { kind: Kind, id: i32, by: usize, letter: usize, pid: i32 },
    /// A call on one that was removed before.
    DeadId { kind: Kind, id: i32, by: usize, call: &'static str, letter: usize, pid: i32 },
    /// A signal for a pid that is none of the program's. `parent`: getppid has answered it 0.
    Outsider { letter: usize, pid: i32, target: i32, signal: c_int, parent: bool },
    /// It goes on and on, and nothing changes.
    Endless { letter: usize, pid: i32 },
    /// What comes out depends on accesses that nothing orders.
    Race(Raced),
    /// Standard output is not what it must be.
    Prints { difference: Difference },
}

/// Two accesses that nothing orders, the one that came first in front, and the bytes that both touch.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Raced {
    pub bytes: Bytes,
    pub sides: [RaceSide; 2],
}

impl fmt::Display for Raced {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let [first, second] = &self.sides;
        f.write_str(&tell!("{}: {first}, {second}", place(self.bytes)))
    }
}

/// One of two accesses that race.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RaceSide {
    pub letter: usize,
    pub writes: bool,
    /// By which line of the program, where that is known.
    pub source: Option<String>,
}

impl fmt::Display for RaceSide {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let who = letter(self.letter);
        f.write_str(&if self.writes { tell!("{who} stores") } else { tell!("{who} loads") })?;
        self.source.as_ref().map_or(Ok(()), |source| write!(f, " ({source})"))
    }
}

/// One that sleeps for ever.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Sleeper {
    /// Who.
    pub letter: usize,
    /// Its number.
    pub pid: i32,
    pub asleep: Asleep,
    /// Its alarm would kill it.
    pub alarm: bool,
}

/// In what it sleeps.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Asleep {
    /// Stopped by a signal.
    Stopped,
    /// In a call that is none of its points.
    Elsewhere,
    /// In the call of this number.
    Call(i64),
}

impl Finding {
    /// The same for all findings of a kind: what they are counted by.
    pub fn class(&self) -> String {
        match self {
            Finding::Deadlock { .. } => translated("deadlock").into(),
            Finding::NoHandler { signal, had: true, .. } => {
                tell!("killed by {}, after its handler", names::signal(*signal))
            }
            Finding::NoHandler { signal, .. } => {
                tell!("killed by {}, before its handler", names::signal(*signal))
            }
            Finding::Crash { signal, .. } => tell!("crash: {}", names::signal(*signal)),
            Finding::Left { kind, .. } => tell!("{} left behind", word(*kind)),
            Finding::RemovedTwice { kind, .. } => tell!("{} removed twice", word(*kind)),
            Finding::DeadId { kind, .. } => tell!("call on a dead {}", word(*kind)),
            Finding::Outsider { .. } => translated("signal to a pid outside the program").into(),
            Finding::Endless { .. } => translated("endless loop").into(),
            Finding::Race(_) => translated("race").into(),
            Finding::Prints { .. } => translated("prints what is not expected").into(),
        }
    }

    /// For `--json`.
    pub fn word(&self) -> &'static str {
        match self {
            Finding::Deadlock { .. } => "deadlock",
            Finding::NoHandler { .. } => "no_handler",
            Finding::Crash { .. } => "crash",
            Finding::Left { .. } => "left",
            Finding::RemovedTwice { .. } => "removed_twice",
            Finding::DeadId { .. } => "dead_id",
            Finding::Outsider { .. } => "outsider",
            Finding::Endless { .. } => "endless",
            Finding::Race(_) => "race",
            Finding::Prints { .. } => "prints",
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(&self.told())
    }
}

impl Finding {
    fn told(&self) -> String {
        let who = |one: &usize, pid: &i32| format!("{} ({pid})", letter(*one));
        match self {
            Finding::Deadlock { sleepers } => tell!("deadlock: {}", all_of(sleepers)),
            Finding::NoHandler { letter, pid, signal, had } => {
                let (who, signal) = (who(letter, pid), names::signal(*signal));
                match had {
                    true => tell!(
                        "{who} is killed by {signal}: its handler had been replaced by the default action"
                    ),
                    false => tell!(
                        "{who} is killed by {signal}: the signal came before its handler was installed"
                    ),
                }
            }
            Finding::Crash { letter, pid, signal } => {
                tell!("{} crashes: {}", who(letter, pid), names::signal(*signal))
            }
            Finding::Left { kind, id } => {
                let what = word(*kind);
                tell!("left behind: {what} {id}; all processes have ended, and none removed it")
            }
            Finding::RemovedTwice { kind, id, by, letter: one, pid } => {
                let (who, what, by) = (who(one, pid), word(*kind), letter(*by));
                tell!("{who} removes {what} {id}, which {by} had removed")
            }
            Finding::DeadId { kind, id, by, call, letter: one, pid } => {
                let (who, what, by) = (who(one, pid), word(*kind), letter(*by));
                tell!("{who}: {call} on {what} {id}, which {by} had removed")
            }
            Finding::Outsider { letter, pid, target, signal, parent } => {
                let what = match target {
                    0 if *parent => translated(
                        "pid 0, the answer of getppid: its parent is not a process of this program",
                    )
                    .into(),
                    0 => translated("pid 0, which means its whole process group").into(),
                    -1 => translated("pid -1, which means all processes").into(),
                    ..-1 => tell!(
                        "process group {}, which is none of this program's",
                        target.unsigned_abs()
                    ),
                    _ => tell!("pid {target}, which is not a process of this program"),
                };
                let (who, signal) = (who(letter, pid), names::signal(*signal));
                tell!("{who} sends {signal} to {what}")
            }
            Finding::Endless { letter, pid } => {
                let who = who(letter, pid);
                tell!("{who} loops for ever: no other process can change what it checks")
            }
            Finding::Race(raced) => tell!(
                "race: {raced}, and nothing orders them; what comes out depends on who is first"
            ),
            Finding::Prints { difference: Difference { letter: one, got, wanted } } => {
                let line = |bytes: &Vec<u8>| quoted(bytes, LINE);
                let who = one.map_or(String::new(), letter);
                match (got.as_ref().map(line), wanted.as_ref().map(line)) {
                    (Some(got), Some(wanted)) => {
                        tell!("{who} prints {got}, and {wanted} was expected")
                    }
                    (Some(got), None) => tell!("{who} prints {got}, which was not expected"),
                    (None, wanted) => {
                        let wanted = wanted.unwrap_or_default();
                        tell!("nobody prints {wanted}, which was expected")
                    }
                }
            }
        }
    }
}

/// `a (100) sleeps in pause; b (101) sleeps in wait4`
pub fn all_of(sleepers: &[Sleeper]) -> String {
    let list: Vec<String> = sleepers.iter().map(|one| one.to_string()).collect();
    list.join(semicolon())
}

impl fmt::Display for Sleeper {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let call;
        let what = match self.asleep {
            Asleep::Stopped => translated("a stop"),
            Asleep::Elsewhere => translated("a call"),
            // One that sleeps for ever has no limit.
            Asleep::Call(number) => {
                call = syscalls::name(number);
                syscalls::spoken(&call, false)
            }
        };
        let (who, pid) = (letter(self.letter), self.pid);
        f.write_str(&match self.alarm {
            true => tell!("{who} ({pid}) sleeps in {what}, until its alarm kills it"),
            false => tell!("{who} ({pid}) sleeps in {what}"),
        })
    }
}

/// A line of a story.
#[derive(Clone, Debug)]
pub struct Line {
    /// Whose lane.
    pub letter: usize,
    /// Its number.
    pub pid: i32,
    /// What happened.
    pub moment: Moment,
    /// It only looked at files.
    pub looks: bool,
    /// Of a call: the line of the program's own source, with its path, where that is known.
    pub source: Option<String>,
}

/// What happened.
#[derive(Clone, Debug)]
pub enum Moment {
    /// Another process moves now. `taken`: the one that moved before could have gone on.
    Turn { taken: bool },
    /// A call that has ended or never will, or one in which it sleeps now.
    Call { call: Call, asleep: bool },
    /// An access to memory that is watched, or several that follow each other.
    Touched(Touched),
    /// A signal is delivered.
    /// `fault`: the address that was accessed, of SIGSEGV and SIGBUS.
    Signal {
        signal: c_int,
        code: c_int,
        from: Option<usize>,
        handler: bool,
        ignored: bool,
        fault: Option<u64>,
    },
    /// Time passes.
    Time(Passed),
    /// It makes no call any more, but computes.
    Spins,
    /// It has ended by itself.
    Exit { code: c_int },
    /// A signal has ended it.
    Killed { signal: c_int },
}

/// What an access has to do with the store buffer of its thread.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Buffered {
    No,
    /// A store waits there from now on.
    Enters,
    /// A store leaves it: others see it.
    Leaves,
    /// A load of what waits there.
    Seen,
}

/// What was done with shared memory.
#[derive(Clone, Debug)]
pub struct Touched {
    pub bytes: Bytes,
    pub writes: bool,
    /// By an instruction that locks.
    pub locked: bool,
    pub buffered: Buffered,
    /// By which line of the program, where that is known.
    pub source: Option<String>,
    /// What the bytes hold then; none: the page was opened, and only that is known.
    pub is: Vec<u8>,
}

impl Touched {
    /// `shm 0 +0..+5 <- "hello"`
    pub fn line(&self) -> String {
        let arrow = if self.writes { "<-" } else { "->" };
        let locked = if self.locked { " (locked)" } else { "" };
        let source = self.source.as_ref().map_or(String::new(), |source| format!(" ({source})"));
        let waits = match self.buffered {
            Buffered::No => "",
            Buffered::Enters => ", into its store buffer",
            Buffered::Leaves => ", out of its store buffer",
            Buffered::Seen => ", from its store buffer",
        };
        format!("{} {arrow} {}{locked}{source}{waits}", place(self.bytes), told(&self.is))
    }
}

/// What bytes hold; of a page that was opened it is not known.
fn told(is: &[u8]) -> String {
    if is.is_empty() { "page by page".into() } else { content(is) }
}

/// A run, line by line.
pub type Story = Vec<Line>;

/// A move of a run.
#[derive(Clone, Debug)]
pub struct Step {
    /// Where it begins in the story.
    pub at: usize,
    /// Who moves, and who else could have.
    pub chosen: usize,
    pub could: Vec<Could>,
    /// The turn is taken from one that could have gone on.
    pub taken: bool,
    /// The rows of the kernel's tables that it has changed: as they were, and as they are.
    pub rows: Vec<(Kind, i32, [Option<Row>; 2])>,
    /// What it has printed.
    pub printed: Vec<Piece>,
}

/// One that can move.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Could {
    /// Its place among those that were born.
    pub letter: usize,
    /// It, or time, or its store buffer.
    pub who: Who,
    /// The call that it is about to make.
    pub call: Option<String>,
}
