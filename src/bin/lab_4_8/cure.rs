//! Part C: the signal is blocked before fork, and let in only while asleep, by sigsuspend, which
//! does both in one step. A signal that comes early waits.

use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

use indicatif::ProgressBar;
use lablib::child::child;
use lablib::print::{bulk, claim, note, step};
use lablib::shm::NULL;
use lablib::signals::{heard, kill, sigaction, sigprocmask, sigsuspend};
use lablib::{Failure, Patience, Result, shm};
use libc::IPC_PRIVATE;
use nix::sys::signal::SigmaskHow::SIG_BLOCK;
use nix::sys::signal::Signal::SIGUSR1;
use nix::unistd::{Pid, pipe, read, write};

use crate::watch::{Ending, reap, watch};
use crate::{HELLO, SIZE};

/// Sleeps until the signal has come, or does not sleep if it has.
fn wait_until_told() -> Result<()> {
    while heard(SIGUSR1) == 0 {
        sigsuspend(SIGUSR1)?;
    }
    Ok(())
}

/// The race of part B, against a child that waits in the right way.
pub fn blocked(patience: Patience) -> Result<()> {
    step(9, "C: block the signal before fork, wait in sigsuspend")?;
    let pair = child("parent", || {
        let (gate, open_gate) = pipe().map_err(Failure::of("pipe()"))?;
        sigaction(SIGUSR1)?;
        sigprocmask(SIG_BLOCK, SIGUSR1)?;
        let id = shm::get(IPC_PRIVATE, SIZE, 0o600)?;
        let addr = shm::at(id, NULL, 0)?;
        let parent = Pid::this();
        let child = child("child", || {
            let told = heard(SIGUSR1);
            read(&gate, &mut [0]).map_err(Failure::of("read"))?;
            claim(
                told == 0 && heard(SIGUSR1) == 0,
                "the signal was sent, and waits: it is blocked",
            )?;
            wait_until_told()?;
            claim(shm::read(addr, HELLO.len())? == HELLO, "held as in part B, and not lost")?;
            kill(parent, SIGUSR1)
        })?;
        shm::write(addr, HELLO)?;
        kill(child.pid, SIGUSR1)?;
        write(&open_gate, b"!").map_err(Failure::of("write"))?;
        wait_until_told()?;
        note("the child has read");
        reap(child)?;
        shm::dt(addr)?;
        shm::ctl_rmid(id)
    })?;
    claim(watch(pair, patience)? == Ending::Well, "both have ended; nobody sleeps")
}

/// What the two pass to and fro: the number of the round, and the answer.
type Rounds = [AtomicU64; 2];

/// The same, often, with a number to be answered.
pub fn many_rounds(rounds: u64, patience: Patience) -> Result<()> {
    step(10, "C: many rounds, each answered")?;
    let pair = child("parent", || {
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
                    wait_until_told()?;
                    let number = asked.load(SeqCst);
                    answered.store(number, SeqCst);
                    check(number, round)?;
                    kill(parent, SIGUSR1)
                })
            })
        })?;
        let progress = ProgressBar::new(rounds);
        bulk(|| {
            (1..=rounds).try_for_each(|round| {
                progress.inc(1);
                if round == rounds {
                    // What the child prints after its last round must not meet the bar.
                    progress.finish_and_clear();
                }
                asked.store(round, SeqCst);
                kill(child.pid, SIGUSR1)?;
                wait_until_told()?;
                check(answered.load(SeqCst), round)
            })
        })?;
        reap(child)?;
        drop(rounds_here);
        shm::dt(addr)?;
        shm::ctl_rmid(id)
    })?;
    claim(watch(pair, patience)? == Ending::Well, "every round was answered, and none was lost")
}

fn check(got: u64, round: u64) -> Result<()> {
    let why = || format!("round {round} read {got}: a message was lost");
    if got == round { Ok(()) } else { Err(Failure::because(why())) }
}
