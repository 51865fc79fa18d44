//! 4.9  Two unrelated processes: exchanging pids through the segment
//!
//! Note:    notes/4.9-two-processes.md
//! Run:     make lab-4.9            (or, in two terminals, make lab-4.9-server, make lab-4.9-client)
//! Compare: strace -f -e trace=/shm,clone,wait4,kill,pause,/rt_sig,ppoll,/pidfd,flock target/debug/lab_4_9
//!
//! A server and a client meet at a key. To wake each other by signals each needs the other's pid,
//! and finds it in the segment: the server writes its own and waits; the client reads it, writes its
//! own in the same place, and signals. Part A does this with `pause` and `kill`, as the source notes
//! have it. Part B shows what is wrong with that. Part C, ours, keeps the steps: signals are blocked
//! and let in by `ppoll`, and a pid is checked and held by a pidfd before it gets a signal.

use std::process::ExitCode;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use duplex::peers::in_company;
use lablib::print::{self, note, part};
use lablib::{Failure, Result, exit, section};

mod client;
mod gate;
mod onlooker;
mod options;
mod part_a;
mod part_b;
mod server;
mod talk;
mod wire;

use gate::{Opener, gate};
use options::{Options, command};
use part_b::the_labs;

/// Time between two looks at the two of the demonstration.
const LOOK: Duration = Duration::from_millis(20);

fn main() -> ExitCode {
    let words = match lablib::arguments(command()) {
        Ok(words) => words,
        Err(code) => return code,
    };
    let options = Options::of(&words);
    print::ALONE.store(options.unwatched, Relaxed);
    let story = || match (words.subcommand_name(), options.part.as_deref()) {
        (Some("server" | "client" | "demo"), Some("b")) => {
            Err(Failure::Because(exit::USAGE, "part b has no sides; run it alone".into()))
        }
        (Some("server"), Some("a")) => part_a::serve(&options, None),
        (Some("server"), _) => server::serve(&options, None),
        (Some("client"), Some("a")) => part_a::talk(&options),
        (Some("client"), _) => client::talk(&options),
        (Some("demo"), None) => show(&options, "c"),
        (_, Some(one)) => {
            if one == "b" {
                note("steps 1 to 9 are those of parts A and C");
            }
            show(&options, one)
        }
        (_, None) => ["a", "b", "c"].iter().try_for_each(|one| show(&options, one)),
    };
    section(&words, "4.9  Two unrelated processes", story, &[])
}

fn show(options: &Options, one: &str) -> Result<()> {
    match one {
        "a" => {
            part("A", "The protocol of the source notes, with pause and kill")?;
            demo(options, part_a::serve, part_a::talk)
        }
        "b" => {
            part("B", "What is wrong with it")?;
            part_b::before_pause()?;
            part_b::anybodys_pid()
        }
        _ => {
            part("C", "Ours: ppoll with a mask, and a pidfd")?;
            demo(options, server::serve, client::talk)
        }
    }
}

type Server = fn(&Options, Option<Opener>) -> Result<()>;
type Client = fn(&Options) -> Result<()>;

/// Both, as two processes that know nothing of each other but the key. The client is started when
/// the server is ready; the other order is a fault, and has its own answer.
fn demo(options: &Options, serve: Server, talk: Client) -> Result<()> {
    let (ready, opener) = gate()?;
    let server = the_labs("server", || in_company(serve(options, Some(opener))))?;
    // A gate that nobody will open: the server has failed.
    if !ready.pass()? {
        return server.finish();
    }
    let client = the_labs("client", || in_company(talk(options)))?;
    while !server.has_ended(LOOK)? && !client.has_ended(LOOK)? {}
    if !server.has_ended(Duration::ZERO)? {
        // A client that failed may never have met the server, which then goes with us.
        client.finish()?;
        return server.finish();
    }
    match (server.finish(), client.finish()) {
        (Err(Failure::Told(exit::PEER_DIED | exit::NO_PEER)), Err(cause)) => Err(cause),
        (served, heard) => served.and(heard),
    }
}
