//! Rows, medians, ratios, and notes/performance.md.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::Command;
use std::sync::atomic::Ordering::SeqCst;
use std::thread;
use std::time::{Duration, Instant};

use crate::pair::{FIFO, Measured};

/// One row: what it is, the unit in which it is told, and how it is measured.
pub struct Row {
    pub group: &'static str,
    pub name: &'static str,
    pub unit: Unit,
    pub measure: Box<dyn FnMut() -> Measured>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Nanoseconds or microseconds a round trip, and CPU time.
    Time,
    /// The same, and the tail.
    Tail,
    /// Nanoseconds a message.
    Each,
    /// Million messages a second.
    Rate,
    /// GB/s, of messages of so many bytes.
    Bytes(usize),
    /// A number.
    Count,
}

impl Unit {
    pub fn spell(self, ns: f64) -> String {
        match self {
            Unit::Rate => format!("{:.1} M/s", 1e3 / ns),
            Unit::Bytes(len) => format!("{:.1} GB/s", len as f64 / ns),
            Unit::Count => format!("{ns:.0}"),
            _ if ns < 100.0 => format!("{ns:.1} ns"),
            _ if ns < 1000.0 => format!("{ns:.0} ns"),
            _ if ns >= 1e6 => format!("{:.1} ms", ns / 1e6),
            _ => format!("{:.1} us", ns / 1e3),
        }
    }
}

/// All rounds of all rows.
pub struct Results {
    rows: Vec<(&'static str, &'static str, Unit)>,
    numbers: BTreeMap<&'static str, Vec<f64>>,
    cpu: BTreeMap<&'static str, Vec<f64>>,
    tails: BTreeMap<&'static str, [Vec<f64>; 2]>,
    /// How often each row was measured.
    pub rounds: usize,
}

/// `make bench` takes three minutes at most.
const TIME: Duration = Duration::from_secs(170);

/// A row is measured again in the same round until it has taken so long, but not more than three times.
const BRIEF: Duration = Duration::from_millis(60);

/// Not every other one ends each time, when other work is running; a second time it must.
fn once(row: &mut Row) -> Measured {
    catch_unwind(AssertUnwindSafe(|| (row.measure)())).unwrap_or_else(|_| {
        eprintln!("{}: failed, and is measured again", row.name);
        (row.measure)()
    })
}

/// One to three measurements, and of each number the median.
fn several(row: &mut Row) -> Measured {
    let (began, mut all) = (Instant::now(), vec![]);
    while all.len() < 3 && (all.is_empty() || began.elapsed() < BRIEF) {
        all.push(once(row));
    }
    let middle = |of: &dyn Fn(&Measured) -> f64| median(&all.iter().map(of).collect::<Vec<_>>());
    let tail = [middle(&|one| one.tail[0]), middle(&|one| one.tail[1])];
    Measured { number: middle(&|one| one.number), cpu: middle(&|one| one.cpu), tail }
}

fn median(numbers: &[f64]) -> f64 {
    let mut sorted = numbers.to_vec();
    sorted.sort_by(f64::total_cmp);
    let half = sorted.len() / 2;
    if sorted.len() % 2 == 1 { sorted[half] } else { (sorted[half - 1] + sorted[half]) / 2.0 }
}

impl Results {
    /// Measures every row in each round, one after the other, so that what disturbs the machine disturbs
    /// all. Without a number of rounds: as many as fit in [`TIME`], but five at most.
    pub fn measure(mut rows: Vec<Row>, rounds: Option<usize>) -> Results {
        let mut results = Results {
            rows: rows.iter().map(|row| (row.group, row.name, row.unit)).collect(),
            numbers: BTreeMap::new(),
            cpu: BTreeMap::new(),
            tails: BTreeMap::new(),
            rounds: 0,
        };
        let (began, most) = (Instant::now(), rounds.unwrap_or(5));
        for round in 1..=most {
            let a_round = began.elapsed() / (round as u32 - 1).max(1);
            if rounds.is_none() && began.elapsed() + a_round > TIME {
                eprintln!("no time for round {round}");
                break;
            }
            eprintln!("round {round} of {most}");
            results.rounds = round;
            for row in &mut rows {
                let began = Instant::now();
                let Measured { number, cpu, tail } = several(row);
                if FIFO.load(SeqCst) {
                    // What other work there is must go on, too.
                    thread::sleep(began.elapsed() / 2);
                }
                results.numbers.entry(row.name).or_default().push(number);
                results.cpu.entry(row.name).or_default().push(cpu);
                for (all, one) in results.tails.entry(row.name).or_default().iter_mut().zip(tail) {
                    all.push(one);
                }
            }
        }
        results
    }

    /// The median of `one / other`, each pair from one round.
    pub fn ratio(&self, one: &str, other: &str) -> Option<f64> {
        let (one, other) = (self.numbers.get(one)?, self.numbers.get(other)?);
        Some(median(&one.iter().zip(other).map(|(one, other)| one / other).collect::<Vec<_>>()))
    }

    pub fn median(&self, name: &str) -> Option<f64> {
        self.numbers.get(name).map(|numbers| median(numbers))
    }

    /// A part of a row's median, as its tables spell it; a rate as the time of a message.
    pub fn spelled(&self, name: &str, part: f64) -> Option<String> {
        Some(Unit::Each.spell(part * self.median(name)?))
    }

    /// As a table for each group.
    pub fn tables(&self) -> String {
        let mut text = String::new();
        let mut last = "";
        for &(group, name, unit) in &self.rows {
            if group != last {
                let columns: &[&str] = match unit {
                    Unit::Time => &["median", "best", "worst", "CPU time of both"],
                    Unit::Tail => &["median", "99 %", "99.9 %", "CPU time of both"],
                    _ => &["median", "best", "worst"],
                };
                let rule = "|---".repeat(columns.len() + 1);
                let _ = writeln!(text, "\n### {group}\n\n| | {} |\n{rule}|", columns.join(" | "));
            }
            last = group;
            let numbers = &self.numbers[name];
            let best = numbers.iter().copied().fold(f64::MAX, f64::min);
            let worst = numbers.iter().copied().fold(0.0, f64::max);
            let cpu = median(&self.cpu[name]);
            let [one, two] = &self.tails[name];
            let cells = match unit {
                Unit::Time => vec![median(numbers), best, worst, cpu],
                Unit::Tail => vec![median(numbers), median(one), median(two), cpu],
                _ => vec![median(numbers), best, worst],
            };
            let cells: Vec<String> = cells.into_iter().map(|ns| unit.spell(ns)).collect();
            let _ = writeln!(text, "| {} | {} |", title(name), cells.join(" | "));
        }
        text
    }
}

/// A row's name as it is printed: without its tag.
pub fn title(name: &str) -> &str {
    name.split_once(": ").map_or(name, |(_, title)| title)
}

/// The machine, in some lines.
pub fn machine() -> String {
    let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let field = |name: &str| {
        let line = cpuinfo.lines().find(|line| line.starts_with(name)).unwrap_or_default();
        line.split(": ").nth(1).unwrap_or("?").to_string()
    };
    let said = |program: &str, argument: &str| {
        let output = Command::new(program).arg(argument).output();
        output.map_or("?".into(), |o| String::from_utf8_lossy(&o.stdout).trim().to_string())
    };
    let virtual_ = if cpuinfo.contains(" hypervisor") { ", a virtual machine" } else { "" };
    let cpus = std::thread::available_parallelism().map_or(0, usize::from);
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    format!(
        "{} (family {}, model {}), {cpus} CPUs{virtual_}; Linux {};\n{}; load before the run {};\n{}",
        field("model name"),
        field("cpu family"),
        field("model\t"),
        said("uname", "-r"),
        said("rustc", "--version"),
        load.split(' ').next().unwrap_or("?"),
        instructions(&cpuinfo),
    )
}

/// Which instructions for waiting and for cache lines there are.
fn instructions(cpuinfo: &str) -> String {
    let all = [
        ("3dnowprefetch", "PREFETCHW"),
        ("cldemote", "CLDEMOTE"),
        ("waitpkg", "UMWAIT and TPAUSE"),
        ("mwaitx", "MWAITX"),
    ];
    let flag = |flag: &str| cpuinfo.split_whitespace().any(|word| word == flag);
    let (there, not): (Vec<_>, Vec<_>) = all.into_iter().partition(|(name, _)| flag(name));
    let list = |all: Vec<(&str, &str)>| all.iter().map(|one| one.1).collect::<Vec<_>>().join(", ");
    format!("it has: {}; it has not: {}", list(there), list(not))
}
