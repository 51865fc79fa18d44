//! `lab`: watches any program from outside. It knows nothing of the labs: it sees system calls,
//! signals, forks, threads, and what is written, of any program in any language.
//!
//! | module | what it holds |
//! |---|---|
//! | [`asked`] | what asks us to stop, and the tick that ends our waits |
//! | [`event`] | what happens in the programs that are watched |
//! | [`tracer`] | the low level, over ptrace: stops in, resumes out |
//! | [`syscalls`] | what is known of each call, in one table |
//! | [`trace`] | `lab trace`: all processes run, and everything is shown |
//! | [`memory`] | what orders accesses to shared memory |
//! | [`view`] | events as text and as JSON |
//! | [`explore`] | `lab explore`: one process moves at a time, and every order is tried |
//! | [`check`] | `lab check`: judges what a student has written, by what it does |
//! | [`grade`] | `lab grade`: judges the submissions of a class, each in a process of its own |
//! | [`stage`] | `lab stage`: somebody chooses who moves |
//! | [`page`] | `lab page`: a run or a tree for a browser |
//! | [`tree`] | every place of a program, as a file: written by the one, read by others |
//! | [`doctor`] | `lab doctor`: what this machine allows |

use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{Parser, Subcommand};
use screen::words;

mod asked;
#[cfg(target_arch = "x86_64")]
mod check;
mod doctor;
mod event;
#[cfg(target_arch = "x86_64")]
mod exam;
mod explore;
#[cfg(target_arch = "x86_64")]
mod grade;
mod memory;
#[cfg(target_arch = "x86_64")]
mod page;
#[cfg(target_arch = "x86_64")]
mod stage;
mod syscalls;
mod trace;
mod tracer;
mod tree;
mod view;

/// Watches any program from outside: its System V IPC calls, its signals and its waits
#[derive(Parser)]
#[command(name = "lab", args_conflicts_with_subcommands = true, max_term_width = 80)]
struct Arguments {
    #[command(subcommand)]
    what: Verb,
}

#[derive(Subcommand)]
enum Verb {
    Trace(trace::Trace),
    /// Try every order in which the calls of a program's processes can happen
    Explore(explore::Options),
    Tree(tree::Options),
    #[cfg(target_arch = "x86_64")]
    Stage(stage::Options),
    #[cfg(target_arch = "x86_64")]
    Exam(exam::Options),
    Page(page::Options),
    #[cfg(target_arch = "x86_64")]
    Check(check::Options),
    #[cfg(target_arch = "x86_64")]
    Grade(grade::Options),
    #[cfg(target_arch = "x86_64")]
    Hint(check::hints::Hint),
    #[cfg(target_arch = "x86_64")]
    Solution(check::hints::Solution),
    /// Say what this machine allows, what that means, and how to mend it
    Doctor,
}

/// What the tool says, in Chinese.
const CHINESE: &str = include_str!("../zh.txt");

impl Verb {
    /// Is what it says for people? What programs read is the same in every language.
    fn is_for_people(&self) -> bool {
        match self {
            Verb::Trace(trace) => trace.for_people(),
            Verb::Explore(options) => options.for_people(),
            #[cfg(target_arch = "x86_64")]
            Verb::Check(options) => options.for_people(),
            #[cfg(target_arch = "x86_64")]
            Verb::Hint(_) | Verb::Solution(_) | Verb::Stage(_) => true,
            _ => false,
        }
    }
}

fn main() -> ExitCode {
    words::own(CHINESE);
    let arguments = Arguments::try_parse();
    if !arguments.as_ref().is_ok_and(|arguments| arguments.what.is_for_people()) {
        words::stay_english();
    }
    match arguments.map(|arguments| arguments.what) {
        Ok(Verb::Trace(trace)) => trace::run(&trace),
        Ok(Verb::Explore(options)) => explore::explore(&options),
        Ok(Verb::Tree(options)) => tree::run(&options),
        #[cfg(target_arch = "x86_64")]
        Ok(Verb::Stage(options)) => stage::run(&options),
        #[cfg(target_arch = "x86_64")]
        Ok(Verb::Exam(options)) => exam::run(&options),
        Ok(Verb::Page(options)) => page::run(&options),
        #[cfg(target_arch = "x86_64")]
        Ok(Verb::Check(options)) => check::run(&options),
        #[cfg(target_arch = "x86_64")]
        Ok(Verb::Grade(options)) => grade::run(&options),
        #[cfg(target_arch = "x86_64")]
        Ok(Verb::Hint(options)) => check::hints::hint(&options),
        #[cfg(target_arch = "x86_64")]
        Ok(Verb::Solution(options)) => check::hints::solution(&options),
        Ok(Verb::Doctor) => doctor::run(),
        Err(help) if help.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            // If this fails, there is no place left for a message; the same holds below.
            let _ = help.print();
            ExitCode::from(2)
        }
        Err(error) if error.use_stderr() => {
            let text = error.render().to_string();
            let lines = text.trim_start_matches("error: ").lines().map(str::trim);
            let why: Vec<&str> = lines.take_while(|line| !line.is_empty()).collect();
            view::complain(&format!("{}; see --help", why.join(" ")));
            ExitCode::from(2)
        }
        Err(help) => {
            let _ = help.print();
            ExitCode::SUCCESS
        }
    }
}
