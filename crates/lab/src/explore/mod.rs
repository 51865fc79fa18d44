//! `lab explore`: runs real programs again and again, and tries every order in which their visible
//! calls can happen. See notes/every-order.md.
//!
//! | module | what it holds |
//! |---|---|
//! | [`search`] | which order is tried next; knows nothing of processes |
//! | [`footprint`] | which moves may change places, so that one of the two orders is enough |
//! | [`schedule`] | an order as a short string |
//! | [`room`] | the namespaces in which the programs run |
//! | [`places`] | /tmp, /dev/shm and the network, likewise |
//! | [`timing`] | what calls about timers ask, and are answered |
//! | [`tables`] | their System V tables, emptied before each run |
//! | [`held`] | programs that are held after their start, and copied for each run |
//! | [`beside`] | a second worker, where a second CPU is idle |
//! | [`elsewhere`] | files that a run may change where others find them |
//! | [`run`] | one run, in which only one process moves at a time |
//! | [`calls`] | the calls at which one can be overtaken |
//! | [`descriptors`] | what descriptors stand for |
//! | [`outcomes`] | what came out, how often, and the shortest way there |
//! | [`verdict`] | what is found |
//! | [`printed`] | what they print |
//! | [`cause`] | the moment that decided, and the cure |
//! | [`progress`] | what a terminal shows meanwhile |
//! | [`report`] | the answer, for people and as JSON |
//! | [`judged`] | a program for a judge: what it does in every order, and when it is disturbed |
//! | [`orders`], [`next`] | how the orders from a place end, and what each next move leads to |
//! | [`staged`], [`scene`] | a run in which somebody else chooses who moves, and sees how it stands |
//! | [`hints`] | what was ordered, and which accesses nothing orders |
//! | [`events`] | a run as events, as `lab trace` has them |
//! | [`mapped`] | every place of the program, for `--tree` |
//! | [`fold`] | a long story, without its repetitions |

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use nix::errno::Errno;

#[cfg(target_arch = "x86_64")]
mod beside;
#[cfg(target_arch = "x86_64")]
mod calls;
#[cfg(target_arch = "x86_64")]
mod cause;
#[cfg(target_arch = "x86_64")]
mod descriptors;
#[cfg(target_arch = "x86_64")]
mod elsewhere;
#[cfg(target_arch = "x86_64")]
mod events;
#[cfg(target_arch = "x86_64")]
mod fold;
mod footprint;
#[cfg(target_arch = "x86_64")]
mod held;
#[cfg(target_arch = "x86_64")]
mod hints;
#[cfg(target_arch = "x86_64")]
pub mod judged;
#[cfg(target_arch = "x86_64")]
mod mapped;
#[cfg(target_arch = "x86_64")]
mod next;
#[cfg(target_arch = "x86_64")]
mod orders;
#[cfg(target_arch = "x86_64")]
mod outcomes;
#[cfg(target_arch = "x86_64")]
mod places;
#[cfg(target_arch = "x86_64")]
mod printed;
#[cfg(target_arch = "x86_64")]
mod progress;
#[cfg(target_arch = "x86_64")]
mod report;
#[cfg(target_arch = "x86_64")]
mod room;
#[cfg(target_arch = "x86_64")]
mod run;
#[cfg(target_arch = "x86_64")]
mod scene;
mod schedule;
mod search;
#[cfg(target_arch = "x86_64")]
pub mod staged;
#[cfg(target_arch = "x86_64")]
mod tables;
#[cfg(target_arch = "x86_64")]
mod timing;
#[cfg(target_arch = "x86_64")]
mod verdict;

use schedule::Schedule;
use search::Bound;

/// Try every order in which the calls of a program's processes can happen
#[derive(Args)]
pub struct Options {
    /// Allow at most N preemptions in a schedule; `unbounded`: any number
    #[arg(long, value_name = "N", default_value = "2", value_parser = preemptions)]
    preemptions: Bound,
    /// Instead: at most N times another process than the first in line moves; for programs with many threads
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(..1000), conflicts_with = "preemptions")]
    delays: Option<u32>,
    /// Start the programs N times at most
    #[arg(long, value_name = "N", default_value_t = 20_000, value_parser = clap::value_parser!(u64).range(1..))]
    max: u64,
    /// Stop at the first finding
    #[arg(long)]
    first: bool,
    /// Run one schedule, and print what happens
    #[arg(long, value_name = "SCHEDULE")]
    replay: Option<Schedule>,
    /// All that standard output must be: a file, or the text, in which \n ends a line. The lines of each process in
    /// their order, those of different processes in any; anything else is a finding
    #[arg(long, value_name = "TEXT|FILE")]
    expect: Option<String>,
    /// Also tell apart how the output of several processes interleaves
    #[arg(long)]
    interleaving: bool,
    /// One JSON object a line (notes/events.md)
    #[arg(long)]
    json: bool,
    /// Also write every place that the orders lead to, and every choice there, for others to read
    /// (notes/events.md)
    #[arg(long, value_name = "FILE", conflicts_with_all = ["replay", "delays", "first"])]
    tree: Option<PathBuf>,
    /// Another program that runs at the same time; may be given again
    #[arg(long = "and", value_name = "OTHER COMMAND", value_parser = words)]
    others: Vec<Words>,
    /// Also try orders that cannot lead to another result
    #[arg(long)]
    all: bool,
    /// Order calls alone, and no access to memory that is shared: faster
    #[arg(long)]
    calls_only: bool,
    /// Use a second CPU, or do not (1); without this option, where another CPU is idle. The answer is the same
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=2), conflicts_with = "spread")]
    workers: Option<u32>,
    /// Let stores wait in a buffer before other processes see them, as on x86 (total store order)
    #[arg(long, conflicts_with = "calls_only")]
    tso: bool,
    /// Let tracer and traced use all CPUs: slower
    #[arg(long)]
    spread: bool,
    /// The program, and behind it its own arguments; `--` may stand before it
    #[arg(required = true, trailing_var_arg = true, value_name = "PROGRAM")]
    program: Vec<OsString>,
}

impl Options {
    /// Is what it says for people?
    pub fn for_people(&self) -> bool {
        !self.json
    }

    /// Of a part of `lab` that explores by itself, with one worker.
    #[cfg(target_arch = "x86_64")]
    fn of(program: Vec<OsString>, preemptions: Bound) -> Options {
        Options {
            preemptions,
            delays: None,
            max: 20_000,
            first: false,
            replay: None,
            expect: None,
            interleaving: false,
            json: true,
            tree: None,
            others: vec![],
            all: false,
            calls_only: false,
            workers: Some(1),
            tso: false,
            spread: false,
            program,
        }
    }

    fn bound(&self) -> Bound {
        self.delays.map_or(self.preemptions, Bound::Delays)
    }
}

fn preemptions(text: &str) -> std::result::Result<Bound, String> {
    match text {
        "unbounded" => Ok(Bound::Unbounded),
        _ => match text.parse() {
            Ok(n) if n < u32::MAX => Ok(Bound::Preemptions(n)),
            _ => Err("give a number, or unbounded".into()),
        },
    }
}

/// A command and its arguments.
#[derive(Clone, Debug)]
pub struct Words(pub Vec<OsString>);

/// What a command line says, as a shell would split it.
pub fn words(text: &str) -> std::result::Result<Words, String> {
    let words = shell_words::split(text).map_err(|error| error.to_string())?;
    let words: Vec<OsString> = words.into_iter().map(OsString::from).collect();
    if words.is_empty() { Err("it is empty".into()) } else { Ok(Words(words)) }
}

/// A wait for a process that spins ends after so many microseconds.
#[cfg(target_arch = "x86_64")]
const TICK: i64 = 4000;

/// What the exit codes mean.
#[allow(missing_docs)]
pub mod exit {
    pub const NONE: u8 = 0;
    pub const FOUND: u8 = 1;
    pub const USAGE: u8 = 2;
    pub const INCOMPLETE: u8 = 3;
}

/// Why there is no answer.
#[derive(Debug)]
pub enum Trouble {
    /// A signal asks us to stop.
    Signal(i32),
    /// A number that a process was to get is not free yet.
    Taken,
    /// One line.
    Because(u8, String),
}

type Result<T> = std::result::Result<T, Trouble>;

impl Trouble {
    fn because(why: impl Into<String>) -> Trouble {
        Trouble::Because(exit::INCOMPLETE, why.into())
    }

    /// For `map_err`: `call` is what failed.
    fn of(call: &'static str) -> impl FnOnce(Errno) -> Trouble {
        move |errno| Trouble::because(format!("{call}: {}", sysv::spell::errno(errno)))
    }
}

/// One line on standard error. What a thread beside the first one would say, the first one says.
fn complain(text: &str) {
    if crate::asked::is_beside() {
        return;
    }
    crate::view::complain_as("lab explore", text);
}

/// Explores, answers, and says by the exit code what was found.
#[cfg(target_arch = "x86_64")]
pub fn explore(options: &Options) -> ExitCode {
    ExitCode::from(match session::explore(options) {
        Ok(code) => code,
        Err(Trouble::Signal(signal)) => 128 + signal as u8,
        Err(Trouble::Taken) => {
            complain("the program could not be started: no number is free");
            exit::INCOMPLETE
        }
        Err(Trouble::Because(code, why)) => {
            complain(&why);
            code
        }
    })
}

/// Elsewhere the rewind is not tested.
#[cfg(not(target_arch = "x86_64"))]
pub fn explore(_: &Options) -> ExitCode {
    complain("works only on x86-64 so far; lab trace works here");
    ExitCode::from(exit::USAGE)
}

#[cfg(target_arch = "x86_64")]
mod session;
