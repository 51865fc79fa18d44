//! How two programs that know nothing of each other meet: as the source notes have it.

use std::os::fd::OwnedFd;
use std::process;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use duplex::bell::futex_wait;
use lablib::child::{child, pipe};
use lablib::print::{after, claim, note, step, text};
use lablib::shm::{NULL, View};
use lablib::signals::{kill, pause, sender, sigaction};
use lablib::{Failure, Result, expect_errno, leftovers, say, shm};
use libc::{IPC_CREAT, IPC_EXCL, key_t};
use nix::errno::Errno;
use nix::sys::signal::Signal::SIGUSR2;
use nix::unistd::Pid;
use sysv::process::{SYS_PAUSE, asleep_in};

use crate::options::Options;
use crate::turns::{finish, tell, told};

/// Two pids.
const SIZE: usize = 8;
const SERVER: usize = 0;
const CLIENT: usize = 1;
/// The letter of the key. The conversation has others.
const LETTER: i32 = 'H' as i32;
/// More than enough for a call that must not sleep.
const LIMIT: Duration = Duration::from_secs(1);

type Pids = View<[AtomicU32; 2]>;

/// A pid into the segment, pause, a signal; and why the conversation does without them.
pub fn of_the_source_notes(options: &Options) -> Result<()> {
    let file = options.key_file()?;
    let (from, ready) = pipe()?;
    let server = child("server", || serve(&file, ready))?;
    if let Err(ended) = told(&from) {
        return finish(server, Err(ended));
    }
    server.until_asleep_in(SYS_PAUSE)?;
    match asleep_in(server.pid.as_raw()) {
        None => note("this machine does not tell where a process sleeps"),
        Some(call) => claim(call == SYS_PAUSE, "the server is asleep in pause")?,
    }
    // Where the client fails, the server would wait for ever: it is killed.
    child("client", || call(&file))?.finish()?;
    server.finish()
}

fn key(file: &str) -> Result<key_t> {
    shm::ftok(file, LETTER)
}

fn serve(file: &str, ready: OwnedFd) -> Result<()> {
    step(3, "The handshake of the source notes: a pid, pause, a signal")?;
    sigaction(SIGUSR2)?;
    let key = key(file)?;
    leftovers::inherit(key)?;
    let id = shm::get(key, SIZE, IPC_CREAT | IPC_EXCL | 0o600)?;
    let addr = shm::at(id, NULL, 0)?;
    let pids: Pids = shm::view(addr)?;
    pids[SERVER].store(process::id(), SeqCst);
    text(say!("memory: pid <- {}, the server's", process::id()));
    tell(&ready)?;
    while pids[CLIENT].load(SeqCst) == 0 {
        pause()?;
    }
    let client = pids[CLIENT].load(SeqCst);
    text(say!("memory: pid -> {client}, the client's"));
    claim(sender(SIGUSR2) == client as i32, "the signal came from that process")?;
    note("checking the pid and calling pause are two steps: a signal between them is lost");
    note("and the client signals a number from memory: another process may have it by now");
    at_once(&pids)?;
    drop(pids);
    shm::dt(addr)?;
    shm::ctl_rmid(id)
}

/// The client's pid is there: a process that waits for it must not fall asleep.
fn at_once(pids: &Pids) -> Result<()> {
    let answer = futex_wait(&pids[CLIENT], 0, LIMIT);
    let word: *const AtomicU32 = &pids[CLIENT];
    let line = format!("futex({word:p}, FUTEX_WAIT, 0, {{tv_sec=1, tv_nsec=0}})");
    expect_errno(after(answer, |_| line), Errno::EAGAIN)?;
    note("futex checks the word and sleeps in one step: it is not 0 any more, so nobody sleeps");
    note("from here on the waiter sleeps on a word in the segment, and no signal is needed");
    Ok(())
}

fn call(file: &str) -> Result<()> {
    let id = shm::get(key(file)?, 0, 0)?;
    let addr = shm::at(id, NULL, 0)?;
    let pids: Pids = shm::view(addr)?;
    let server = Pid::from_raw(pids[SERVER].load(SeqCst) as i32);
    text(say!("memory: pid -> {server}, the server's"));
    // Its parent is ours, and waits for it: nobody else can have that number.
    if nix::unistd::getppid() != parent_of(server)? {
        return Err(Failure::because(say!("{server} is no process of this lab")));
    }
    pids[CLIENT].store(process::id(), SeqCst);
    text(say!("memory: pid <- {}, the client's", process::id()));
    kill(server, SIGUSR2)?;
    drop(pids);
    shm::dt(addr)
}

fn parent_of(pid: Pid) -> Result<Pid> {
    let status = sysv::process::status(pid.as_raw());
    let status = status.ok_or_else(|| Failure::because(say!("{pid} is no process")))?;
    Ok(Pid::from_raw(status.parent))
}
