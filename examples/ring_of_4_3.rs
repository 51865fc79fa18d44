//! Messages through the ring of section 4.3, from a parent to its child, and nothing else: for `lab explore`.
//!
//!     cargo build --example ring_of_4_3
//!     lab explore -- target/debug/examples/ring_of_4_3 blocking
//!
//! The child checks each message that it receives. An order of loads and stores in which one does not arrive as it was
//! sent ends with another exit code, or in a deadlock.

use std::process::ExitCode;

use lablib::{Failure, Result, child, print, shm};
use libc::{IPC_CREAT, IPC_PRIVATE};
use nix::sys::wait::{WaitStatus, waitpid};

#[path = "../src/bin/lab_4_3/calls.rs"]
#[allow(dead_code)]
mod calls;
#[path = "../src/bin/lab_4_3/ring.rs"]
mod ring;
#[path = "../src/bin/lab_4_3/ways.rs"]
#[allow(dead_code)]
mod ways;

use calls::Side;
use ring::{BOTH, Wake};
use ways::Way;

/// The smallest ring, and a message that fills a quarter of it: five in a row have to wait for room.
const RING: usize = 256;
const LEN: usize = 64;

fn main() -> ExitCode {
    let mut words = std::env::args().skip(1);
    let (wake, in_place) = match words.next().as_deref() {
        Some("each") => (Wake::Each, false),
        Some("blocking") => (Wake::Sleepers, false),
        Some("spinning") => (Wake::Never, false),
        Some("blocking-in-place") => (Wake::Sleepers, true),
        Some("spinning-in-place") => (Wake::Never, true),
        _ => {
            eprintln!(
                "usage: ring_of_4_3 each|blocking|spinning|blocking-in-place|spinning-in-place [MESSAGES]"
            );
            return ExitCode::from(2);
        }
    };
    let messages = words.next().and_then(|word| word.parse().ok()).unwrap_or(2);
    // Not by `lablib::run`, whose lock for printed lines is in shared memory, too, and would be explored with the ring.
    match print::bulk(|| send(wake, in_place, messages)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => ExitCode::from(print::tell(&failure)),
    }
}

fn send(wake: Wake, in_place: bool, messages: u8) -> Result<()> {
    let shmid = shm::get(IPC_PRIVATE, BOTH, IPC_CREAT | 0o600)?;
    let addr = shm::at(shmid, shm::NULL, 0)?;
    let (mut ours, mut theirs) = ring::shared(addr, RING, wake, in_place)?;
    let child = child::apart(|| match receive(&mut *theirs, messages) {
        Ok(()) => 0,
        Err(failure) => print::tell(&failure),
    })?;
    for value in 1..=messages {
        ours.send(LEN, value, &mut Side::default())?;
    }
    let ended = waitpid(child, None).map_err(Failure::of("waitpid"))?;
    drop((ours, theirs));
    shm::dt(addr)?;
    shm::ctl_rmid(shmid)?;
    match ended {
        WaitStatus::Exited(_, 0) => Ok(()),
        other => Err(Failure::because(format!("the child has ended otherwise: {other:?}"))),
    }
}

fn receive(end: &mut dyn Way, messages: u8) -> Result<()> {
    for value in 1..=messages {
        let got = end.receive(LEN, &mut Side::default())?;
        if got != value {
            return Err(Failure::because(format!("message {value} says {got}")));
        }
    }
    Ok(())
}
