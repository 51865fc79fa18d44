//! Part B: what is wrong with part A, shown. The lab makes both sides itself, and holds one of them
//! where a busy machine holds it now and then.

use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use duplex::peers::Peer;
use lablib::child::{Child, child};
use lablib::print::{claim, dim, note, step, text, translated};
use lablib::shm::{NULL, View};
use lablib::signals::{heard, kill, pause, sigaction, was_heard};
use lablib::{Failure, Result, exit, say, shm};
use libc::IPC_PRIVATE;
use nix::sys::signal::Signal::{SIGUSR1, SIGUSR2};
use nix::sys::wait::WaitStatus;
use sysv::process::{SYS_PAUSE, status};

use crate::gate::gate;
use crate::onlooker::asleep_for_good;
use crate::wire::{SIZE, StShmbuf};

/// A segment like that of part A. Removed at once: it stays while it is attached, and no longer.
fn segment() -> Result<(i32, View<StShmbuf>)> {
    let id = dim(|| shm::get(IPC_PRIVATE, SIZE, 0o600))?;
    let addr = dim(|| shm::at(id, NULL, 0))?;
    dim(|| shm::ctl_rmid(id))?;
    Ok((id, shm::view(addr)?))
}

/// The server is between its check and its pause when the client's signal comes.
pub fn before_pause() -> Result<()> {
    step(10, "B: the server is held before its pause")?;
    let (id, shared) = segment()?;
    let ((held, held_here), (pass, open)) = (gate()?, gate()?);
    let place = &shared;
    // It alone can open the gate: when it has ended, the lab knows.
    let server = the_labs("server", move || {
        dim(|| sigaction(SIGUSR2))?;
        write_pid(place);
        while heard(SIGUSR2) == 0 {
            note("no signal yet, so the next call is pause");
            held_here.open()?;
            pass.pass()?;
            claim(was_heard(SIGUSR2), "the signal has come, and its handler has run")?;
            pause()?;
        }
        Ok(())
    })?;
    if !held.pass()? {
        return server.finish();
    }
    step(11, "B: the client signals meanwhile")?;
    let client = the_labs("client", || {
        dim(|| sigaction(SIGUSR1))?;
        let written = shared.pid.load(SeqCst);
        text(say!("memory: pid -> {written}"));
        let peer = Peer::of(written, id)?;
        write_pid(&shared);
        kill(peer.pid, SIGUSR2)?;
        while heard(SIGUSR1) == 0 {
            pause()?;
        }
        Ok(())
    })?;
    let client = in_pause(client)?;
    step(12, "B: the server goes on, into its pause")?;
    open.open()?;
    let server = in_pause(server)?;
    for (name, side) in [("server", &server), ("client", &client)] {
        let pending = status(side.pid.as_raw()).map_or(0, |status| status.pending);
        let state = if asleep_for_good(side.pid) { "asleep in pause" } else { "not asleep" };
        let (name, state) = (translated(name), translated(state));
        text(say!("{name} {}: {state}; signals pending: {pending:#x}", side.pid));
    }
    let for_good = asleep_for_good(server.pid) && asleep_for_good(client.pid);
    claim(for_good, "both are asleep in pause, and nothing is on its way to either")?;
    note("the signal was lost; in part A, --patience would end this");
    end(server)?;
    end(client)
}

/// The pid in the segment is that of a process which never heard of it.
pub fn anybodys_pid() -> Result<()> {
    step(13, "B: the pid is that of a stranger")?;
    // Before there is a segment, so that it has not attached it.
    let stranger = the_labs("stranger", || {
        loop {
            pause()?;
        }
    })?;
    let (id, shared) = segment()?;
    shared.pid.store(stranger.pid.as_raw(), SeqCst);
    text(say!("memory: pid <- {}", stranger.pid));
    note("as after a crash: the server's number was given to a new process");
    match Peer::of(stranger.pid.as_raw(), id).err() {
        Some(Failure::Because(exit::NOT_A_PEER, why)) => note(say!("✓ refused: {why}")),
        Some(_) if stranger.has_ended(Duration::ZERO)? => return stranger.finish(),
        Some(failure) => return Err(failure),
        None => return Err(Failure::because("a stranger was taken for a peer")),
    }
    step(14, "B: and without the check")?;
    note("the stranger is a child of the lab, made for this");
    let stranger = in_pause(stranger)?;
    kill(stranger.pid, SIGUSR2)?;
    let ended = stranger.wait()?;
    let killed = matches!(ended, WaitStatus::Signaled(_, SIGUSR2, _));
    claim(killed, "the stranger is dead: kill ended it")?;
    note("kill does not ask whose number it is");
    Ok(())
}

/// A process that the lab makes to show something.
pub fn the_labs(name: &'static str, body: impl FnOnce() -> Result<()>) -> Result<Child> {
    note(say!("a fork of the lab's own: the {}", translated(name)));
    dim(|| child(name, body))
}

/// Waits until it sleeps in pause. One that has ended instead has said why, or was killed.
fn in_pause(side: Child) -> Result<Child> {
    side.until_asleep_in(SYS_PAUSE)?;
    if side.has_ended(Duration::ZERO)? {
        let why = Failure::because(say!("{} ended, and was to sleep in pause", side.pid));
        return side.finish().and(Err(why));
    }
    Ok(side)
}

fn write_pid(shared: &StShmbuf) {
    let me = std::process::id() as i32;
    shared.pid.store(me, SeqCst);
    text(say!("memory: pid <- {me}"));
}

/// It sleeps for good: it is killed, and reaped.
fn end(side: Child) -> Result<()> {
    dim(|| side.kill())?;
    dim(|| side.wait()).map(drop)
}
