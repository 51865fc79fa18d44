//! The server: makes both segments, waits for a client, talks, and removes both.

use std::os::fd::OwnedFd;
use std::time::Duration;

use crate::futex;
use crate::input::Input;
use crate::options::Options;
use crate::talk::{Talk, talk};
use crate::turns::tell;
use duplex::layout::{Role, Segment, segment_size};
use duplex::peers::Peer;
use duplex::takeover;
use duplex::takeover::{is_removed, remove};
use lablib::print::{self, note, step, text};
use lablib::{Failure, Result, compare, exit, say, shm, signals};

/// Bytes of a ring; a message has at most a quarter of it. Enough for lines of text.
pub const RING: usize = 1 << 16;
/// Bytes of a segment.
pub const SIZE: usize = segment_size(RING);
/// The two directions, seen from the server.
pub const DIRECTIONS: [&str; 2] = ["to the client", "to the server"];
/// Time between two looks at what no event tells.
const LOOK: Duration = Duration::from_millis(250);
/// Time between two attempts.
const TICK: Duration = Duration::from_millis(20);

/// Serves one client. `ready`, if anybody waits for it, is told when a client may come.
pub fn serve(options: &Options, input: &Input, mut ready: Option<OwnedFd>) -> Result<()> {
    print::name("server");
    step(4, "Server: two segments, one for each direction")?;
    if ready.is_none() {
        note("steps 1 to 3 show why: make lab-4.10");
    }
    let file = options.key_file()?;
    let _lock = takeover::lock(&file)?;
    let keys = [options.proj_id, options.proj_id + 1].map(|id| shm::ftok(&file, id.into()));
    let [to_client, to_server] = keys;
    let keys = [to_client?, to_server?];
    loop {
        let ids =
            [takeover::create(keys[0], SIZE, 0o600)?, takeover::create(keys[1], SIZE, 0o600)?];
        let mut out = Segment::create(ids[0], Role::Writer)?;
        let mut back = Segment::create(ids[1], Role::Reader)?;
        if !options.unwatched {
            ids.iter().try_for_each(|&id| compare::segment(id))?;
        }
        step(5, "Server: its pid is in both; it waits for a client")?;
        text(say!("memory: pid <- {}, in both", std::process::id()));
        if ready.is_none() {
            note("make lab-4.10-client, in a second terminal, is one");
        }
        futex::aloud();
        let met =
            ready.take().map_or(Ok(()), |ready| tell(&ready)).and_then(|()| meet(&out, &back));
        futex::count();
        let nobody_came = met.is_err();
        let again = matches!(met, Err(Failure::Because(exit::NO_PEER, _)));
        let ended = match met {
            Ok(peer) => {
                note(say!("client {}: alive, and has taken its place in both", peer.pid));
                talk(&Talk::of("server", "client", &peer, options), &mut out, &mut back, input)
            }
            Err(Failure::Because(exit::NO_PEER, why)) => {
                note(say!("a client came, and died before it spoke: {why}"));
                note("its pid stands in a place of ours, so we begin anew");
                Ok(())
            }
            Err(failure) => Err(failure),
        };
        let gone = signals::undisturbed(|| {
            match &ended {
                _ if nobody_came => note("no conversation: detach, then remove"),
                Err(_) => note("the conversation has ended early: detach, then remove"),
                Ok(()) => step(9, "Server: both have said goodbye; detach, then remove")?,
            }
            let detached = out.detach().and(back.detach());
            let removed = ids.map(remove);
            let [one, other] = removed;
            detached.and(one).and(other)
        });
        ended.and(gone)?;
        if !again {
            return Ok(());
        }
    }
}

/// The client in a segment. One that fails detaches before it ends: so what is not attached is looked at
/// again for a moment.
fn peer_of(segment: &Segment) -> Result<Option<Peer>> {
    for _ in 0..20 {
        match segment.peer() {
            Err(Failure::Because(exit::NOT_A_PEER, _)) => signals::wait(&[], Some(TICK), || false)?,
            found => return found,
        };
    }
    segment.peer()
}

/// Waits until one client has taken its place in both segments. NO_PEER: one came and died.
fn meet(out: &Segment, back: &Segment) -> Result<Peer> {
    let peer = loop {
        // Its failures are looked at by `peer`, which tells "nobody yet" from "dead".
        match out.meet(Some(LOOK)) {
            Err(Failure::Because(exit::NO_PEER | exit::NOT_A_PEER, _)) => {}
            met => break met?,
        }
        if let Some(peer) = peer_of(out)? {
            break peer;
        }
        if is_removed(out.shmid) || is_removed(back.shmid) {
            let why = "refused: somebody removed a segment; no client can find it any more";
            return Err(Failure::Because(exit::REFUSED, why.into()));
        }
    };
    loop {
        match peer_of(back)? {
            Some(other) if other.pid == peer.pid => return Ok(peer),
            Some(other) => {
                let why = say!("hostile: {} and {} in one conversation", peer.pid, other.pid);
                return Err(Failure::Because(exit::HOSTILE, why));
            }
            None if peer.has_ended() => {
                let why = say!("{} took one place and died", peer.pid);
                return Err(Failure::Because(exit::NO_PEER, why));
            }
            None => drop(signals::wait(&[peer.fd()], Some(TICK), || false)?),
        }
    }
}
