//! 4.8  Parent and child: IPC_PRIVATE, fork, kill and pause
//!
//! Note:    notes/4.8-parent-and-child.md
//! Run:     make lab-4.8            (ARGS='--part b', ARGS='--part c --rounds 1000000', ARGS=--list)
//! Compare: strace -f -e trace=/shm,clone,wait4,kill,pause,/rt_sig target/debug/lab_4_8
//!
//! A segment that is made before fork is shared by parent and child without a word. What fork does
//! not give them is an order, and the notes make one of kill and pause: write, kill, pause; pause,
//! read, kill. Part A is that protocol. It has a flaw: a signal that comes before pause is lost.
//! Part B makes it come then, every time. Part C is the cure: block the signal, and let it in only
//! while asleep, with sigsuspend.

use std::process::ExitCode;

use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use lablib::child::child;
use lablib::print::{claim, note, step, text};
use lablib::shm::{Addr, NULL};
use lablib::signals::{heard, kill, pause, sigaction};
use lablib::{Patience, Result, compare, leftovers, section, shm, value};
use libc::IPC_PRIVATE;
use nix::sys::signal::Signal::SIGUSR1;
use nix::unistd::Pid;

mod after;
mod cure;
mod experiments;
mod race;
mod watch;

use watch::{Ending, reap, watch};

/// Room for a line of text.
const SIZE: usize = 128;
/// What the parent writes in every part.
const HELLO: &[u8] = b"hello, child";

/// What can be asked for besides a story or its experiments.
fn command() -> Command {
    let long = |name, help| Arg::new(name).long(name).help(help);
    let part = long("part", "The protocol of the notes (a), the lost wake-up (b), the cure (c)");
    let rounds = long("rounds", "How many times the cure is put to the test");
    let patience =
        long("patience", "Seconds for which one may be silent that owes an answer; 0: no limit");
    let alone = "Run the pair alone, with nobody to notice that it hangs; for lab explore";
    lablib::command("4.8: parent and child share a segment, and take turns by signals")
        .arg(part.value_name("PART").value_parser(["a", "b", "c", "all"]).default_value("all"))
        .arg(
            rounds
                .value_name("ROUNDS")
                .value_parser(value_parser!(u64).range(1..))
                .default_value("1000"),
        )
        .arg(patience.value_name("PATIENCE").value_parser(lablib::patience).default_value("2"))
        .arg(long("unwatched", alone).action(ArgAction::SetTrue))
}

fn main() -> ExitCode {
    match lablib::arguments(command()) {
        Ok(words) => {
            let story = || story(&words);
            section(&words, "4.8  Parent and child", story, experiments::ALL)
        }
        Err(code) => code,
    }
}

fn story(words: &ArgMatches) -> Result<()> {
    let (part, rounds): (String, _) = (value(words, "part"), value(words, "rounds"));
    let patience: Patience = value(words, "patience");
    if words.get_flag("unwatched") {
        watch::look_away();
    }
    // A segment that a killed run of this lab left has no key: only the ledger knows it.
    leftovers::inherit(IPC_PRIVATE)?;
    if ["a", "all"].contains(&&*part) {
        the_notes_protocol(patience)?;
    }
    if ["b", "all"].contains(&&*part) {
        race::before_pause(patience)?;
        race::between_check_and_pause(patience)?;
    }
    if ["c", "all"].contains(&&*part) {
        cure::blocked(patience)?;
        cure::many_rounds(rounds, patience)?;
    }
    if part == "all" {
        after::segment_after_fork(patience)?;
        after::two_kills(patience)?;
    }
    Ok(())
}

/// Part A. The numbers are those of the notes; their last point, the handlers, comes first.
fn the_notes_protocol(patience: Patience) -> Result<()> {
    text("A: the protocol as the notes have it");
    let pair = child("parent", || {
        step(6, "Handlers, before fork: so both processes have them")?;
        sigaction(SIGUSR1)?;
        step(1, "shmget, before fork")?;
        let id = shm::get(IPC_PRIVATE, SIZE, 0o600)?;
        step(2, "shmat")?;
        let addr = shm::at(id, NULL, 0)?;
        compare::segment(id)?;
        step(3, "fork: the child is attached already")?;
        let parent = Pid::this();
        let child = child("child", || the_child(parent, addr))?;
        claim(shm::ctl_stat(id)?.shm_nattch == 2, "nattch 2, and nobody called shmat again")?;
        step(4, "The parent writes, tells the child, waits for the answer")?;
        shm::write(addr, HELLO)?;
        kill(child.pid, SIGUSR1)?;
        while heard(SIGUSR1) == 0 {
            pause()?;
        }
        note("the child has read");
        reap(child)?;
        shm::dt(addr)?;
        shm::ctl_rmid(id)
    })?;
    match watch(pair, patience)? {
        Ending::Well => Ok(()),
        Ending::Asleep => {
            note("so it happens by chance, too; part B makes it happen");
            Ok(())
        }
    }
}

fn the_child(parent: Pid, addr: Addr) -> Result<()> {
    step(5, "The child waits until told, reads, tells the parent")?;
    while heard(SIGUSR1) == 0 {
        pause()?;
    }
    claim(shm::read(addr, HELLO.len())? == HELLO, "at the same address, because fork copied it")?;
    kill(parent, SIGUSR1)?;
    shm::dt(addr)
}
