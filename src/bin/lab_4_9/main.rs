//! 4.9  Two unrelated processes: exchanging pids through the segment
//!
//! Note:    notes/4.9-two-processes.md
//! Run:     make lab-4.9            (or, in two terminals, make lab-4.9-server, make lab-4.9-client)
//! Compare: strace -f -e trace=shmget,shmat,shmdt,shmctl,pidfd_send_signal target/debug/lab_4_9
//!
//! A server and a client meet at a key. To wake each other by signals they must know each other's
//! pid, and the segment is where they tell it: the server writes its own and waits, the client
//! reads it, puts its own in the same place and rings. Whatever stands in that place is a claim;
//! most of what follows is about not believing it too soon (crates/duplex/src/peers.rs).

use std::os::fd::AsFd;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use lablib::child::child;
use lablib::print::note;
use lablib::{Failure, Patience, Result, exit, leftovers, section, signals, value};
use nix::unistd::{pipe, read};

mod client;
mod server;
mod talk;
mod wire;

/// Time between two looks at the two of the demonstration.
const LOOK: Duration = Duration::from_millis(20);

/// What both sides can be told.
#[derive(Clone)]
struct Options {
    key_file: Option<String>,
    proj_id: u8,
    messages: Option<PathBuf>,
    mode: i32,
    patience: Patience,
    count: bool,
}

/// The command line: which side this process is, and what both can be told.
fn command() -> Command {
    let long = |name, help| Arg::new(name).long(name).global(true).help(help);
    let key = "The file from which both make their key [default: one of the workbook's own]";
    let patience = "Seconds for which an answer may be owed, and for which a client looks for a \
                    server; 0: no limit";
    let count = "Count the calls of the conversation instead of printing them";
    let messages = "A file whose lines are the messages, instead of standard input";
    let proj_id = long("proj-id", "The project id of the key, 1 to 255").value_name("N");
    let patience = long("patience", patience).value_name("PATIENCE");
    let mode = long("mode", "The segment's mode, in octal").value_name("MODE");
    let messages = long("messages", messages).value_name("FILE");
    let server = "Make the segment, and send the lines of standard input to a client";
    lablib::command("4.9: a server and a client, each with the other's pid")
        .subcommand(Command::new("server").about(server))
        .subcommand(
            Command::new("client").about("Find the segment, and print what the server sends"),
        )
        .subcommand(Command::new("demo").about("Both, in one terminal"))
        .arg(long("key-file", key).value_name("PATH"))
        .arg(proj_id.default_value("9").value_parser(value_parser!(u8).range(1..)))
        .arg(messages.value_parser(value_parser!(PathBuf)))
        .arg(mode.default_value("0600").value_parser(octal))
        .arg(patience.default_value("2").value_parser(lablib::patience))
        .arg(long("count", count).action(ArgAction::SetTrue))
}

impl Options {
    fn of(words: &ArgMatches) -> Options {
        Options {
            key_file: words.get_one("key-file").cloned(),
            proj_id: value(words, "proj-id"),
            messages: words.get_one("messages").cloned(),
            mode: value(words, "mode"),
            patience: value(words, "patience"),
            count: words.get_flag("count"),
        }
    }

    fn key_file(&self) -> Result<String> {
        self.key_file.clone().map_or_else(|| leftovers::key_file("lab-4.9.key"), Ok)
    }
}

fn octal(text: &str) -> std::result::Result<i32, String> {
    let mode = i32::from_str_radix(text, 8).ok().filter(|mode| (0..=0o777).contains(mode));
    mode.ok_or_else(|| "not a mode; give nine bits in octal, such as 0600".into())
}

fn main() -> ExitCode {
    let words = match lablib::arguments(command()) {
        Ok(words) => words,
        Err(code) => return code,
    };
    let options = Options::of(&words);
    let story = || match words.subcommand_name() {
        Some("server") => server::serve(&options, None),
        Some("client") => client::talk(&options),
        _ => demo(&options),
    };
    section(&words, "4.9  Two unrelated processes", story, &[])
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
