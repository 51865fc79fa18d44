//! `lab`: watches any program from outside. It knows nothing of the labs: it sees system calls,
//! signals, forks, threads, and what is written, of any program in any language.
//!
//! | module | what it holds |
//! |---|---|
//! | [`event`] | what happens in the programs that are watched |
//! | [`tracer`] | the low level, over ptrace: stops in, resumes out |
//! | [`trace`], [`watch`] | `lab trace`: everybody moves, and everything is shown |
//! | [`objects`] | the kernel's tables, before and after |
//! | [`explain`] | what an event means, and the section that explains it |
//! | [`view`] | events as text and as JSON |
//! | [`doctor`] | `lab doctor`: what this machine allows |

use std::process::ExitCode;

use clap::{Parser, Subcommand};

mod doctor;
#[allow(dead_code, reason = "a part of what it offers is for the explorer")]
mod event;
mod explain;
mod objects;
mod trace;
#[allow(dead_code, reason = "a part of what it offers is for the explorer")]
mod tracer;
mod view;
mod watch;

/// Watches any program from outside: its System V IPC calls, its signals and its waits
#[derive(Parser)]
#[command(name = "lab", args_conflicts_with_subcommands = true)]
struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    Trace(trace::Trace),
    /// Say what this machine allows, what that means, and how to mend it
    Doctor,
}

fn main() -> ExitCode {
    match Arguments::parse().what {
        What::Trace(trace) => trace::run(&trace),
        What::Doctor => doctor::run(),
    }
}
