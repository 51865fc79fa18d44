//! 4.10  Full duplex: two segments, threads
//!
//! Note:    notes/4.10-full-duplex.md
//! Run:     make lab-4.10           (in two terminals: make lab-4.10-server, make lab-4.10-client)
//!          make wakeups            (every way to wake a reader thread, each put to the test)
//! Compare: strace -f -e trace=/shm,/clone,wait4,kill,pause,rt_sigaction,futex,flock target/debug/lab_4_10
//!
//! With one segment two sides cannot both speak: the second message overwrites the first, or the
//! protocol says whose turn it is. With two, one for each direction, nobody waits for a turn. In each
//! process a writer thread sends whatever there is, and a reader thread sleeps until something
//! comes. What may wake it is the question of this section, and `wakeups` answers it by experiment.

use std::process::ExitCode;
use std::sync::atomic::Ordering::Relaxed;

use lablib::{print, section};

mod client;
mod demo;
mod experiments;
mod futex;
mod handshake;
mod input;
mod locks;
mod memory;
mod one;
mod options;
mod peterson;
mod seqlock;
mod server;
mod talk;
mod turns;
mod wakeups;

use input::Input::User;
use options::{Options, command};

fn main() -> ExitCode {
    let words = match lablib::arguments(command()) {
        Ok(words) => words,
        Err(code) => return code,
    };
    let options = Options::of(&words);
    print::ALONE.store(options.unwatched, Relaxed);
    let wakeups = words.subcommand_matches("wakeups").map(wakeups::Options::of);
    if let Some(Err(failure)) = wakeups.as_ref().map(wakeups::Options::keep_quiet) {
        print::tell(&failure);
        return ExitCode::from(failure.code());
    }
    let user = || options.messages.as_deref().map_or(Ok(()), input::read_from);
    let story = || match (words.subcommand_name(), wakeups) {
        (_, Some(wanted)) => wakeups::put_to_the_test(&wanted),
        (Some("server"), _) => user().and_then(|()| server::serve(&options, &User, None)),
        (Some("client"), _) => user().and_then(|()| client::call(&options, &User)),
        _ => one::not_enough()
            .and_then(|()| handshake::of_the_source_notes(&options))
            .and_then(|()| demo::both(&options)),
    };
    let experiments =
        [experiments::ALL, locks::ALL, memory::ALL, peterson::ALL, seqlock::ALL].concat();
    section(&words, "4.10  Full duplex: two segments, threads", story, &experiments)
}
