//! 4.9  Two unrelated processes: exchanging pids through the segment
//!
//! Note:    notes/4.9-two-processes.md
//! Run:     make lab-4.9            (or, in two terminals, make lab-4.9-server, make lab-4.9-client)
//! Compare: strace -f -e trace=shmget,shmat,shmdt,shmctl,pidfd_send_signal target/debug/lab_4_9
//!
//! A server and a client meet at a key. To wake each other by signals they must know each other's
//! pid, and the segment is where they tell it: the server writes its own and waits, the client
//! reads it, puts its own in the same place and rings. Whatever stands in that place is a claim;
//! most of what follows is about not believing it too soon (src/lablib/peer.rs).

use std::os::fd::AsFd;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};
use lablib::process::child;
use lablib::trace::note;
use lablib::{Choice, Failure, Patience, Result, cleanup, exit, signals};
use nix::unistd::{pipe, read};

mod client;
mod server;
mod talk;
mod wire;

/// Time between two looks at the two of the demonstration.
const LOOK: Duration = Duration::from_millis(20);

/// 4.9: a server and a client, each with the other's pid
#[derive(Parser)]
struct Arguments {
    #[command(flatten)]
    choice: Choice,
    /// Which side this process is; without it, both
    #[command(subcommand)]
    role: Option<Role>,
    #[command(flatten)]
    options: Options,
}

#[derive(Subcommand, Clone, Copy)]
enum Role {
    /// Make the segment, and send the lines of standard input to a client
    Server,
    /// Find the segment, and print what the server sends
    Client,
    /// Both, in one terminal
    Demo,
}

/// What both sides can be told.
#[derive(clap::Args, Clone)]
struct Options {
    /// The file from which both make their key [default: one of the workbook's own]
    #[arg(long, global = true, value_name = "PATH")]
    key_file: Option<String>,
    /// The project id of the key, 1 to 255
    #[arg(long, global = true, value_name = "N", default_value_t = 9, value_parser = clap::value_parser!(u8).range(1..))]
    proj_id: u8,
    /// A file whose lines are the messages, instead of standard input
    #[arg(long, global = true, value_name = "FILE")]
    messages: Option<PathBuf>,
    /// The segment's mode, in octal
    #[arg(long, global = true, default_value = "0600", value_parser = octal)]
    mode: i32,
    /// Seconds for which an answer may be owed, and for which a client looks for a server; 0: no limit
    #[arg(long, global = true, default_value = "2", value_parser = lablib::patience)]
    patience: Patience,
    /// Count the calls of the conversation instead of printing them
    #[arg(long, global = true)]
    count: bool,
}

impl Options {
    fn key_file(&self) -> Result<String> {
        self.key_file.clone().map_or_else(|| cleanup::key_file("lab-4.9.key"), Ok)
    }
}

fn octal(text: &str) -> std::result::Result<i32, String> {
    let mode = i32::from_str_radix(text, 8).ok().filter(|mode| (0..=0o777).contains(mode));
    mode.ok_or_else(|| "not a mode; give nine bits in octal, such as 0600".into())
}

fn main() -> ExitCode {
    let Arguments { choice, role, options } = match lablib::arguments() {
        Ok(arguments) => arguments,
        Err(code) => return code,
    };
    let story = || match role.unwrap_or(Role::Demo) {
        Role::Server => server::serve(&options, None),
        Role::Client => client::talk(&options),
        Role::Demo => demo(&options),
    };
    choice.run("4.9  Two unrelated processes", story, &[])
}

/// Both, as two processes that know nothing of each other but the key. The client is started when
/// the server is ready; the other order is a fault, and has its own answer.
fn demo(options: &Options) -> Result<()> {
    let (from, ready) = pipe().map_err(Failure::of("pipe()"))?;
    let server = child("server", || in_company(server::serve(options, Some(ready))))?;
    signals::wait_readable(from.as_fd(), None)?;
    // A pipe that ends without a byte: the server has failed.
    if read(&from, &mut [0]).map_err(Failure::of("read"))? == 0 {
        return server.finish();
    }
    let client = child("client", || in_company(client::talk(options)))?;
    while !server.has_ended(LOOK)? && !client.has_ended(LOOK)? {}
    if !server.has_ended(Duration::ZERO)? {
        // A client that failed may never have met the server, which then goes with us.
        client.finish()?;
        return server.finish();
    }
    match (server.finish(), client.finish()) {
        (Err(Failure::Told(exit::PEER_DIED)), Err(cause)) => Err(cause),
        (served, heard) => served.and(heard),
    }
}

/// Where both are seen, only the one that failed complains; that the other misses it is a note.
fn in_company(ended: Result<()>) -> Result<()> {
    match ended {
        Err(Failure::Because(code @ (exit::PEER_DIED | exit::NO_PEER), why)) => {
            note(&why);
            Err(Failure::Told(code))
        }
        ended => ended,
    }
}
