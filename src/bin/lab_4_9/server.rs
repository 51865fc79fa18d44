//! The server: makes the segment, waits for a client, sends it line after line.

use std::fs::File;
use std::io::IsTerminal;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::sync::atomic::Ordering::SeqCst;

use duplex::peers::Peer;
use duplex::speech::printable;
use duplex::takeover;
use duplex::takeover::{is_removed, remove};
use lablib::print::{self, note, step, text};
use lablib::shm::NULL;
use lablib::signals::{self, sender, was_heard};
use lablib::{Failure, Result, compare, exit, say, shm};
use libc::O_NONBLOCK;
use nix::errno::Errno;
use nix::sys::signal::Signal::{SIGUSR1, SIGUSR2};
use nix::unistd::read;
use sysv::process::{has_attached, runs};

use crate::gate::Opener;
use crate::options::Options;
use crate::talk::{Came, LOOK, Talk, handlers, sleep};
use crate::wire::{SIZE, StShmbuf, messages};

/// What the demonstration says when nobody gives it anything to say.
const LINES: &str = "hello\ngrüße, 你好, здравствуй\n";

/// Serves one client. `ready`, if there is one, is opened when a client may come.
pub fn serve(options: &Options, ready: Option<Opener>) -> Result<()> {
    print::name("server");
    let lines = Lines::open(options, ready.is_some().then_some(LINES))?;
    handlers("Server")?;
    step(1, "Server: create the segment")?;
    let file = options.key_file()?;
    let _lock = takeover::lock(&file)?;
    let key = shm::ftok(&file, options.proj_id.into())?;
    let shmid = takeover::create(key, SIZE, options.mode)?;
    step(2, "Server: attach it")?;
    let addr = shm::at(shmid, NULL, 0)?;
    if !options.unwatched {
        compare::segment(shmid)?;
    }
    let shared = shm::view::<StShmbuf>(addr)?;
    let ended = meet(shmid, &shared, ready.as_ref()).and_then(|peer| {
        let agreed = peer.pid.as_raw();
        let talk = Talk { peer, agreed, shared, shmid, patience: options.patience };
        if lines.typed {
            note("type lines; Ctrl-D ends");
        }
        let said = if options.count {
            print::bulk(|| say_all(&talk, lines, true))
        } else {
            say_all(&talk, lines, false)
        };
        let goodbye = signals::undisturbed(|| say_goodbye(&talk));
        said.and(goodbye)
    });
    signals::undisturbed(|| {
        let removed = if is_removed(shmid) { Ok(()) } else { remove(shmid) };
        let detached = shm::dt(addr);
        ended.and(removed).and(detached)
    })
}

/// Writes our pid, and waits for a client that has put its own in the place.
fn meet(shmid: i32, shared: &StShmbuf, ready: Option<&Opener>) -> Result<Peer> {
    let me = std::process::id() as i32;
    step(3, "Server: write our pid into it")?;
    shared.pid.store(me, SeqCst);
    text(say!("memory: pid <- {me}"));
    step(4, "Server: wait until a client rings")?;
    say_ready(ready, "make lab-4.9-client is one; or a program of yours, in C")?;
    let mut strange = 0;
    loop {
        // Without a limit, so it is the signal that ended it.
        let _ = sleep(&[], SIGUSR2, None, || look_around(shmid, shared, me, &mut strange))?;
        let from = sender(SIGUSR2);
        let written = shared.pid.load(SeqCst);
        note(say!("SIGUSR2 from {from}; the pid in the segment is {written}"));
        if from != written || from == me {
            note("they differ, or it is our own: not a client; ignored");
            continue;
        }
        step(5, "Server: take the client's pid")?;
        let peer = Peer::of(written, shmid).map_err(|failure| match failure {
            Failure::Because(exit::NO_PEER, why) => Failure::Because(exit::PEER_DIED, why),
            failure => failure,
        })?;
        note(say!("client {}: alive, ours to signal, and attached to this segment", peer.pid));
        return Ok(peer);
    }
}

/// In the demonstration, lets the client come; otherwise names one.
pub fn say_ready(ready: Option<&Opener>, client: &'static str) -> Result<()> {
    match ready {
        Some(ready) => ready.open(),
        None => {
            note(client);
            Ok(())
        }
    }
}

/// While nobody rings: is there still a segment to be found, and does our pid stand in it, or that of a
/// client which is about to ring? `strange`: the pid at the last look that was neither.
fn look_around(shmid: i32, shared: &StShmbuf, me: i32, strange: &mut i32) -> Result<()> {
    if is_removed(shmid) {
        let why = "refused: somebody removed the segment; no client can find it any more";
        return Err(Failure::Because(exit::REFUSED, why.into()));
    }
    let written = shared.pid.load(SeqCst);
    let died = written == 0 || written > 0 && !runs(written);
    if written != me && died && !was_heard(SIGUSR2) {
        // By compare-exchange: another client may be just there.
        if shared.pid.compare_exchange(written, me, SeqCst, SeqCst).is_ok() {
            note(say!("client {written} came, and died before it rang; our pid is back"));
        }
    }
    let attached = written == me || written > 0 && has_attached(written, shmid);
    // One that is just ending has detached, and runs: twice the same pid, it is no client's.
    let before = std::mem::replace(strange, if attached || died { 0 } else { written });
    if before == written && *strange == written {
        let why = say!("hostile: the pid in the segment became {written}, which is no client's");
        return Err(Failure::Because(exit::HOSTILE, why));
    }
    Ok(())
}

fn say_all(talk: &Talk, mut lines: Lines, bulk: bool) -> Result<()> {
    let mut first = !bulk;
    while let Some(line) = lines.next(talk)? {
        for message in messages(&line) {
            say(talk, &message, std::mem::take(&mut first), bulk)?;
        }
    }
    Ok(())
}

/// One message: written, rung for, and answered.
fn say(talk: &Talk, message: &[u8], first: bool, bulk: bool) -> Result<()> {
    let step = |number, heading| if first { step(number, heading) } else { Ok(()) };
    step(6, "Server: write a message into buf")?;
    talk.shared.write(message);
    if !bulk {
        text(say!("memory: buf <- \"{}\"", printable(message)));
    }
    step(7, "Server: tell the client")?;
    talk.ring(SIGUSR1)?;
    step(8, "Server: wait until it has read")?;
    match talk.wait_for(SIGUSR2, true)? {
        Came::Signal => talk.check_pid(),
        Came::Death => Err(talk.gone(say!("{} died", talk.peer.pid))),
    }
}

/// The end, also an early one: an empty message, the removal, and the last ring, in this order, so
/// that who is rung finds both.
fn say_goodbye(talk: &Talk) -> Result<()> {
    if talk.peer.has_ended() {
        return Ok(());
    }
    talk.shared.write(b"");
    note("an empty message ends the conversation");
    let removed = remove(talk.shmid);
    talk.ring(SIGUSR1)?;
    removed
}

/// The lines to be sent, from wherever they come.
pub struct Lines {
    from: Option<OwnedFd>,
    bytes: Vec<u8>,
    /// Somebody types them at a terminal.
    pub typed: bool,
}

impl Lines {
    /// Those of a file, or `given`, or standard input.
    pub fn open(options: &Options, given: Option<&str>) -> Result<Lines> {
        if let Some(path) = &options.messages {
            let trouble = |error| Failure::because(format!("{}: {error}", path.display()));
            // A pipe that nobody writes to yet would keep open() waiting, deaf to signals.
            let file = File::options().read(true).custom_flags(O_NONBLOCK).open(path);
            let from = Some(file.map_err(trouble)?.into());
            return Ok(Lines { from, bytes: vec![], typed: false });
        }
        if let Some(given) = given {
            return Ok(Lines { from: None, bytes: given.into(), typed: false });
        }
        let stdin = std::io::stdin();
        let from = stdin.as_fd().try_clone_to_owned();
        let from = from.map_err(Failure::of("dup(standard input)"))?;
        Ok(Lines { from: Some(from), bytes: vec![], typed: stdin.is_terminal() })
    }

    /// The next line, without its newline; `None` at the end. Notices what becomes of the client.
    pub fn next(&mut self, talk: &Talk) -> Result<Option<Vec<u8>>> {
        let (mut stopped, mut removed) = (false, false);
        loop {
            if let Some(end) = self.bytes.iter().position(|&byte| byte == b'\n') {
                let line = self.bytes.drain(..=end).take(end).collect();
                return Ok(Some(line));
            }
            let Some(from) = &self.from else {
                let rest = std::mem::take(&mut self.bytes);
                return Ok((!rest.is_empty()).then_some(rest));
            };
            let ready = signals::wait(&[talk.peer.fd(), from.as_fd()], Some(LOOK), || false)?;
            if ready.contains(&0) {
                let why = say!("{} died, or left without a word", talk.peer.pid);
                return Err(talk.gone(why));
            }
            if ready.contains(&1) {
                let mut more = [0; 4096];
                match read(from, &mut more) {
                    Ok(0) => self.from = None,
                    Ok(n) => self.bytes.extend_from_slice(&more[..n]),
                    Err(Errno::EAGAIN | Errno::EINTR) => {}
                    Err(errno) => return Err(Failure::Call("read".into(), errno)),
                }
            }
            talk.look(&mut stopped, &mut removed)?;
        }
    }
}
