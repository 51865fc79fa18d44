//! `lab stage`: a program stands still between any two moves, and somebody chooses who moves next. See
//! notes/stage.md.
//!
//! | module | what it holds |
//! |---|---|
//! | [`book`] | the sections of the workbook that can be staged |
//! | [`acts`] | what each move has done |
//! | [`play`] | the commands, and where the run stands |
//! | [`keys`] | what is typed, or played from a script |
//! | [`front`] | what the audience sees, whatever it is drawn with |
//! | [`plain`] | line by line |
//! | [`predict`] | questions to the room |
//! | [`record`] | `--record` |
//! | [`terminal`] | lanes, rows and bytes on a terminal |
//! | [`tty`] | what is typed, and what is shown |
//! | [`words`] | who and what, in words |

use std::ffi::OsString;
use std::io::{self, IsTerminal};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use crate::explore::staged::Staged;
use crate::explore::{Trouble, Words, exit, words};
use crate::tracer::program::Program;
use crate::view::complain_as;

pub mod acts;
pub mod book;
mod front;
mod keys;
mod plain;
mod play;
mod predict;
mod record;
mod terminal;
mod tty;
pub mod words;

use book::Setting;
use front::Front;
use keys::Source;
use plain::Plain;
use play::Play;
use record::Tape;
use terminal::{Screen, guard};

/// Stop a program between any two moves, and choose who moves next
#[derive(Args)]
pub struct Options {
    /// A section of the workbook: 4.8, 4.9 or 4.10
    #[arg(conflicts_with_all = ["others", "program"], required_unless_present = "program")]
    section: Option<String>,
    /// The workbook's folder; without it, the first one above that has labs/
    #[arg(long, value_name = "FOLDER")]
    workbook: Option<PathBuf>,
    /// Another program that runs at the same time; may be given again
    #[arg(long = "and", value_name = "OTHER COMMAND", value_parser = words)]
    others: Vec<Words>,
    /// Play these keys, print what happens line by line, and end; `;` is Enter
    #[arg(long, value_name = "KEYS")]
    script: Option<String>,
    /// Write the last run there, and what was shown beside it, as FILE's name with .cast
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,
    /// Print line by line, for screen readers and simple terminals
    #[arg(long)]
    plain: bool,
    /// The program, and behind it its own arguments
    #[arg(last = true, value_name = "PROGRAM")]
    program: Vec<OsString>,
}

/// Stages it. Exits with 0, with 2 for what cannot be staged, or as the signal says that ended it.
pub fn run(options: &Options) -> ExitCode {
    ExitCode::from(match stage(options) {
        Ok(code) => code,
        Err(Trouble::Signal(signal)) => 128 + signal as u8,
        Err(Trouble::Taken) => {
            complain_as("lab stage", "the program could not be started: no number is free");
            exit::INCOMPLETE
        }
        Err(Trouble::Because(code, why)) => {
            complain_as("lab stage", &why);
            code
        }
    })
}

fn usage(why: String) -> Trouble {
    Trouble::Because(exit::USAGE, why)
}

fn stage(options: &Options) -> Result<u8, Trouble> {
    let setting = match &options.section {
        Some(section) => {
            Setting::of_section(options.workbook.as_deref(), section).map_err(usage)?
        }
        None => {
            let others = options.others.iter().map(|one| one.0.clone());
            Setting::of_programs(std::iter::once(options.program.clone()).chain(others).collect())
        }
    };
    let find = |words: &Vec<OsString>| {
        let why = |errno| format!("{}: {}", words[0].to_string_lossy(), sysv::spell::errno(errno));
        Program::find(words).map_err(|errno| usage(why(errno)))
    };
    let programs = setting.programs.iter().map(find).collect::<Result<Vec<_>, _>>()?;
    guard::ends_with_a_panic();
    if !is_plain(options) {
        let why = |error| usage(format!("a second process: {error}"));
        if let Some(code) = guard::behind().map_err(why)? {
            return Ok(code);
        }
    }
    let (mut staged, ahead) = Staged::new(programs)?;
    let tape = Tape::new(options.record.is_some());
    let mut front = front(options, tape.clone())?;
    let mut play = Play::new(&setting, ahead);
    let done = play.all(&mut staged, &mut *front);
    drop(front);
    if let Some(path) = &options.record {
        record::write(path, &play.last, &tape, terminal::size()).map_err(usage)?;
    }
    done.map(|()| exit::NONE)
}

/// Is it printed line by line?
fn is_plain(options: &Options) -> bool {
    let dumb = std::env::var_os("TERM").is_none_or(|term| term.is_empty() || term == "dumb");
    let terminal = io::stdin().is_terminal() && io::stdout().is_terminal();
    options.plain || options.script.is_some() || dumb || !terminal
}

/// What it is drawn with.
fn front(options: &Options, tape: Tape) -> Result<Box<dyn Front>, Trouble> {
    if !is_plain(options) {
        let screen = Screen::new(tape);
        return Ok(Box::new(screen.map_err(|error| usage(format!("the terminal: {error}")))?));
    }
    let source = match &options.script {
        Some(script) => Source::script(script),
        None => Source::lines(),
    };
    Ok(Box::new(Plain::new(source, tape)))
}
