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

use clap::{Parser, Subcommand};
use lablib::{Choice, Patience, Result, cleanup};

mod client;
mod demo;
mod experiments;
mod input;
mod one;
mod server;
mod talk;
mod turns;
mod wakeups;

/// 4.10: a server and a client that both speak when they like
#[derive(Parser)]
struct Arguments {
    #[command(flatten)]
    choice: Choice,
    /// Which side this process is, or the experiment; without it, the demonstration
    #[command(subcommand)]
    role: Option<Role>,
    #[command(flatten)]
    options: Options,
}

#[derive(Subcommand)]
enum Role {
    /// One segment and why it is not enough; then two, and a conversation
    Demo,
    /// Make the segments, and talk to a client: type lines, /quit ends
    Server,
    /// Find the segments, and talk to the server: type lines, /quit ends
    Client,
    /// Put every way to wake a reader thread to the test
    Wakeups(wakeups::Options),
}

/// What both sides can be told.
#[derive(clap::Args, Clone)]
struct Options {
    /// The file from which both make their keys [default: one of the workbook's own]
    #[arg(long, global = true, value_name = "PATH")]
    key_file: Option<String>,
    /// The project id of the key from server to client; the other direction has the next one
    #[arg(long, global = true, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u8).range(1..255))]
    proj_id: u8,
    /// Seconds for which an answer may be owed, and for which a client looks for a server; 0: no limit
    #[arg(long, global = true, default_value = "2", value_parser = lablib::patience)]
    patience: Patience,
    /// For tests: this thread panics at its first message
    #[arg(long, global = true, hide = true, value_enum)]
    panic: Option<talk::Thread>,
}

impl Options {
    fn key_file(&self) -> Result<String> {
        self.key_file.clone().map_or_else(|| cleanup::key_file("lab-4.10.key"), Ok)
    }
}

fn main() -> ExitCode {
    let Arguments { choice, role, options } = match lablib::arguments() {
        Ok(arguments) => arguments,
        Err(code) => return code,
    };
    if let Some(Role::Wakeups(wanted)) = &role
        && let Err(failure) = wanted.keep_quiet()
    {
        failure.tell();
        return ExitCode::from(failure.code());
    }
    let story = || match role.unwrap_or(Role::Demo) {
        Role::Demo => one::not_enough().and_then(|()| demo::both(&options)),
        Role::Server => server::serve(&options, &input::Input::User, None),
        Role::Client => client::call(&options, &input::Input::User),
        Role::Wakeups(wanted) => wakeups::put_to_the_test(&wanted),
    };
    choice.run("4.10  Full duplex: two segments, threads", story, experiments::ALL)
}
