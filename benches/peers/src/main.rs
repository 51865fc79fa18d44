//! make bench: the channel of 4.10 beside what the kernel and well-kept libraries offer.
//!
//! Two processes for each row, all rows once in every round, ratios from within one round. Writes
//! notes/performance.md when it has measured everything.

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Instant;

use crate::pair::FIFO;
use crate::report::{Results, machine};

mod kernel;
mod limits;
mod lines;
mod load;
mod others;
mod ours;
mod pair;
mod picture;
mod report;
mod rows;
mod talk;
mod tried;
mod verdicts;

const USAGE: &str = "usage: peers [--rounds N] [--fifo] [--only WORD] [--write FILE] [--svg FILE]";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let mut words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    if let ["lines", how, n] = words[..] {
        return lines::run(how, n.parse().expect("a count"));
    }
    let (mut rounds, mut only, mut write, mut svg) = (None, None, None, None);
    let fifo = words.contains(&"--fifo");
    words.retain(|word| *word != "--fifo");
    FIFO.store(fifo, SeqCst);
    for pair in words.chunks(2) {
        match *pair {
            ["--rounds", n] if n.parse::<usize>().is_ok_and(|n| n > 0) => {
                rounds = n.parse().ok();
            }
            ["--only", word] => only = Some(word),
            ["--svg", file] => svg = Some(PathBuf::from(file)),
            ["--write", file] => write = Some(PathBuf::from(file)),
            _ => {
                eprintln!("{USAGE}");
                return ExitCode::from(2);
            }
        }
    }
    // What lablib prints about its calls is not wanted here.
    let null = fs::File::options().write(true).open("/dev/null").expect("/dev/null");
    let out = nix::unistd::dup(std::io::stdout()).expect("dup");
    nix::unistd::dup2_stdout(&null).expect("dup2");
    lablib::child::enter_own_ipc().expect("an IPC namespace: run it as root");
    iceoryx2::prelude::set_log_level(iceoryx2::prelude::LogLevel::Fatal);
    let dir = std::env::temp_dir().join(format!("shm-workbook-bench-{}", std::process::id()));
    fs::create_dir(&dir).expect("a folder");
    let machine = machine();
    let began = Instant::now();
    let mut rows = rows::rows(&dir);
    rows.retain(|row| only.is_none_or(|word| row.name.contains(word)));
    let results = Results::measure(rows, rounds);
    fs::remove_dir_all(&dir).expect("our folder");
    let text = page(&machine, &command(&arguments), &results);
    eprintln!("measured in {} s", began.elapsed().as_secs());
    if let Some(file) = svg {
        fs::write(file, picture::picture(&results)).expect("the picture");
    }
    match write {
        Some(file) => fs::write(file, text).expect("the page"),
        None => drop(nix::unistd::write(out, text.as_bytes())),
    }
    ExitCode::SUCCESS
}

/// What was typed: make has put the files before it.
fn command(arguments: &[String]) -> String {
    let mut typed: Vec<&str> = arguments.iter().map(String::as_str).collect();
    if let ["--write", _, "--svg", _, ..] = typed[..] {
        typed.drain(..4);
    }
    if typed.is_empty() {
        return "make bench".into();
    }
    format!("make bench ARGS='{}'", typed.join(" "))
}

fn page(machine: &str, command: &str, results: &Results) -> String {
    let (rounds, tables) = (results.rounds, results.tables());
    let (limits, others) = (verdicts::beside_limits(results), verdicts::beside_others(results));
    let why = include_str!("why.md");
    let truths = include_str!("truths.md");
    let class = if FIFO.load(SeqCst) {
        "\n\n`--fifo`: the measured processes run before all others (SCHED_FIFO), because other work was \
         running: the load is above."
    } else {
        ""
    };
    format!(
        "# What the channel costs, beside others\n\n\
         Written by `make bench`; edit benches/peers, not this page.\n\n\
         Machine: {machine}.\n\nCommand: `{command}`. {rounds} rounds; each row is measured one to three times in each \
         round,\nand the median counts. Two processes, unless a row says otherwise.\nA ratio is the median of the ratios \
         within the rounds.{class}\n\n## Beside the limit\n\n\
         ![The main rows beside their limits](../images/4.10-limits.svg)\n\n{limits}\n{why}\n\
         ## Beside others\n\n{others}\n## All rows\n{tables}\n{truths}"
    )
}
