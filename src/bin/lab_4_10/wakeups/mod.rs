//! Every way to wake a reader thread, put to the test: real processes, real threads, many rounds.
//!
//! The ways that fail do so in an order of events that chance brings seldom. Here it is forced, each
//! time, and that it came about is looked up in /proc, so that no verdict depends on luck or load.
//! The others are measured on the channel itself: on one processor and on two, busy and idle.

use std::fs::File;
use std::io::Write;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::Duration;

use clap::{Arg, ArgAction, ArgMatches, value_parser};
use duplex::waiters::Way;
use indicatif::{ProgressBar, ProgressStyle};
use lablib::print::{self, cell, note, step, text, translated, width};
use lablib::{Failure, Result, exit, say, value};
use nix::unistd::{dup, dup2_stdout};
use serde_json::json;

pub mod apart;
mod forced;
mod measured;
mod outcome;
mod picture;

use outcome::{Figure, Outcome, SITUATIONS, UNDECIDED};

/// Too many processes or threads, or no memory for one more.
fn no_thread(error: std::io::Error) -> Failure {
    Failure::because(say!("a thread could not be made: {error}"))
}

/// What the test can be told.
pub struct Options {
    rounds: u32,
    only: Option<String>,
    watchdog: u64,
    json: bool,
    svg: Option<PathBuf>,
}

/// The arguments.
pub fn arguments() -> [Arg; 5] {
    let long = |name, help| Arg::new(name).long(name).help(help);
    let rounds = long(
        "rounds",
        "Rounds for each way; idle ones, of a millisecond each, are a fifth of that",
    );
    let only = long("way", "This way alone; a name that is none lists them");
    let watchdog =
        long("watchdog", "Seconds after which a way that hangs is ended, and becomes a row");
    [
        rounds.value_name("N").value_parser(value_parser!(u32).range(5..)).default_value("500"),
        only.value_name("WAY"),
        watchdog
            .value_name("SECONDS")
            .value_parser(value_parser!(u64).range(1..))
            .default_value("20"),
        long("json", "Print the result as JSON instead").action(ArgAction::SetTrue),
        long("svg", "Write a picture of the latencies")
            .value_name("FILE")
            .value_parser(value_parser!(PathBuf)),
    ]
}

/// What is put to the test.
#[derive(Clone, Copy)]
enum Test {
    /// An order of events in which the way fails.
    Forced(forced::Scene),
    /// Rounds on the channel.
    Measured(Way),
}

/// Each way, with the part of it that decides, and why the verdict is what it is.
const WAYS: [(&str, Test); 17] = [
    ("pause", Test::Forced(forced::Scene::MainTakesIt)),
    ("pause-in-reader", Test::Forced(forced::Scene::BeforePause)),
    ("notify-in-handler", Test::Forced(forced::Scene::BeforeWait)),
    ("lock-in-handler", Test::Forced(forced::Scene::LockedHandler)),
    ("mutex-as-signal", Test::Forced(forced::Scene::MutexAsSignal)),
    ("mutex", Test::Measured(Way::Mutex)),
    ("handler-post", Test::Measured(Way::HandlerPost)),
    ("suspend", Test::Measured(Way::Suspend)),
    ("sigwait", Test::Measured(Way::SigWait)),
    ("semaphore", Test::Measured(Way::Semaphore)),
    ("semop", Test::Measured(Way::SemOp(-1, 0))),
    ("condition", Test::Measured(Way::Condition)),
    ("futex", Test::Measured(Way::Futex)),
    ("spin", Test::Measured(Way::Spin)),
    ("yield", Test::Measured(Way::Yield)),
    ("adaptive", Test::Measured(Way::Adaptive)),
    ("cpu-aware", Test::Measured(Way::CpuAware)),
];

/// Where --json prints: standard output as it was. From now on it takes nothing else.
static JSON: OnceLock<OwnedFd> = OnceLock::new();

impl Options {
    /// What was asked for.
    pub fn of(words: &ArgMatches) -> Options {
        Options {
            rounds: value(words, "rounds"),
            only: words.get_one("way").cloned(),
            watchdog: value(words, "watchdog"),
            json: words.get_flag("json"),
            svg: words.get_one("svg").cloned(),
        }
    }

    /// With --json, keeps everything but the JSON away from standard output. Before anything is printed.
    pub fn keep_quiet(&self) -> Result<()> {
        if self.json {
            let trouble = |error: std::io::Error| Failure::because(format!("/dev/null: {error}"));
            let (out, null) =
                (dup(std::io::stdout()), File::options().write(true).open("/dev/null"));
            dup2_stdout(null.map_err(trouble)?).map_err(Failure::of("dup2"))?;
            // It is set once: the first time is the only one.
            let _ = JSON.set(out.map_err(Failure::of("dup"))?);
        }
        Ok(())
    }
}

fn print_json(value: &serde_json::Value) -> Result<()> {
    let trouble = |error: std::io::Error| Failure::because(say!("standard output: {}", error));
    let out = JSON.get().ok_or_else(|| Failure::because("nowhere to print to"))?;
    let mut out = File::from(out.try_clone().map_err(trouble)?);
    out.write_all(format!("{value:#}\n").as_bytes()).map_err(trouble)
}

/// Runs every way, and prints what came out.
pub fn put_to_the_test(options: &Options) -> Result<()> {
    let wanted: Vec<_> = WAYS
        .into_iter()
        .filter(|(name, _)| options.only.as_deref().is_none_or(|only| only == *name))
        .collect();
    if wanted.is_empty() {
        let names = WAYS.map(|(name, _)| name).join(", ");
        let why = say!("no such way; there are: {names}");
        return Err(Failure::Because(exit::USAGE, why));
    }
    step(1, "Every way to wake a reader thread")?;
    let bar = ProgressBar::new(wanted.len() as u64);
    let style = ProgressStyle::with_template("  {bar:40} {pos} of {len}  {msg}");
    bar.set_style(style.map_err(|error| Failure::because(error.to_string()))?);
    let run = || {
        let mut outcomes = vec![];
        for &(name, test) in &wanted {
            bar.set_message(name);
            let outcome = match test {
                Test::Forced(scene) => forced::run(name, scene, options.rounds)?,
                Test::Measured(way) => {
                    let watchdog = Duration::from_secs(options.watchdog);
                    measured::run(name, way, options.rounds, watchdog)?
                }
            };
            outcomes.push(outcome);
            bar.inc(1);
        }
        bar.finish_and_clear();
        if options.json {
            print_json(&json(&outcomes))?;
        } else {
            table(&outcomes);
        }
        if let Some(file) = &options.svg {
            picture::write(file, &outcomes)?;
        }
        undecided(&outcomes)
    };
    print::bulk(run)
}

/// A way that did not do what the note of section 4.10 teaches is a failure of the lab.
fn undecided(outcomes: &[Outcome]) -> Result<()> {
    match outcomes.iter().find(|outcome| outcome.verdict == UNDECIDED) {
        None => Ok(()),
        Some(Outcome { way, reason, .. }) => {
            Err(Failure::because(say!("{way}: undecided: {reason}")))
        }
    }
}

fn table(outcomes: &[Outcome]) {
    text("microseconds from one side's send to the other's receive: p50/p99");
    let situations = SITUATIONS.map(|situation| translated(situation.name).to_string());
    text(row(translated("way"), translated("rounds"), translated("lost"), &situations));
    for Outcome { way, rounds, lost, figures, verdict, reason } in outcomes {
        let cell = |figure: &Option<Figure>| {
            figure.map_or("-".into(), |f| format!("{}/{}", micros(f.p50), micros(f.p99)))
        };
        let cells: Vec<String> = figures.iter().map(cell).collect();
        text(row(way, &rounds.to_string(), &lost.to_string(), &cells));
        let longest = figures.iter().flatten().map(|figure| figure.max).max();
        let longest = longest.map_or(String::new(), |max| say!("; at most {} us", micros(max)));
        let (verdict, reason) = (translated(verdict), translated(reason));
        note(format!("{verdict}: {reason}{longest}"));
    }
}

fn row(way: &str, rounds: &str, lost: &str, cells: &[String]) -> String {
    let right = |text: &str, columns| format!("{}{text}", cell("", columns - width(text)));
    let cells: String = cells.iter().map(|text| right(text, 12)).collect();
    let numbers = right(rounds, 6) + &right(lost, 6) + &cells;
    (cell(way, 17) + &numbers).trim_end().to_string()
}

/// Nanoseconds as microseconds, with as many digits as mean something.
pub fn micros(nanos: u64) -> String {
    match nanos as f64 / 1e3 {
        few @ ..10.0 => format!("{few:.2}"),
        some @ ..100.0 => format!("{some:.1}"),
        many => format!("{many:.0}"),
    }
}

fn json(outcomes: &[Outcome]) -> serde_json::Value {
    let figures = |outcome: &Outcome| -> serde_json::Map<String, serde_json::Value> {
        let all = SITUATIONS.iter().zip(&outcome.figures);
        all.filter_map(|(situation, figure)| {
            let Figure { p50, p99, max } = (*figure)?;
            let figure = json!({ "p50_ns": p50, "p99_ns": p99, "max_ns": max });
            Some((situation.name.to_string(), figure))
        })
        .collect()
    };
    let one = |outcome: &Outcome| {
        json!({
            "way": outcome.way, "rounds": outcome.rounds, "lost": outcome.lost,
            "verdict": outcome.verdict, "reason": outcome.reason, "latency": figures(outcome),
        })
    };
    json!(outcomes.iter().map(one).collect::<Vec<_>>())
}
