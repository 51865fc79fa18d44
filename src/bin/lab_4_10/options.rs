//! What the two sides can be told.

use std::path::PathBuf;

use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use lablib::{Patience, Result, leftovers, value};

use crate::wakeups;

/// The two threads of a conversation.
#[derive(Clone, Copy, PartialEq)]
pub enum Thread {
    Reader,
    Writer,
}

/// What both sides can be told.
#[derive(Clone)]
pub struct Options {
    pub key_file: Option<String>,
    pub proj_id: u8,
    pub patience: Patience,
    pub panic: Option<Thread>,
    pub messages: Option<PathBuf>,
    pub unwatched: bool,
}

/// The command line: which side this process is, or the experiment, and what both sides can be told.
pub fn command() -> Command {
    let long = |name, help| Arg::new(name).long(name).global(true).help(help);
    let key = "The file from which both make their keys [default: one of the workbook's own]";
    let proj_id =
        "The project id of the key from server to client; the other direction has the next one";
    let patience = "Seconds for which an answer may be owed, and for which a client looks for a \
                    server; 0: no limit";
    let panic = long("panic", "For tests: this thread panics at its first message").hide(true);
    let messages = "A file whose lines are the messages, instead of standard input";
    let alone = "Nobody looks on: no line waits for another process's, and nothing is compared with ipcs; for \
                 lab explore";
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
        .arg(long("messages", messages).value_name("FILE").value_parser(value_parser!(PathBuf)))
        .arg(long("unwatched", alone).action(ArgAction::SetTrue))
        .arg(panic.value_name("PANIC").value_parser(["reader", "writer"]))
}

impl Options {
    /// What was asked for.
    pub fn of(words: &ArgMatches) -> Options {
        let panic = words.get_one::<String>("panic").map(|name| match &**name {
            "reader" => Thread::Reader,
            _ => Thread::Writer,
        });
        Options {
            key_file: words.get_one("key-file").cloned(),
            proj_id: value(words, "proj-id"),
            patience: value(words, "patience"),
            panic,
            messages: words.get_one("messages").cloned(),
            unwatched: words.get_flag("unwatched"),
        }
    }

    /// The file from which both make their keys.
    pub fn key_file(&self) -> Result<String> {
        self.key_file.clone().map_or_else(|| leftovers::key_file("lab-4.10.key"), Ok)
    }
}
