//! What else a program of this kind meets.

use lablib::child::{child, pipe};
use lablib::print::{claim, note, traced};
use lablib::signals::{count, kill, sigaction, sigprocmask, sigsuspend};
use lablib::{Experiment, Failure, Result};
use nix::sys::signal::SigmaskHow::{SIG_BLOCK, SIG_UNBLOCK};
use nix::sys::signal::Signal::{self, SIGUSR1};
use nix::sys::signal::raise;
use nix::sys::wait::WaitStatus;
use nix::unistd::{read, write};

pub const ALL: &[Experiment] = &[
    Experiment {
        name: "handler-late",
        rows: "W2",
        question: "What does a signal do that comes before its handler is installed?",
        run: handler_late,
    },
    Experiment {
        name: "mask-inherited",
        rows: "W3",
        question: "Whose mask does a program start with?",
        run: mask_inherited,
    },
];

fn handler_late() -> Result<()> {
    let (gate, open_gate) = pipe()?;
    let late = child("child", || {
        read(&gate, &mut [0]).map_err(Failure::of("read"))?;
        sigaction(SIGUSR1)
    })?;
    kill(late.pid, SIGUSR1)?;
    write(&open_gate, b"!").map_err(Failure::of("write"))?;
    let killed = matches!(late.wait()?, WaitStatus::Signaled(_, Signal::SIGUSR1, _));
    claim(killed, "killed by SIGUSR1: there was no handler yet")?;
    note("so install the handler before fork, or block the signal until it is there");
    Ok(())
}

fn mask_inherited() -> Result<()> {
    sigprocmask(SIG_BLOCK, SIGUSR1)?;
    let heir = child("child", || {
        sigaction(SIGUSR1)?;
        traced("raise(SIGUSR1)".into(), || raise(SIGUSR1).map_or(-1, |()| 0))?;
        claim(count(SIGUSR1) == 0, "blocked by who started it: the handler does not run")?;
        while count(SIGUSR1) == 0 {
            sigsuspend(SIGUSR1)?;
        }
        note("so a program sets the mask itself, and does not trust the one it was given");
        Ok(())
    })?;
    sigprocmask(SIG_UNBLOCK, SIGUSR1)?;
    heir.finish()
}
