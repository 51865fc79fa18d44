//! `lab`: watches any program from outside. It knows nothing of the labs: it sees system calls,
//! signals, forks, threads, and what is written, of any program in any language.

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[allow(dead_code, reason = "a part of what it offers is for the explorer")]
mod event;
mod explore;
#[allow(dead_code, reason = "a part of what it offers is for the explorer")]
mod tracer;

/// Watches any program: its System V IPC calls, signals and waits
#[derive(Parser)]
#[command(name = "lab")]
struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Try every order in which the calls of a program's processes can happen
    Explore(explore::Options),
    /// Show what a program does
    Trace {
        /// The program and its arguments
        #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
        program: Vec<std::ffi::OsString>,
    },
}

fn main() -> ExitCode {
    let program = match Arguments::parse().what {
        What::Explore(options) => return explore::explore(&options),
        What::Trace { program } => program,
    };
    use tracer::*;
    let program = spawn::Program::find(&program).unwrap();
    spawn::leave_signals_to_the_program();
    let filter = filter::Filter::new(&decode::shown()).unwrap();
    let mut tracer = Tracer::default();
    tracer.spawn(&program, &spawn::Start { filter: Some(&filter), ..Default::default() }).unwrap();
    let mut pending = std::collections::HashMap::new();
    while let Some((tid, stop)) = tracer.wait(true).unwrap() {
        let mut signal = 0;
        let mut how = How::Cont;
        match stop {
            Stop::Entry(entry) => {
                pending.insert(tid, (entry, decode::enter(tid, &entry)));
                how = How::Syscall;
            }
            Stop::Exit(result) => {
                let Some((entry, mut call)) = pending.remove(&tid) else { continue };
                if decode::name(entry.number).is_some() {
                    decode::leave(tid, &entry, &mut call, result);
                    eprintln!("{tid} {} = {}", call.line(), call.answer);
                }
            }
            Stop::Signal(info) => {
                signal = info.si_signo;
                eprintln!("{tid} --- {} {} ---", names::signal(signal), decode::info(&info));
            }
            Stop::Exited(code) => {
                eprintln!("{tid} +++ exited with {code} +++");
                continue;
            }
            Stop::Killed(signal, _) => {
                eprintln!("{tid} +++ killed by {} +++", names::signal(signal));
                continue;
            }
            Stop::Group(_) => how = How::Listen,
            _ => how = if pending.contains_key(&tid) { How::Syscall } else { How::Cont },
        }
        let _ = tracer.resume(tid, how, signal);
    }
    ExitCode::SUCCESS
}
