//! Rows, medians, ratios, and notes/performance.md.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::process::Command;

use crate::pair::Measured;

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
    fn spell(self, ns: f64) -> String {
        match self {
            Unit::Rate => format!("{:.1} M/s", 1e3 / ns),
            Unit::Bytes(len) => format!("{:.1} GB/s", len as f64 / ns),
            Unit::Count => format!("{ns:.0}"),
            _ if ns < 1000.0 => format!("{ns:.0} ns"),
            _ => format!("{:.1} us", ns / 1e3),
        }
    }
}

/// All rounds of all rows.
pub struct Results {
    rows: Vec<(&'static str, &'static str, Unit)>,
    numbers: BTreeMap<&'static str, Vec<f64>>,
    cpu: BTreeMap<&'static str, Vec<f64>>,
}

fn median(numbers: &[f64]) -> f64 {
    let mut sorted = numbers.to_vec();
    sorted.sort_by(f64::total_cmp);
    let half = sorted.len() / 2;
    if sorted.len() % 2 == 1 { sorted[half] } else { (sorted[half - 1] + sorted[half]) / 2.0 }
}

impl Results {
    /// Measures every row once in each round, one after the other, so that what disturbs the machine
    /// disturbs all.
    pub fn measure(mut rows: Vec<Row>, rounds: usize) -> Results {
        let mut results = Results {
            rows: rows.iter().map(|row| (row.group, row.name, row.unit)).collect(),
            numbers: BTreeMap::new(),
            cpu: BTreeMap::new(),
        };
        for round in 1..=rounds {
            eprintln!("round {round} of {rounds}");
            for row in &mut rows {
                let began = std::time::Instant::now();
                let Measured { number, cpu } = (row.measure)();
                if began.elapsed().as_secs() > 0 {
                    eprintln!("{}: took {:?}", row.name, began.elapsed());
                }
                results.numbers.entry(row.name).or_default().push(number);
                results.cpu.entry(row.name).or_default().push(cpu);
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

    /// As a table for each group.
    pub fn tables(&self) -> String {
        let mut text = String::new();
        let mut last = "";
        for &(group, name, unit) in &self.rows {
            let timed = unit == Unit::Time;
            if group != last {
                let (cpu, rule) = if timed { (" CPU time of both |", "---|") } else { ("", "") };
                let _ = write!(text, "\n### {group}\n\n| | median | best | worst |{cpu}\n");
                let _ = writeln!(text, "|---|---|---|---|{rule}");
            }
            last = group;
            let numbers = &self.numbers[name];
            let best = numbers.iter().copied().fold(f64::MAX, f64::min);
            let worst = numbers.iter().copied().fold(0.0, f64::max);
            let [middle, best, worst] = [median(numbers), best, worst].map(|n| unit.spell(n));
            let cpu = if timed {
                format!(" {} |", unit.spell(median(&self.cpu[name])))
            } else {
                "".into()
            };
            let name = name.split(": ").last().unwrap_or(name);
            let _ = writeln!(text, "| {name} | {middle} | {best} | {worst} |{cpu}");
        }
        text
    }
}

/// The machine, in two lines.
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
        "{} (family {}, model {}), {cpus} CPUs{virtual_}; Linux {};\n{}; load before the run {}",
        field("model name"),
        field("cpu family"),
        field("model\t"),
        said("uname", "-r"),
        said("rustc", "--version"),
        load.split(' ').next().unwrap_or("?"),
    )
}
