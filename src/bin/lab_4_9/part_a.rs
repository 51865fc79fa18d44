//! Part A: the protocol of the source notes, step by step, with `pause` and `kill`.
//!
//! Two things are added, and neither is part of it: a pid is checked before it gets a signal, and
//! what would hang ends (`onlooker.rs`). So that the story comes out the same every time, who sends
//! a signal first looks whether the other is asleep in `pause`. Part B shows what happens otherwise.

use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use duplex::peers::Peer;
use duplex::speech::printable;
use duplex::takeover::{self, is_removed, remove};
use lablib::print::{self, note, step, text, translated};
use lablib::shm::{Addr, NULL, View};
use lablib::signals::{self, kill, sigaction};
use lablib::{Result, say, shm};
use nix::sys::signal::Signal::{self, SIGUSR1, SIGUSR2};

use crate::client::{Look, count, open, read_message, the_server};
use crate::gate::Opener;
use crate::onlooker::Onlooker;
use crate::options::Options;
use crate::server::{Lines, say_ready};
use crate::talk::{Came, Talk, WHY_9};
use crate::wire::{SIZE, StShmbuf, messages};

/// What the demonstration sends.
const LINES: &str = "hello\n";
/// How long one waits for the other to fall asleep, if there is no other limit: with STEP a reader
/// stands in between.
const DROWSY: Duration = Duration::from_secs(3600);

/// The server. `ready`, if there is one, is opened when a client may come.
pub fn serve(options: &Options, ready: Option<Opener>) -> Result<()> {
    print::name("server");
    let lines = Lines::open(options, ready.is_some().then_some(LINES))?;
    step(9, "A, server: sigaction, before anybody knows its pid")?;
    note(WHY_9);
    sigaction(SIGUSR2)?;
    let onlooker = Onlooker::start()?;
    step(1, "A, server: shmget")?;
    let file = options.key_file()?;
    let _lock = print::dim(|| takeover::lock(&file))?;
    let key = shm::ftok(&file, options.proj_id.into())?;
    let shmid = takeover::create(key, SIZE, options.mode)?;
    step(2, "A, server: shmat")?;
    let addr = shm::at(shmid, NULL, 0)?;
    let shared = shm::view::<StShmbuf>(addr)?;
    let ended = exchange(options, shmid, shared, ready.as_ref(), &onlooker)
        .and_then(|talk| say_all(&talk, lines, &onlooker, options.count));
    signals::undisturbed(|| {
        let removed = if is_removed(shmid) { Ok(()) } else { remove(shmid) };
        let detached = shm::dt(addr);
        ended.and(removed).and(detached)
    })
}

/// Steps 3 to 5: the pids.
fn exchange(
    options: &Options,
    shmid: i32,
    shared: View<StShmbuf>,
    ready: Option<&Opener>,
    onlooker: &Onlooker,
) -> Result<Talk> {
    step(3, "A, server: write its pid into the segment")?;
    let me = std::process::id() as i32;
    shared.pid.store(me, SeqCst);
    text(say!("memory: pid <- {me}"));
    step(4, "A, server: pause, until a client signals")?;
    say_ready(ready, "make lab-4.9-client ARGS='--part a' is one; or a program of yours, in C")?;
    onlooker.pause_until(SIGUSR2, None, false)?;
    step(5, "A, server: take the client's pid")?;
    let written = shared.pid.load(SeqCst);
    text(say!("memory: pid -> {written}"));
    let peer = Peer::of(written, shmid)?;
    Ok(Talk { peer, agreed: written, shared, shmid, patience: options.patience })
}

/// Steps 6 to 8, for each message; at the end, or earlier, goodbye.
fn say_all(talk: &Talk, mut lines: Lines, onlooker: &Onlooker, count: bool) -> Result<()> {
    if lines.typed {
        note("type lines; Ctrl-D ends");
    }
    let mut first = !count;
    let mut all = || {
        while let Some(line) = lines.next(talk)? {
            for message in messages(&line) {
                say(talk, &message, onlooker, std::mem::take(&mut first), count)?;
            }
        }
        Ok(())
    };
    let said = if count { print::bulk(all) } else { all() };
    let goodbye = signals::undisturbed(|| {
        if talk.peer.has_ended() {
            return Ok(());
        }
        note("an empty message ends the conversation");
        talk.shared.write(b"");
        let removed = remove(talk.shmid);
        tell(talk, "client", SIGUSR1, false)?;
        removed
    });
    said.and(goodbye)
}

fn say(talk: &Talk, message: &[u8], onlooker: &Onlooker, first: bool, bulk: bool) -> Result<()> {
    let step = |number, heading| if first { step(number, heading) } else { Ok(()) };
    step(6, "A, server: write buf")?;
    talk.shared.write(message);
    if !bulk {
        text(say!("memory: buf <- \"{}\"", printable(message)));
    }
    step(7, "A, server: kill, SIGUSR1: there is something to read")?;
    tell(talk, "client", SIGUSR1, first)?;
    step(8, "A, server: pause, until the client has read")?;
    match onlooker.pause_until(SIGUSR2, Some(talk), true)? {
        Came::Signal => talk.check_pid(),
        Came::Death => Err(talk.death()),
    }
}

/// The client.
pub fn talk(options: &Options) -> Result<()> {
    print::name("client");
    step(9, "A, client: sigaction, before anybody knows its pid")?;
    note(WHY_9);
    sigaction(SIGUSR1)?;
    let onlooker = Onlooker::start()?;
    step(1, "A, client: shmget")?;
    let shmid = open(options)?;
    count(shmid, Look::Last)?;
    step(2, "A, client: shmat")?;
    let addr = shm::at(shmid, NULL, 0)?;
    let ended = meet(options, shmid, addr).and_then(|talk| {
        step(5, "A, client: kill, SIGUSR2: a client is there")?;
        tell(&talk, "server", SIGUSR2, true)?;
        step(6, "A, client: pause, until there is something to read")?;
        let all = || listen(&talk, &onlooker, !options.count);
        if options.count { print::bulk(all) } else { all() }
    });
    let detached = signals::undisturbed(|| shm::dt(addr));
    ended.and(detached)
}

/// Steps 3 and 4: the pids.
fn meet(options: &Options, shmid: i32, addr: Addr) -> Result<Talk> {
    let shared = shm::view::<StShmbuf>(addr)?;
    step(3, "A, client: take the server's pid")?;
    let written = shared.pid.load(SeqCst);
    text(say!("memory: pid -> {written}"));
    let peer = the_server(written, shmid)?;
    step(4, "A, client: write its pid into the segment")?;
    let me = std::process::id() as i32;
    shared.pid.store(me, SeqCst);
    text(say!("memory: pid <- {me}"));
    Ok(Talk { peer, agreed: me, shared, shmid, patience: options.patience })
}

/// Steps 6 to 8, for each message.
fn listen(talk: &Talk, onlooker: &Onlooker, mut first: bool) -> Result<()> {
    loop {
        if onlooker.pause_until(SIGUSR1, Some(talk), false)? == Came::Death {
            // A server that removes the segment before it goes has said goodbye with that.
            return if is_removed(talk.shmid) { Ok(()) } else { Err(talk.death()) };
        }
        if first {
            step(7, "A, client: read buf")?;
        }
        if !read_message(talk)? {
            return Ok(());
        }
        if first {
            step(8, "A, client: kill, SIGUSR2: go on writing")?;
        }
        tell(talk, "server", SIGUSR2, std::mem::take(&mut first))?;
    }
}

/// kill, to a pid that was checked, and as soon as the other is asleep in its pause.
fn tell(talk: &Talk, who: &str, signal: Signal, show: bool) -> Result<()> {
    let there = talk.peer.until_it_hears(signal, talk.patience.unwrap_or(DROWSY))?;
    if talk.peer.has_ended() {
        return Err(talk.death());
    }
    let who = translated(who);
    match there.map(translated) {
        Some(how) if show => note(say!("✓ the {who} {how}")),
        None => note(say!("the {who} does not wait yet: this signal may be lost")),
        _ => {}
    }
    kill(talk.peer.pid, signal)
}
