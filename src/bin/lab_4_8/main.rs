//! 4.8  Parent and child: IPC_PRIVATE, fork, kill and pause
//!
//! Note:    notes/4.8-parent-and-child.md
//! Run:     make lab-4.8            (ARGS='--part b', ARGS='--part c --rounds 1000000', ARGS=--list)
//! Compare: strace -f -e trace=/shm,clone,wait4,kill,pause,/rt_sig target/debug/lab_4_8
//!
//! A segment that is made before fork is shared by parent and child without a word. What fork does
//! not give them is an order, and the source notes make one of kill and pause: write, kill, pause;
//! pause, read, kill. Part A is that protocol. It has a flaw: a signal that comes before pause is
//! lost. Part B makes it come then, every time. Part C is the cure: block the signal, and let it in
//! only while asleep, with sigsuspend.

use std::process::ExitCode;

use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use lablib::print::{claim, note, part, step};
use lablib::shm::{Addr, NULL};
use lablib::signals::{self, kill, pause, sigaction};
use lablib::{Result, compare, section, shm, value};
use libc::IPC_PRIVATE;
use nix::sys::signal::Signal::SIGUSR1;
use nix::unistd::Pid;

mod after;
mod experiments;
mod gate;
mod interrupted;
mod onlooker;
mod race;
mod rounds;

use onlooker::{child, reap, until_asleep_in_pause, watched};

/// Room for a line of text.
const SIZE: usize = 128;
/// What the parent writes in every part.
const HELLO: &[u8] = b"hello, child";

fn main() -> ExitCode {
    let experiments = [experiments::ALL, interrupted::ALL].concat();
    match lablib::arguments(command()) {
        Ok(words) => section(&words, "4.8  Parent and child", || story(&words), &experiments),
        Err(code) => code,
    }
}

fn story(words: &ArgMatches) -> Result<()> {
    onlooker::start(words)?;
    let chosen: String = value(words, "part");
    let all = chosen == "all";
    match &*chosen {
        "b" => note("steps 1 to 6 are those of part A"),
        "c" => note("steps 1 to 8 are those of parts A and B"),
        _ => {}
    }
    if all || chosen == "a" {
        part("A", "The protocol of the source notes")?;
        watched(the_parent)?.well()?;
        note("✓ the parent and its child have ended");
    }
    if all || chosen == "b" {
        part("B", "The flaw: a signal that comes before pause")?;
        race::before_pause()?;
        race::between_check_and_pause()?;
    }
    if all || chosen == "c" {
        part("C", "The cure: block it, and let it in only while asleep")?;
        race::blocked()?;
        rounds::many(value(words, "rounds"))?;
    }
    if all {
        part("D", "And two more")?;
        after::segment_after_fork()?;
        after::two_kills()?;
    }
    Ok(())
}

/// The flag that the handler sets; in C, `told`.
fn told() -> bool {
    signals::count(SIGUSR1) > 0
}

/// Part A. The numbers are those of the source notes; their last point, the handlers, comes first.
fn the_parent() -> Result<()> {
    step(6, "Handlers, before fork: so both processes have them")?;
    note("the source notes number this last; it has to be done first");
    sigaction(SIGUSR1)?;

    step(1, "shmget, before fork")?;
    let id = shm::get(IPC_PRIVATE, SIZE, 0o600)?;

    step(2, "shmat")?;
    let addr = shm::at(id, NULL, 0)?;
    compare::segment(id)?;

    step(3, "fork: the child is attached already")?;
    let parent = Pid::this();
    let child = child("child", || the_child(parent, addr))?;
    claim(shm::ctl_stat(id)?.shm_nattch == 2, "nattch 2, after one shmat and one fork")?;
    until_asleep_in_pause(child.pid, "the child")?;

    step(4, "The parent writes, tells the child, waits for the answer")?;
    shm::write(addr, HELLO)?;
    kill(child.pid, SIGUSR1)?;
    while !told() {
        pause()?;
    }
    note("the child has read");
    reap(child)?;
    shm::dt(addr)?;
    shm::ctl_rmid(id)
}

fn the_child(parent: Pid, addr: Addr) -> Result<()> {
    step(5, "The child waits until told, reads, tells the parent")?;
    while !told() {
        pause()?;
    }
    claim(
        shm::read(addr, HELLO.len())? == HELLO,
        "the message, at the address that the parent got from shmat",
    )?;
    until_asleep_in_pause(parent, "the parent")?;
    kill(parent, SIGUSR1)?;
    shm::dt(addr)
}

/// What can be asked for besides a story or its experiments.
fn command() -> Command {
    let long = |name, help| Arg::new(name).long(name).help(help);
    let part =
        long("part", "The protocol of the source notes (a), the lost wake-up (b), the cure (c)");
    let rounds = long("rounds", "How many times the cure is put to the test");
    let rounds = rounds.value_name("ROUNDS").value_parser(value_parser!(u64).range(1..));
    let patience =
        long("patience", "Seconds for which one may be silent that owes an answer; 0: no limit");
    let alone = "Nobody looks on: no one waits until the other sleeps, no line waits for another \
                 process's, and a pair that hangs, hangs; for lab explore";
    lablib::command("4.8: parent and child share a segment, and take turns by signals")
        .arg(part.value_name("PART").value_parser(["a", "b", "c", "all"]).default_value("all"))
        .arg(rounds.default_value("1000"))
        .arg(patience.value_name("PATIENCE").value_parser(lablib::patience).default_value("2"))
        .arg(long("unwatched", alone).action(ArgAction::SetTrue))
}
