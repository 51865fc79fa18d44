//! What both sides do: wait for the other's signal, and notice when none can come.

use std::os::fd::{AsRawFd, BorrowedFd};
use std::sync::atomic::Ordering::SeqCst;
use std::time::{Duration, Instant};

use duplex::peers::Peer;
use duplex::takeover::is_removed;
use lablib::print::{self, note, step, translated};
use lablib::shm::View;
use lablib::signals::{self, heard, sender, sigaction, sigprocmask, was_heard};
use lablib::{Failure, Patience, Result, exit, say};
use nix::errno::Errno;
use nix::sys::signal::SigmaskHow::SIG_BLOCK;
use nix::sys::signal::Signal::{self, SIGUSR1, SIGUSR2};

use crate::wire::StShmbuf;

/// A look at what no event tells: whether the peer is stopped, whether the segment was removed.
pub const LOOK: Duration = Duration::from_millis(250);
/// Time between two attempts.
pub const TICK: Duration = Duration::from_millis(20);
/// How long one waits for a peer to fall asleep that would lose a signal otherwise.
const DROWSY: Duration = Duration::from_millis(100);

/// Why both sides begin with step 9.
pub const WHY_9: &str = "the source notes number this last; it has to be done first";

/// Both signals: handled, and let in only while we wait, so that none is lost.
pub fn handlers(who: &str) -> Result<()> {
    let who = translated(who);
    step(9, say!("{who}: handlers, before anybody knows our pid"))?;
    note(WHY_9);
    for signal in [SIGUSR1, SIGUSR2] {
        sigaction(signal)?;
        sigprocmask(SIG_BLOCK, signal)?;
    }
    note("the mask of ppoll lets both in, and only while ppoll sleeps");
    Ok(())
}

/// Who sent a signal, for a note.
pub fn whom(signal: Signal) -> String {
    match sender(signal) {
        0 => say!("nobody who can be known (its si_code is not SI_USER)"),
        pid => say!("{pid}, who is not our peer"),
    }
}

/// `ppoll` with a mask that lets the signals in: until `signal` is heard, which is EINTR, or one of
/// `fds` can be read, or it is late, which is 0. It wakes four times a second to `look` at what no
/// event tells, and is printed once for all of these.
pub fn sleep(
    fds: &[BorrowedFd],
    signal: Signal,
    until: Option<Instant>,
    mut look: impl FnMut() -> Result<()>,
) -> Result<nix::Result<i32>> {
    let polled: Vec<String> = fds.iter().map(|fd| format!("{{fd={}}}", fd.as_raw_fd())).collect();
    let line = format!("ppoll([{}], mask)", polled.join(", "));
    print::begin(&line)?;
    let came = loop {
        let rest = until.map(|until| until.saturating_duration_since(Instant::now()));
        if rest == Some(Duration::ZERO) {
            break Ok(0);
        }
        let ready = signals::wait(fds, Some(rest.unwrap_or(LOOK).min(LOOK)), || was_heard(signal))?;
        if !ready.is_empty() {
            // The peer's last signal may have come with its death: it is let in.
            signals::wait(&[], Some(Duration::ZERO), || was_heard(signal))?;
            break Ok(ready.len() as i32);
        }
        if heard(signal) > 0 {
            break Err(Errno::EINTR);
        }
        look()?;
    };
    signals::print_handlers();
    // What it answered is for the caller to read.
    let _ = print::after(came, |_| line);
    Ok(came)
}

/// One conversation.
pub struct Talk {
    pub peer: Peer,
    /// The client's pid, which stands in the segment from now on.
    pub agreed: i32,
    pub shared: View<StShmbuf>,
    pub shmid: i32,
    pub patience: Patience,
}

/// What a wait brought.
#[derive(PartialEq, Debug)]
pub enum Came {
    /// The signal, from the peer.
    Signal,
    /// The peer has ended.
    Death,
}

impl Talk {
    /// Rings: the signal goes to the peer, when it can hear it.
    pub fn ring(&self, signal: Signal) -> Result<()> {
        self.peer.until_it_hears(signal, DROWSY)?;
        match self.peer.signal(signal) {
            Err(Failure::Because(exit::PEER_DIED, why)) => Err(self.gone(why)),
            sent => sent,
        }
    }

    /// Waits for the peer's signal. If it owes one, no longer than the patience lasts.
    pub fn wait_for(&self, signal: Signal, owed: bool) -> Result<Came> {
        let until = self.patience.filter(|_| owed).map(|limit| Instant::now() + limit);
        let (mut stopped, mut removed) = (false, false);
        loop {
            let look = || self.look(&mut stopped, &mut removed);
            match sleep(&[self.peer.fd()], signal, until, look)? {
                Err(Errno::EINTR) if sender(signal) == self.peer.pid.as_raw() => {
                    return Ok(Came::Signal);
                }
                Err(_) => note(say!("{signal} from {}: ignored", whom(signal))),
                Ok(0) => return Err(self.silence()),
                Ok(_) => {
                    let last = heard(signal) > 0 && sender(signal) == self.peer.pid.as_raw();
                    return Ok(if last { Came::Signal } else { Came::Death });
                }
            }
        }
    }

    /// The peer lives and does not answer.
    pub fn silence(&self) -> Failure {
        let why = if self.peer.is_stopped() { "it is stopped (state T)" } else { "it lives" };
        let why = translated(why);
        let why = say!("{} is silent: {why}, and owes an answer", self.peer.pid);
        Failure::Because(exit::PEER_SILENT, why)
    }

    /// The peer has ended. A server leaves its segment behind, if it has not removed it.
    pub fn death(&self) -> Failure {
        let (pid, id) = (self.peer.pid, self.shmid);
        self.gone(match is_removed(id) {
            true => say!("{pid} died"),
            false => say!(
                "{pid} died without a word; its segment {id} is left, and the next server takes it over"
            ),
        })
    }

    /// The peer has ended; perhaps because it has found somebody else's pid, which we find, too.
    pub fn gone(&self, why: String) -> Failure {
        self.check_pid().err().unwrap_or(Failure::Because(exit::PEER_DIED, why))
    }

    /// Says what has become of the peer and the segment, once. `Err`: somebody else writes into it.
    pub fn look(&self, stopped: &mut bool, removed: &mut bool) -> Result<()> {
        let now = self.peer.is_stopped();
        if now != *stopped {
            let pid = self.peer.pid;
            note(match now {
                true => say!("{pid} is stopped (state T); waiting"),
                false => say!("{pid} goes on"),
            });
        }
        *stopped = now;
        if is_removed(self.shmid) && !*removed {
            *removed = true;
            note("the segment was removed: we go on, but nobody else will find it");
        }
        self.check_pid()
    }

    /// The pid in the segment must stay what the two agreed on.
    pub fn check_pid(&self) -> Result<()> {
        let (now, agreed) = (self.shared.pid.load(SeqCst), self.agreed);
        if now == agreed {
            return Ok(());
        }
        let why = say!("hostile: the pid in the segment became {now}; {agreed} is the client's");
        Err(Failure::Because(exit::HOSTILE, why))
    }
}
