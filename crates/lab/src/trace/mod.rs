//! `lab trace`: shows what programs do, from outside. All processes run at the same time.
//!
//! | module | what it holds |
//! |---|---|
//! | [`watch`] | stops in, resumes out: how each tracee goes on, and when the trace ends |
//! | [`teller`] | what a stop means: the events that are made of it |
//! | [`books`] | which processes and threads there are, and what is known of each |
//! | [`process`] | what is known of a process |
//! | [`signals`] | what a signal meets, and what it interrupts |
//! | [`world`] | what all these say beside a call |
//! | [`doing`] | a call that has begun and not ended |
//! | [`objects`] | the kernel's tables, before and after |
//! | [`contents`] | what segments hold, before and after |
//! | [`journal`] | events, numbered and written as a view has them |
//! | [`memory`] | `--memory`: each access to shared memory |
//! | [`accesses`] | what is made of them |
//! | [`touches`] | the lines of the trace |
//! | [`hints`] | which of them nothing orders |
//! | [`roots`] | the programs that were started, and how they ended |
//! | [`notes`] | what events mean that are not calls |

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use nix::errno::Errno;

use crate::asked;
use crate::syscalls;
use crate::tracer::filter::Filter;
use crate::tracer::program::{Program, Signals};
use crate::tracer::refused::Refused;
use crate::tracer::starter::{Order, Plan, Starter};
use crate::tracer::{Tracer, cpu};
use crate::view::json::Json;
use crate::view::text::Text;
use crate::view::{Out, View, complain};

mod accesses;
mod books;
mod contents;
mod doing;
mod hints;
mod journal;
mod memory;
mod notes;
mod objects;
mod process;
mod roots;
mod signals;
mod teller;
mod touches;
mod watch;
mod world;

use roots::End;
use watch::Watch;

/// Show what a program does: System V IPC calls, signals, waits, forks, and what it writes
#[derive(Args)]
#[command(after_help = "Ctrl-C goes to the program; three within two seconds also end the trace.")]
pub struct Trace {
    /// One event a line, as JSON (notes/events.md)
    #[arg(long)]
    json: bool,
    /// Write the trace to FILE instead of standard error; - is standard output
    #[arg(short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Another program to run at the same time, with /dev/null as its input; may be given again
    #[arg(long = "and", value_name = "OTHER COMMAND")]
    others: Vec<String>,
    /// If the trace is killed, the programs go on, untraced
    #[arg(long)]
    detach: bool,
    /// Let the tracer and the programs use all CPUs: about 3 times slower, but closer to a run
    /// without a trace
    #[arg(long)]
    spread: bool,
    /// Print from which line of the program each call was made, where it has debug information (cc -g)
    #[arg(long)]
    lines: bool,
    /// Print each store into shared memory, and each load of what another process has stored; with
    /// `=all`, every load. Slower: each of them stops the program
    #[arg(long, value_name = "all", num_args = 0..=1, require_equals = true,
          default_missing_value = "shared", value_parser = ["shared", "all"])]
    memory: Option<String>,
    /// Print only calls and signals, without what they mean
    #[arg(long)]
    brief: bool,
    /// The program, and behind it its own arguments; `--` may stand before it
    #[arg(required = true, trailing_var_arg = true, value_name = "PROGRAM")]
    program: Vec<OsString>,
}

impl Trace {
    /// Is what it says for people?
    pub fn for_people(&self) -> bool {
        !self.json
    }
}

/// Why there is no trace: the exit code, and one line.
type Failure = (u8, String);

/// Runs it, and answers the program's exit code.
pub fn run(trace: &Trace) -> ExitCode {
    match follow(trace) {
        Ok(End::Exited(code) | End::NotRun(code)) => ExitCode::from(code as u8),
        Ok(End::Killed(signal) | End::Stopped(signal)) => die_of(signal),
        Err((code, why)) => {
            complain(&why);
            ExitCode::from(code)
        }
    }
}

fn follow(trace: &Trace) -> Result<End, Failure> {
    let programs = programs(trace)?;
    let out = Out::to(trace.output.as_deref()).map_err(|error| {
        let name = trace.output.as_deref().unwrap_or("standard error".as_ref());
        (1, format!("cannot write the trace to {}: {error}", name.display()))
    })?;
    let view: Box<dyn View> = if trace.json {
        Box::new(Json)
    } else {
        choose_colours(&out);
        let names: Vec<String> = programs.iter().map(Program::name).collect();
        Box::new(Text::new(out.columns(), !trace.brief, trace.lines, &names))
    };
    let signals = Signals::found();
    asked::listen(&[libc::SIGTERM, libc::SIGINT, libc::SIGHUP]);
    let cpu = if trace.spread { None } else { cpu::pin() };
    let filter = if trace.detach || trace.memory.is_some() || !Filter::supported() {
        None
    } else {
        let filter = Filter::stopping_at(&syscalls::shown_and_ends());
        Some(filter.map_err(|error| (1, format!("the filter of calls: {error}")))?)
    };
    if trace.memory.is_some() && trace.detach {
        return Err((2, "--memory and --detach: the memory would stay closed".into()));
    }
    let mut watch = Watch::new(Tracer::default(), filter.is_some(), out, view, cpu);
    if let Some(loads) = &trace.memory {
        watch.watch_memory(loads == "all");
    }
    match (cpu, &filter, trace.detach) {
        _ if trace.memory.is_some() => {}
        (_, None, true) => watch.remark(
            "--detach: without a filter, which would outlive the trace: calls that are not shown \
             cost as much as those that are",
        ),
        (_, None, false) => {
            watch.remark("this kernel has no seccomp filter: every call is stopped")
        }
        _ => {}
    }
    if let Some(cpu) = cpu {
        watch.remark(format!("all on CPU {cpu}, about 3 times faster; --spread uses all CPUs"));
    }
    let plan = Plan {
        programs: &programs,
        filter: filter.as_ref(),
        outlives_tracer: trace.detach,
        prepare: &|| {
            signals.restore();
            Ok(())
        },
        in_child: &|order| if order.program == 0 { Ok(()) } else { no_input() },
    };
    if let Err((program, refused)) = start(&mut watch, &plan, cpu) {
        watch.kill_all();
        let code = if let Refused::Asked(signal) = refused { 128 + signal as u8 } else { 1 };
        let name = program.name();
        let cannot = if let Refused::Ptrace(_) = refused { "cannot trace " } else { "" };
        return Err((code, format!("{cannot}{name}: {refused}")));
    }
    asked::leave_the_terminals_to_the_programs();
    Ok(watch.run())
}

/// Starts the programs, one after the other; the first call of each is its exec. The starter ends
/// when the last one runs.
fn start<'a>(
    watch: &mut Watch,
    plan: &Plan<'a>,
    cpu: Option<usize>,
) -> Result<(), (&'a Program, Refused)> {
    let mut starter = Starter::new(plan).map_err(|refused| (&plan.programs[0], refused))?;
    for (i, program) in plan.programs.iter().enumerate() {
        let order = Order { program: i as i32, number: 0 };
        let started = starter.start(order);
        started
            .and_then(|started| watch.add(program, started, &mut starter, cpu))
            .map_err(|refused| (program, refused))?;
    }
    Ok(())
}

/// The programs of the command line, each found.
fn programs(trace: &Trace) -> Result<Vec<Program>, Failure> {
    let mut commands = vec![trace.program.clone()];
    for other in &trace.others {
        let words = shell_words::split(other).map_err(|error| (2, format!("--and: {error}")))?;
        if words.is_empty() {
            return Err((2, "--and: an empty command".into()));
        }
        commands.push(words.into_iter().map(OsString::from).collect());
    }
    let find = |words: &Vec<OsString>| {
        Program::find(words).map_err(|errno| {
            let code = if errno == Errno::ENOENT { 127 } else { 126 };
            (code, format!("{}: {}", words[0].to_string_lossy(), sysv::spell::errno(errno)))
        })
    };
    commands.iter().map(find).collect()
}

/// In a child: its standard input is empty.
fn no_input() -> nix::Result<()> {
    // SAFETY: a path that ends with NUL, and numbers.
    unsafe {
        let fd = Errno::result(libc::open(c"/dev/null".as_ptr(), libc::O_RDONLY))?;
        Errno::result(libc::dup2(fd, 0))?;
        Errno::result(libc::close(fd)).map(drop)
    }
}

/// Colours where they are wanted: in a terminal, unless NO_COLOR; or by CLICOLOR_FORCE.
fn choose_colours(out: &Out) {
    let set = |name: &str| std::env::var(name).is_ok_and(|value| !value.is_empty() && value != "0");
    let no = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    colored::control::set_override(set("CLICOLOR_FORCE") || (out.is_terminal() && !no));
}

/// Ends as the program did, so that our parent sees the same.
fn die_of(signal: i32) -> ExitCode {
    let no_core = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: numbers, and one rlimit that is read. The program has left a core if it was to.
    unsafe {
        libc::setrlimit(libc::RLIMIT_CORE, &no_core);
        libc::signal(signal, libc::SIG_DFL);
        libc::raise(signal);
    }
    ExitCode::from(128 + signal as u8)
}
