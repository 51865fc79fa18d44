//! 4.9  Two unrelated processes: exchanging pids through the segment
//!
//! Note:    notes/4.9-two-processes.md
//! Run:     make lab-4.9            (or, in two terminals, make lab-4.9-server, make lab-4.9-client)
//! Compare: strace -f -e trace=/shm,clone,wait4,kill,pause,/rt_sig,ppoll,/pidfd,flock target/debug/lab_4_9
//!
//! A server and a client meet at a key. To wake each other by signals they must know each other's
//! pid, and the segment is where they tell it: the server writes its own and waits, the client
//! reads it, puts its own in the same place and rings. Whatever stands in that place is a claim;
//! most of what follows is about not believing it too soon (crates/duplex/src/peers.rs).

use std::os::fd::AsFd;
use std::process::ExitCode;
use std::time::Duration;

use duplex::peers::in_company;
use lablib::child::child;
use lablib::{Failure, Result, exit, section, signals};
use nix::unistd::{pipe, read};

mod client;
mod options;
mod server;
mod talk;
mod wire;

use options::{Options, command};

/// Time between two looks at the two of the demonstration.
const LOOK: Duration = Duration::from_millis(20);

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
