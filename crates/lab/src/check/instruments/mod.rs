//! The instruments: each tries the program in its own way, and says what was wrong in which run. They run in the
//! cell, and know no rules.
//!
//! | module | what it tries |
//! |---|---|
//! | [`orders`] | every order of calls, signals and accesses to shared memory |
//! | [`disturbances`] | each call fails once; a signal comes before each call; which functions a handler calls |
//! | [`seen`] | what a run says, as facts |

use say::tell;
use screen::words::translated;

use super::evidence::{Answer, Output, Trying};
use super::walls;
use crate::explore::Trouble;
use crate::explore::judged::{Expected, Most, Trial, Wanted};
use crate::tracer::program::Program;

mod disturbances;
mod orders;
pub mod seen;

/// A program that makes more processes and threads is ended, and one that makes more moves: an exercise needs a
/// hundred of them.
const MOST: Most = Most { threads: 64, moves: 5_000, objects: 128, bytes: 64 << 20 };

type Result<T> = std::result::Result<T, Trouble>;

/// In the cell, in a process of its own.
pub fn inside(how: &Trying) -> Answer {
    answered(match how.instrument.as_str() {
        "run" => orders::once(how),
        "orders" => orders::every(how),
        "inputs" => orders::input(how),
        "closed" => orders::closed(how),
        "failures" => disturbances::failures(how),
        "signals" => disturbances::signals(how),
        "handlers" => disturbances::handlers(how),
        other => Err(Trouble::Because(0, tell!("no instrument {other}"))),
    })
}

/// A run that was seen, once more, with its story.
pub fn again(how: &Trying) -> Answer {
    answered(disturbances::again(how))
}

fn answered(done: Result<Answer>) -> Answer {
    done.unwrap_or_else(|trouble| {
        let why = match trouble {
            Trouble::Because(_, why) => why,
            Trouble::Signal(signal) => tell!("stopped by signal {signal}"),
            Trouble::Taken => translated("no process number is free").into(),
        };
        Answer { not_judged: Some(why), ..Answer::default() }
    })
}

/// The program in a room, ready to be run. `accesses`: those to shared memory are looked at, too.
fn trial(how: &Trying, accesses: bool) -> Result<Trial> {
    let find = |arguments: &Vec<String>| {
        let words = std::iter::once(&how.program).chain(arguments);
        let words: Vec<std::ffi::OsString> = words.map(|word| word.into()).collect();
        let program = Program::find(&words);
        program.map_err(|errno| Trouble::Because(0, tell!("the program: {errno}")))
    };
    let programs = std::iter::once(&how.arguments).chain(&how.beside);
    let programs = programs.map(find).collect::<Result<Vec<_>>>()?;
    let wanted = Wanted {
        prints: how.prints.as_deref().map(|lines| Expected::these(lines, how.gives_up)),
        preemptions: how.preemptions,
        runs: how.runs,
        accesses,
        ends: how.instrument == "inputs",
        most: MOST,
        walls: match how.output {
            Output::Kept => walls::around_programs,
            Output::NoReader => walls::around_programs_without_a_reader,
            Output::Closed => walls::around_programs_without_output,
        },
    };
    Trial::new(programs, wanted)
}
