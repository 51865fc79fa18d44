//! The client: finds the segment, takes the place of the pid in it, prints what the server sends.

use std::sync::atomic::Ordering::SeqCst;
use std::time::Instant;

use duplex::peers::Peer;
use duplex::takeover::is_removed;
use lablib::print::{self, note, step, text};
use lablib::shm::{Addr, NULL};
use lablib::{Failure, Result, exit, looked, say, shm, signals};
use nix::errno::Errno;
use nix::sys::signal::Signal::{SIGUSR1, SIGUSR2};
use sysv::tables;

use crate::options::Options;
use crate::talk::{Came, TICK, Talk, handlers};
use crate::wire::{Decision, SIZE, StShmbuf, decide};

/// Talks to one server, until it says goodbye.
pub fn talk(options: &Options) -> Result<()> {
    print::name("client");
    handlers("Client")?;
    let (talk, addr) = find(options)?;
    let ended = ring_and_listen(&talk, options);
    drop(talk);
    let detached = signals::undisturbed(|| shm::dt(addr));
    ended.and(detached)
}

/// Which look for a server it is. The first is told step by step, and so is the one that follows when a
/// server has come. Only the last looks into a segment that nobody has attached, to say what is in it:
/// a starting server might take us for its user.
#[derive(Clone, Copy, PartialEq)]
pub enum Look {
    First,
    Again,
    Last,
    Found,
}

/// How many looks in a row make busy a fact. While shmat runs, the kernel counts one attachment more
/// than there are, so a single look may take a server that is just starting for two processes.
const BUSY_LOOKS: u32 = 10;

/// Looks for a server until there is one, or the patience is at its end.
fn find(options: &Options) -> Result<(Talk, Addr)> {
    let until = options.patience.map(|limit| Instant::now() + limit);
    let late = || until.is_some_and(|until| Instant::now() >= until);
    let mut look = Look::First;
    loop {
        let reason = match attempt(options, look) {
            Err(reason) if may_change(&reason) && !(look == Look::Found && late()) => reason,
            decided => return decided,
        };
        note(say!("{reason}; looking again"));
        print::bulk(|| {
            let mut busy = 0;
            while !late() {
                signals::wait(&[], Some(TICK), || false)?;
                let found = peek(options, Look::Again);
                let is_busy = matches!(found, Err(Failure::Because(exit::BUSY, _)));
                busy = if is_busy { busy + 1 } else { 0 };
                match found {
                    Err(reason) if may_change(&reason) && busy < BUSY_LOOKS => {}
                    decided => return decided,
                }
            }
            peek(options, Look::Last)
        })?;
        look = Look::Found;
    }
}

/// Is it worth looking again? A server may come, or be on its way past the remains of another; a
/// second client may go.
fn may_change(reason: &Failure) -> bool {
    matches!(reason, Failure::Because(exit::NO_PEER | exit::NOT_A_PEER | exit::BUSY, _))
}

/// Is there a server now? Leaves the segment as it is.
fn peek(options: &Options, look: Look) -> Result<()> {
    let (shmid, before, addr) = attach(options, look)?;
    let seen = shm::view(addr).and_then(|shared| the_only_one(&shared, shmid, before, look));
    shm::dt(addr)?;
    seen.map(drop)
}

/// One look: finds the segment, attaches it, makes sure of the server in it, and takes its place.
fn attempt(options: &Options, look: Look) -> Result<(Talk, Addr)> {
    let (shmid, before, addr) = attach(options, look)?;
    let met = meet(shmid, addr, before, options, look);
    if met.is_err() {
        shm::dt(addr)?;
    }
    Ok((met?, addr))
}

/// A heading, where the look is told. Of a second one the first step has its heading already.
fn step_of(look: Look, number: u32, heading: &'static str) -> Result<()> {
    let told = look == Look::First || look == Look::Found && number > 1;
    if told { step(number, heading) } else { Ok(()) }
}

/// Steps 1 and 2: the segment, how many had attached it, and where it is now.
fn attach(options: &Options, look: Look) -> Result<(i32, i64, Addr)> {
    step_of(look, 1, "Client: open the segment")?;
    let shmid = open(options)?;
    let before = count(shmid, look)?;
    step_of(look, 2, "Client: attach it")?;
    match shm::at(shmid, NULL, 0) {
        Err(Failure::Call(call, errno @ (Errno::EACCES | Errno::EPERM))) => {
            because(exit::REFUSED, say!("refused: {}", Failure::Call(call, errno)))
        }
        Err(Failure::Call(_, Errno::EINVAL | Errno::EIDRM)) => {
            because(exit::NO_PEER, say!("segment {shmid} has just gone"))
        }
        attached => Ok((shmid, before, attached?)),
    }
}

fn because<T>(code: u8, why: String) -> Result<T> {
    Err(Failure::Because(code, why))
}

/// Opens the segment of our key, which a server has made.
pub fn open(options: &Options) -> Result<i32> {
    let file = options.key_file()?;
    let key = match shm::ftok(&file, options.proj_id.into()) {
        Err(failure) if absent(&failure) => {
            return because(exit::NO_PEER, say!("no server at {file}: start it first"));
        }
        key => key?,
    };
    match shm::get(key, SIZE, 0) {
        Err(failure) if absent(&failure) => {
            let why = say!("no server at key {key:#x}, made from {file}: start it first");
            because(exit::NO_PEER, why)
        }
        Err(Failure::Call(_, Errno::EINVAL)) => {
            let why = say!("refused: the segment of key {key:#x} is smaller than {SIZE} bytes");
            because(exit::REFUSED, why)
        }
        opened => opened,
    }
}

/// How many have attached it, before we do: one, unless this is no server's, or not for us.
pub fn count(shmid: i32, look: Look) -> Result<i64> {
    let row = tables::segment(shmid);
    looked()?;
    let Some(row) = row else {
        return because(exit::NO_PEER, say!("segment {shmid} has just gone"));
    };
    let (size, attached) = (row.get("size"), row.get("nattch"));
    if size != SIZE as i64 {
        let why = say!("refused: segment {shmid} has {size} bytes, not {SIZE}");
        return because(exit::REFUSED, why);
    }
    if row.get("cpid") == 0 {
        let why =
            say!("segment {shmid} was made in another pid namespace: its pids mean nothing here");
        return because(exit::NOT_A_PEER, why);
    }
    match attached {
        0 if look != Look::Last => {
            because(exit::NO_PEER, say!("nobody has attached segment {shmid}"))
        }
        0 | 1 => Ok(attached),
        n => {
            let why = say!("busy: segment {shmid} is attached {n} times: another client");
            because(exit::BUSY, why)
        }
    }
}

fn absent(failure: &Failure) -> bool {
    matches!(failure, Failure::Call(_, Errno::ENOENT))
}

/// The process whose pid stands in the segment, if it is the server: who has made it.
pub fn the_server(written: i32, shmid: i32) -> Result<Peer> {
    let peer = Peer::of(written, shmid)?;
    let maker = tables::segment(shmid).map_or(0, |row| row.get("cpid"));
    looked()?;
    if maker == i64::from(written) {
        return Ok(peer);
    }
    let why = say!("{written} has it attached, but {maker} made it: another client, left alone");
    because(exit::NOT_A_PEER, why)
}

/// Step 3: is there one server, and nobody else?
fn the_only_one(shared: &StShmbuf, shmid: i32, before: i64, look: Look) -> Result<Peer> {
    step_of(look, 3, "Client: read the server's pid")?;
    let written = shared.pid.load(SeqCst);
    if matches!(look, Look::First | Look::Found) {
        text(say!("memory: pid -> {written}"));
    }
    let peer = the_server(written, shmid)?;
    let after = tables::segment(shmid).map_or(0, |row| row.get("nattch"));
    looked()?;
    if (before, after) != (1, 2) {
        return because(
            exit::NO_PEER,
            say!("nattch was {before} and is {after}: somebody comes or goes"),
        );
    }
    Ok(peer)
}

/// Steps 3 and 4: the pid in the segment becomes ours.
fn meet(shmid: i32, addr: Addr, before: i64, options: &Options, look: Look) -> Result<Talk> {
    let shared = shm::view::<StShmbuf>(addr)?;
    let peer = the_only_one(&shared, shmid, before, look)?;
    note(say!("server {}: alive, ours to signal, and the only one attached", peer.pid));
    step_of(look, 4, "Client: write our own pid in its place")?;
    let (me, written) = (std::process::id() as i32, peer.pid.as_raw());
    if let Err(other) = shared.pid.compare_exchange(written, me, SeqCst, SeqCst) {
        return because(exit::BUSY, say!("busy: {other} was faster"));
    }
    text(say!("memory: pid <- {me}, where {written} was"));
    Ok(Talk { peer, agreed: me, shared, shmid, patience: options.patience })
}

fn ring_and_listen(talk: &Talk, options: &Options) -> Result<()> {
    step(5, "Client: ring at the server")?;
    talk.ring(SIGUSR2)?;
    step(6, "Client: wait for a message")?;
    if options.count { print::bulk(|| listen(talk, true)) } else { listen(talk, false) }
}

fn listen(talk: &Talk, bulk: bool) -> Result<()> {
    let mut first = !bulk;
    loop {
        if talk.wait_for(SIGUSR1, false)? == Came::Death {
            // A server that removes the segment before it goes has said goodbye with that.
            if is_removed(talk.shmid) {
                return Ok(());
            }
            return Err(talk.death());
        }
        if first {
            step(7, "Client: read buf")?;
        }
        if !read_message(talk)? {
            return Ok(());
        }
        if std::mem::take(&mut first) {
            step(8, "Client: tell the server that we have read")?;
        }
        talk.ring(SIGUSR2)?;
    }
}

/// Step 7: reads buf, once. False: it is empty, and the server says goodbye.
pub fn read_message(talk: &Talk) -> Result<bool> {
    match decide(&talk.shared.copy(), std::process::id() as i32) {
        Decision::Message(message) => text(say!("message: {message}")),
        Decision::End => {
            note("an empty message: the server says goodbye");
            return Ok(false);
        }
        Decision::Hostile(why) => {
            return Err(Failure::Because(exit::HOSTILE, say!("hostile: {why}")));
        }
    }
    Ok(true)
}
