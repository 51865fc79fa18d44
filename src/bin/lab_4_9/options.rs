//! What the two sides can be told.

use std::path::PathBuf;

use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use lablib::{Patience, Result, leftovers, value};

/// What both sides can be told.
#[derive(Clone)]
pub struct Options {
    pub key_file: Option<String>,
    pub proj_id: u8,
    pub messages: Option<PathBuf>,
    pub mode: i32,
    pub patience: Patience,
    pub count: bool,
    pub unwatched: bool,
    pub part: Option<String>,
}

/// The command line: which side this process is, and what both can be told.
pub fn command() -> Command {
    let long = |name, help| Arg::new(name).long(name).global(true).help(help);
    let key = "The file from which both make their key [default: one of the workbook's own]";
    let patience = "Seconds for which an answer may be owed, and for which a client looks for a \
                    server; 0: no limit";
    let count = "Count the calls of the conversation instead of printing them";
    let alone = "Nobody looks on: no line waits for another process's, and nothing is compared with ipcs; for \
                 lab explore";
    let messages = "A file whose lines are the messages, instead of standard input";
    let part = "Which protocol: that of the source notes, with pause and kill (a), what is wrong with it \
                (b), ours (c) [default: all; of server, client and demo: c]";
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
        .arg(long("unwatched", alone).action(ArgAction::SetTrue))
        .arg(long("part", part).value_name("PART").value_parser(["a", "b", "c"]))
}

impl Options {
    /// What was asked for.
    pub fn of(words: &ArgMatches) -> Options {
        Options {
            key_file: words.get_one("key-file").cloned(),
            proj_id: value(words, "proj-id"),
            messages: words.get_one("messages").cloned(),
            mode: value(words, "mode"),
            patience: value(words, "patience"),
            count: words.get_flag("count"),
            unwatched: words.get_flag("unwatched"),
            part: words.get_one("part").cloned(),
        }
    }

    /// The file from which both make their keys.
    pub fn key_file(&self) -> Result<String> {
        self.key_file.clone().map_or_else(|| leftovers::key_file("lab-4.9.key"), Ok)
    }
}

fn octal(text: &str) -> std::result::Result<i32, String> {
    let mode = i32::from_str_radix(text, 8).ok().filter(|mode| (0..=0o777).contains(mode));
    mode.ok_or_else(|| "not a mode; give nine bits in octal, such as 0600".into())
}
