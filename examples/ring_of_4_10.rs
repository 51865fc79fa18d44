//! Messages through the ring of section 4.10, from a parent to its child, and nothing else: for `lab explore`.
//!
//!     cargo build --example ring_of_4_10
//!     lab explore -- target/debug/examples/ring_of_4_10 poll 2
//!
//! The child checks each message that it receives. Any order of loads and stores in which one arrives torn, twice,
//! late or not at all ends with another exit code, or in a deadlock.

use std::process::ExitCode;

use duplex::layout::{Role, Segment, segment_size};
use duplex::receiver::Receiver;
use duplex::sender::Sender;
use duplex::waiters::Way;
use lablib::{Failure, Result, child, print, shm};
use libc::{IPC_CREAT, IPC_PRIVATE, c_int};
use nix::sys::wait::{WaitStatus, waitpid};

/// The smallest one. A record takes 24 of its bytes, so that the second or third message waits for room.
const RING: usize = 64;
/// Bytes of a message.
const LEN: usize = 16;

fn main() -> ExitCode {
    let mut words = std::env::args().skip(1);
    let word = words.next();
    // Without a wait of the channel's own.
    let polls = word.as_deref() == Some("poll");
    let way = match word.as_deref() {
        Some("poll" | "spin") => Way::Spin,
        Some("futex") => Way::Futex,
        Some("default") => Way::CpuAware,
        _ => {
            eprintln!("usage: ring_of_4_10 poll|spin|futex|default [MESSAGES]");
            return ExitCode::from(2);
        }
    };
    let messages = words.next().and_then(|word| word.parse().ok()).unwrap_or(2);
    // Not by `run::run`, whose lock for printed lines is in shared memory, too, and would be explored with the ring.
    match print::bulk(|| send(way, polls, messages)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => ExitCode::from(print::tell(&failure)),
    }
}

/// The `n`th message: each of its bytes says which it is.
fn message(n: u8) -> [u8; LEN] {
    [b'a' + n; LEN]
}

fn send(way: Way, polls: bool, messages: u8) -> Result<()> {
    let shmid = shm::get(IPC_PRIVATE, segment_size(RING), IPC_CREAT | 0o600)?;
    let mut segment = Segment::create(shmid, Role::Writer)?;
    let child = child::apart(|| match receive(shmid, way, polls, messages) {
        Ok(()) => 0,
        Err(failure) => print::tell(&failure),
    })?;
    let mut sender = Sender::new(&mut segment, way, None, None)?;
    for n in 0..messages {
        if polls {
            while !sender.try_send(&message(n))? {}
        } else {
            sender.send(&message(n))?;
        }
    }
    drop(sender);
    let ended = waitpid(child, None).map_err(Failure::of("waitpid"))?;
    segment.detach()?;
    shm::ctl_rmid(shmid)?;
    match ended {
        WaitStatus::Exited(_, 0) => Ok(()),
        other => Err(Failure::because(format!("the child has ended otherwise: {other:?}"))),
    }
}

fn receive(shmid: c_int, way: Way, polls: bool, messages: u8) -> Result<()> {
    let mut segment = Segment::open(shmid, Role::Reader)?;
    let mut receiver = Receiver::new(&mut segment, way, None, None)?;
    let (mut got, mut all) = (vec![], vec![]);
    loop {
        if !polls {
            if !receiver.recv(&mut got)? {
                break;
            }
        } else if let Some(place) = receiver.try_peek()? {
            got.resize(place.len(), 0);
            place.read(&mut got);
            receiver.release();
        } else if receiver.has_ended() {
            break;
        } else {
            continue;
        }
        all.push(got.clone());
        if all.len() > usize::from(messages) {
            break;
        }
    }
    drop(receiver);
    segment.detach()?;
    if all == (0..messages).map(message).collect::<Vec<_>>() {
        return Ok(());
    }
    Err(Failure::because(format!("received: {all:?}")))
}
