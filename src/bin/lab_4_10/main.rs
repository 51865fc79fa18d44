//! 4.10  Full duplex: two segments, threads
//!
//! Note:    notes/4.10-full-duplex.md
//! Run:     make lab-4.10           (in two terminals: make lab-4.10-server, make lab-4.10-client)
//!          make wakeups            (every way to wake a reader thread, each put to the test)
//! Compare: strace -f -e trace=shmget,shmat,shmdt,shmctl,futex target/debug/lab_4_10
//!
//! With one segment two sides cannot both speak: the second message overwrites the first, or the
//! protocol says whose turn it is. With two, one for each direction, nobody waits for a turn. In each
//! process a writer thread sends whatever there is, and a reader thread sleeps until something
//! comes. What may wake it is the question of this section, and `wakeups` answers it by experiment.

use std::process::ExitCode;

use clap::{Arg, ArgMatches, Command, value_parser};
use lablib::{Patience, Result, leftovers, print, section, value};

mod client;
mod demo;
mod experiments;
mod input;
mod one;
mod server;
mod talk;
mod turns;
mod wakeups;

/// What both sides can be told.
#[derive(Clone)]
struct Options {
    key_file: Option<String>,
    proj_id: u8,
    patience: Patience,
    panic: Option<talk::Thread>,
}

/// The command line: which side this process is, or the experiment, and what both sides can be told.
fn command() -> Command {
    let long = |name, help| Arg::new(name).long(name).global(true).help(help);
    let key = "The file from which both make their keys [default: one of the workbook's own]";
    let proj_id =
        "The project id of the key from server to client; the other direction has the next one";
    let patience = "Seconds for which an answer may be owed, and for which a client looks for a \
                    server; 0: no limit";
    let panic = long("panic", "For tests: this thread panics at its first message").hide(true);
    let role = |name, about| Command::new(name).about(about);
    let demo = "One segment and why it is not enough; then two, and a conversation";
    let server = "Make the segments, and talk to a client: type lines, /quit ends";
    let client = "Find the segments, and talk to the server: type lines, /quit ends";
    lablib::command("4.10: a server and a client that both speak when they like")
        .subcommands([role("demo", demo), role("server", server), role("client", client)])
        .subcommand(
            role("wakeups", "Put every way to wake a reader thread to the test")
                .args(wakeups::arguments()),
        )
        .arg(long("key-file", key).value_name("PATH"))
        .arg(
            long("proj-id", proj_id)
                .value_name("N")
                .value_parser(value_parser!(u8).range(1..255))
                .default_value("10"),
        )
        .arg(
            long("patience", patience)
                .value_name("PATIENCE")
                .value_parser(lablib::patience)
                .default_value("2"),
        )
        .arg(panic.value_name("PANIC").value_parser(["reader", "writer"]))
}

impl Options {
    fn of(words: &ArgMatches) -> Options {
        let panic = words.get_one::<String>("panic").map(|name| match &**name {
            "reader" => talk::Thread::Reader,
            _ => talk::Thread::Writer,
        });
        Options {
            key_file: words.get_one("key-file").cloned(),
            proj_id: value(words, "proj-id"),
            patience: value(words, "patience"),
            panic,
        }
    }

    fn key_file(&self) -> Result<String> {
        self.key_file.clone().map_or_else(|| leftovers::key_file("lab-4.10.key"), Ok)
    }
}

fn main() -> ExitCode {
    let words = match lablib::arguments(command()) {
        Ok(words) => words,
        Err(code) => return code,
    };
    let options = Options::of(&words);
    let wakeups = words.subcommand_matches("wakeups").map(wakeups::Options::of);
    if let Some(Err(failure)) = wakeups.as_ref().map(wakeups::Options::keep_quiet) {
        print::tell(&failure);
        return ExitCode::from(failure.code());
    }
    let story = || match (words.subcommand_name(), wakeups) {
        (_, Some(wanted)) => wakeups::put_to_the_test(&wanted),
        (Some("server"), _) => server::serve(&options, &input::Input::User, None),
        (Some("client"), _) => client::call(&options, &input::Input::User),
        _ => one::not_enough().and_then(|()| demo::both(&options)),
    };
    section(&words, "4.10  Full duplex: two segments, threads", story, experiments::ALL)
}
