//! `pause`, with a way out. Only a signal ends a pause, so a thread of the lab looks on, and sends
//! SIGALRM when the wait has become hopeless. It is no part of the protocol.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::Ordering::SeqCst;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use lablib::print::{dim, note};
use lablib::shm::{self, Addr};
use lablib::signals::{self, heard, pause, sigaction, was_heard};
use lablib::{Failure, Result, exit, say};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::Signal::{self, SIGALRM};
use nix::sys::signal::{SigSet, SigmaskHow, kill};
use nix::unistd::Pid;
use sysv::process::{SYS_PAUSE, asleep_in, status};

use crate::talk::{Came, Talk};
use crate::wire::StShmbuf;

/// Time between two looks; nothing depends on it but how soon a hopeless wait ends.
const LOOK: Duration = Duration::from_millis(20);

/// What the main thread waits for.
struct Wait {
    /// Its peer, once it has one.
    peer: Option<(Pid, OwnedFd)>,
    /// When its patience ends.
    until: Option<Instant>,
    /// Where the client's pid stands, and which it is.
    agreed: Option<(usize, i32)>,
    /// Does the peer owe an answer? Otherwise only a peer that sleeps in `pause` itself is hopeless.
    owed: bool,
}

impl Wait {
    /// Has the peer ended?
    fn peer_ended(&self) -> bool {
        self.peer.as_ref().is_some_and(|(_, pidfd)| {
            let ended = PollFd::new(pidfd.as_fd(), PollFlags::POLLIN);
            poll(&mut [ended], PollTimeout::ZERO).is_ok_and(|ready| ready > 0)
        })
    }

    /// Did somebody write another pid into the segment?
    fn overwritten(&self) -> bool {
        self.agreed.is_some_and(|(at, agreed)| {
            // While the main thread waits, it does not detach.
            let shared = shm::view::<StShmbuf>(at as Addr);
            shared.is_ok_and(|shared| shared.pid.load(SeqCst) != agreed)
        })
    }

    /// Is the patience over, and nothing to be hoped for?
    fn hopeless(&self) -> bool {
        self.until.is_some_and(|until| Instant::now() >= until)
            && (self.owed || self.peer.as_ref().is_some_and(|(pid, _)| asleep_for_good(*pid)))
    }
}

/// Is it asleep in `pause`, with no signal on its way that would end it?
pub fn asleep_for_good(pid: Pid) -> bool {
    let in_pause = asleep_in(pid.as_raw()).is_none_or(|call| call == SYS_PAUSE);
    let status = status(pid.as_raw());
    in_pause && status.is_some_and(|it| it.state == 'S' && it.pending & !it.blocked == 0)
}

/// A thread that looks on.
pub struct Onlooker(Arc<Mutex<Option<Wait>>>);

impl Onlooker {
    /// Starts it, with all signals blocked: those of the protocol are for the main thread.
    pub fn start() -> Result<Onlooker> {
        dim(|| sigaction(SIGALRM))?;
        let wait = Arc::new(Mutex::new(None));
        let watched = Arc::clone(&wait);
        let mask = SigSet::all().thread_swap_mask(SigmaskHow::SIG_BLOCK);
        let mask = mask.map_err(Failure::of("sigprocmask"))?;
        let made = thread::Builder::new().spawn(move || look_on(&watched));
        mask.thread_set_mask().map_err(Failure::of("sigprocmask"))?;
        made.map_err(Failure::of("pthread_create"))?;
        note("a second thread of the lab looks on, and ends a pause that nobody else will end");
        Ok(Onlooker(wait))
    }

    /// `while (!told) pause();`. The peer's death ends it, and the patience: with an answer that is
    /// `owed`, or when the peer sleeps in `pause`, too. Without a `talk` there is no peer yet.
    pub fn pause_until(&self, signal: Signal, talk: Option<&Talk>, owed: bool) -> Result<Came> {
        let peer = talk.map(|talk| Ok((talk.peer.pid, talk.peer.fd().try_clone_to_owned()?)));
        let peer = peer.transpose().map_err(Failure::of::<std::io::Error>("dup(pidfd)"))?;
        let until = talk.and_then(|talk| talk.patience).map(|limit| Instant::now() + limit);
        let agreed = talk.map(|talk| (&raw const *talk.shared as usize, talk.agreed));
        *lock(&self.0) = Some(Wait { peer, until, agreed, owed });
        let came = self.told(signal, talk);
        *lock(&self.0) = None;
        came
    }

    fn told(&self, signal: Signal, talk: Option<&Talk>) -> Result<Came> {
        while !was_heard(signal) {
            pause()?;
            signals::check()?;
            // What the peer sent before it ended has come by now.
            let Some(talk) = talk.filter(|_| heard(SIGALRM) > 0 && !was_heard(signal)) else {
                continue;
            };
            let (ended, hopeless) =
                lock(&self.0).as_ref().map_or((false, false), |w| (w.peer_ended(), w.hopeless()));
            if ended {
                return Ok(Came::Death);
            }
            talk.check_pid()?;
            if hopeless && asleep_for_good(talk.peer.pid) {
                let why = say!(
                    "{} is asleep in pause, as we are: a signal came before pause, and was lost",
                    talk.peer.pid
                );
                return Err(Failure::Because(exit::PEER_SILENT, why));
            }
            if hopeless {
                return Err(talk.silence());
            }
        }
        heard(signal);
        Ok(Came::Signal)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Until the process ends. Again and again, because SIGALRM, too, may come just before the pause;
/// so may Ctrl-C, which is passed on.
fn look_on(wait: &Mutex<Option<Wait>>) {
    loop {
        thread::park_timeout(LOOK);
        let over = |wait: &Wait| {
            signals::check().is_err() || wait.peer_ended() || wait.overwritten() || wait.hopeless()
        };
        if lock(wait).as_ref().is_some_and(over) {
            // To this process, where only the main thread lets it in.
            let _ = kill(Pid::this(), SIGALRM);
        }
    }
}
