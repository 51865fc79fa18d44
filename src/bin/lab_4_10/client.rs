//! The client: finds both segments, takes the free place in each, and talks.

use std::time::{Duration, Instant};

use duplex::layout::{Role, Segment};
use duplex::peers::Peer;
use lablib::print::{self, note, step, text};
use lablib::{Failure, Result, compare, exit, looked, say, shm, signals};
use libc::key_t;
use nix::errno::Errno;
use sysv::tables;

use crate::futex;
use crate::input::Input;
use crate::options::Options;
use crate::server::DIRECTIONS;
use crate::talk::{Talk, talk};

/// Time between two looks for a server.
const TICK: Duration = Duration::from_millis(20);
/// For how long a place that is taken is looked at again: a server may notice that its client died.
const TAKEN: Duration = Duration::from_millis(600);

/// Talks to one server, until one of the two says goodbye.
pub fn call(options: &Options, input: &Input) -> Result<()> {
    print::name("client");
    futex::aloud();
    let found = find(options, input);
    futex::count();
    let Found { mut back, mut out, server } = found?;
    let ids = [back.shmid, out.shmid];
    let ended = talk(&Talk::of("client", "server", &server, options), &mut out, &mut back, input);
    let detached = signals::undisturbed(|| back.detach().and(out.detach()));
    if let Err(Failure::Because(exit::PEER_DIED, _)) = &ended {
        show_what_is_left(ids);
    }
    ended.and(detached)
}

/// Both segments, attached, and the process at the other end of them.
struct Found {
    back: Segment,
    out: Segment,
    server: Peer,
}

/// Looks for a server until there is one, or the patience is at its end.
fn find(options: &Options, input: &Input) -> Result<Found> {
    let start = Instant::now();
    let rest = |failure: &Failure| {
        let (limit, now) = (options.patience, start.elapsed());
        match failure {
            // A process that is dying has nothing attached any more: look again, too.
            Failure::Because(exit::NO_PEER | exit::NOT_A_PEER, _) => {
                limit.is_none_or(|limit| now < limit)
            }
            Failure::Because(exit::BUSY, _) => now < limit.unwrap_or(TAKEN).min(TAKEN),
            _ => false,
        }
    };
    let reason = match attempt(options, Some(input)) {
        Err(reason) if rest(&reason) => reason,
        decided => return decided,
    };
    note(say!("{reason}; looking again"));
    print::bulk(|| {
        loop {
            signals::wait(&[], Some(TICK), || false)?;
            match attempt(options, None) {
                Err(reason) if rest(&reason) => {}
                decided => return decided,
            }
        }
    })
}

/// One look; the first, which knows the side's input, is told step by step.
fn attempt(options: &Options, first: Option<&Input>) -> Result<Found> {
    if let Some(input) = first {
        step(6, "Client: find both, and take the free place in each")?;
        if !input.is_script() {
            note("steps 4 and 5 are the server's");
        }
    }
    let file = options.key_file()?;
    let absent = |failure: &Failure| matches!(failure, Failure::Call(_, Errno::ENOENT));
    let nobody = || Failure::Because(exit::NO_PEER, say!("no server at {file}: start it first"));
    let mut segments =
        [options.proj_id, options.proj_id + 1].into_iter().zip([Role::Reader, Role::Writer]);
    let mut next = || -> Result<Option<Segment>> {
        let Some((id, role)) = segments.next() else { return Ok(None) };
        let key = shm::ftok(&file, id.into());
        let key = key.map_err(|failure| if absent(&failure) { nobody() } else { failure })?;
        open(key, role, &file).map(Some)
    };
    let Some(back) = next()? else { return Err(nobody()) };
    let out = match next() {
        Ok(Some(out)) => out,
        failed => {
            back.detach()?;
            return Err(failed.err().unwrap_or_else(nobody));
        }
    };
    // Only now, when both are there: a server that finds our pid must find us attached, too.
    match back.take_place().and_then(|()| out.take_place()).and_then(|()| both(&back, &out)) {
        Ok(server) => {
            text(say!("memory: pid <- {}, in both", std::process::id()));
            back.announce();
            out.announce();
            note(say!("server {}: alive, and at the other end of both", server.pid));
            Ok(Found { back, out, server })
        }
        Err(failure) => {
            back.detach()?;
            out.detach()?;
            Err(failure)
        }
    }
}

/// Opens one segment, unless nobody has it attached: a starting server might take us for its user.
fn open(key: key_t, role: Role, file: &str) -> Result<Segment> {
    let because = |code, why: String| Err(Failure::Because(code, why));
    let nobody = say!("no server at key {key:#x}, made from {file}: start it first");
    let shmid = match shm::get(key, 0, 0) {
        Err(Failure::Call(_, Errno::ENOENT)) => return because(exit::NO_PEER, nobody),
        found => found?,
    };
    let attached = tables::segment(shmid).map(|row| row.get("nattch"));
    looked()?;
    match attached {
        None => return because(exit::NO_PEER, nobody),
        Some(0) => {
            let why =
                say!("segment {shmid} is there, but nobody has attached it: its server is gone");
            return because(exit::NO_PEER, why);
        }
        Some(_) => {}
    }
    match Segment::look(shmid, role) {
        Err(Failure::Call(call, errno @ (Errno::EACCES | Errno::EPERM)))
            if call.starts_with("shm") =>
        {
            because(exit::REFUSED, say!("refused: {}", Failure::Call(call, errno)))
        }
        Err(Failure::Call(_, Errno::EINVAL | Errno::EIDRM)) => because(exit::NO_PEER, nobody),
        opened => opened,
    }
}

/// The one server at the other end of both.
fn both(back: &Segment, out: &Segment) -> Result<Peer> {
    let missing = || Failure::Because(exit::NO_PEER, "the server has not written its pid".into());
    let server = back.peer()?.ok_or_else(missing)?;
    match out.peer()?.ok_or_else(missing)? {
        other if other.pid == server.pid => Ok(server),
        other => {
            let why = say!("hostile: {} and {} at the two ends", server.pid, other.pid);
            Err(Failure::Because(exit::HOSTILE, why))
        }
    }
}

/// After a server that was killed: nobody could clean up, and this is what is there.
fn show_what_is_left(ids: [i32; 2]) {
    let screen = compare::ipcs(&["-m"]).ok().flatten().unwrap_or_default();
    let row = |id: i32| {
        let id = id.to_string();
        screen.lines().find(|line| line.split_whitespace().nth(1) == Some(&id)).map(String::from)
    };
    let rows: Vec<(String, &str)> =
        ids.into_iter().zip(DIRECTIONS).filter_map(|(id, way)| Some((row(id)?, way))).collect();
    if !rows.is_empty() {
        note("a server that is killed cleans up nothing; ipcs -m still shows:");
        rows.iter().for_each(|(row, way)| text(format!("{} {way}", row.trim_end())));
        note(
            "the next server finds them by their keys, and takes over: nothing else may remove them",
        );
    }
}
