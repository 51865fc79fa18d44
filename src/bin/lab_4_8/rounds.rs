//! Part C, often: what is asked and answered has a number, which must come back.

use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

use indicatif::{ProgressBar, ProgressStyle};
use lablib::print::{bulk, claim, out, step};
use lablib::shm::NULL;
use lablib::signals::{self, kill, sigaction, sigprocmask, sigsuspend};
use lablib::{Failure, Result, say, shm};
use libc::IPC_PRIVATE;
use nix::sys::signal::SigmaskHow::SIG_BLOCK;
use nix::sys::signal::Signal::SIGUSR1;
use nix::unistd::Pid;

use crate::onlooker::{Ending, child, reap, watched};

/// What the two pass to and fro: the number of the round, and the answer.
type Rounds = [AtomicU64; 2];

/// Sleeps until the signal has come so many times in all; one that has come already counts.
fn wait_until_told(times: u64) -> Result<()> {
    while (signals::count(SIGUSR1) as u64) < times {
        sigsuspend(SIGUSR1)?;
    }
    Ok(())
}

pub fn many(rounds: u64) -> Result<()> {
    step(10, "C: many rounds, each answered")?;
    let ending = watched(|| {
        sigaction(SIGUSR1)?;
        sigprocmask(SIG_BLOCK, SIGUSR1)?;
        let id = shm::get(IPC_PRIVATE, size_of::<Rounds>(), 0o600)?;
        let addr = shm::at(id, NULL, 0)?;
        let rounds_here = shm::view::<Rounds>(addr)?;
        let [asked, answered] = &*rounds_here;
        let parent = Pid::this();
        let child = child("child", || {
            bulk(|| {
                (1..=rounds).try_for_each(|round| {
                    wait_until_told(round)?;
                    let number = asked.load(SeqCst);
                    answered.store(number, SeqCst);
                    check(number, round)?;
                    kill(parent, SIGUSR1)
                })
            })
        })?;
        let progress = ProgressBar::new(rounds);
        let style = ProgressStyle::with_template("  {bar:40} {pos} of {len} rounds");
        progress.set_style(style.expect("a template"));
        bulk(|| {
            (1..=rounds).try_for_each(|round| {
                asked.store(round, SeqCst);
                progress.inc(1);
                if round == rounds {
                    // It stays on the screen; what the child prints after its last round stands below.
                    progress.finish();
                    if !progress.is_hidden() {
                        out("\n");
                    }
                }
                kill(child.pid, SIGUSR1)?;
                wait_until_told(round)?;
                check(answered.load(SeqCst), round)
            })
        })?;
        reap(child)?;
        drop(rounds_here);
        shm::dt(addr)?;
        shm::ctl_rmid(id)
    })?;
    claim(ending == Ending::Well, "every round was answered, and none was lost")
}

fn check(got: u64, round: u64) -> Result<()> {
    let why = || say!("round {round} read {got}: a message was lost");
    if got == round { Ok(()) } else { Err(Failure::because(why())) }
}
