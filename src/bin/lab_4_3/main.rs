//! 4.3  How shared memory works, and what it saves
//!
//! Note:    notes/4.3-what-shared-memory-saves.md
//! Run:     make lab-4.3            (ARGS=--measure for the figures, ARGS=--list for the experiments)
//! Compare: strace -f -e trace=/shm,clone,wait4,write,read,/msg target/debug/lab_4_3
//!
//! A segment is made once and mapped into two processes. From then on one process stores and the
//! other loads, without a system call. A pipe or a queue needs two calls for each message, and
//! copies it twice. The lab counts what that saves, and measures it with --measure: it is little
//! for small messages with a wake-up, and much for large messages.

use std::hint::{black_box, spin_loop};
use std::os::fd::{AsFd, OwnedFd};
use std::process::ExitCode;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{Acquire, Release};
use std::time::{Duration, Instant};

use lablib::child::{Child, child, pipe};
use lablib::print::{self, claim, note, step};
use lablib::shm::{Addr, NULL};
use lablib::{Failure, Result, compare, expect_errno, say, section, shm, signals};
use libc::IPC_PRIVATE;
use nix::errno::Errno;
use nix::unistd::{read, write};

mod calls;
mod experiments;
mod figures;
mod measure;
mod options;
mod pages;
mod picture;
mod ring;
mod saving;
mod ways;

use options::Options;

/// So large that no gap between the libraries will do, and the next thing mapped lies right below.
const SIZE: usize = 1 << 20;
/// What A writes.
const HELLO: &[u8] = b"written by A";
/// Where it lies. Before it stands how far the two are: [`STORED`], [`LOADED`].
const MESSAGE: usize = 8;
const STORED: u64 = 1;
const LOADED: u64 = 2;
/// For so long a side looks at memory and makes no call.
const AWAKE: Duration = Duration::from_secs(1);
/// Then the time between two looks.
const LOOK: Duration = Duration::from_millis(10);

fn main() -> ExitCode {
    let command = lablib::command("4.3: one memory in two processes, and what that saves");
    let words = match lablib::arguments(command.args(options::arguments())) {
        Ok(words) => words,
        Err(code) => return code,
    };
    let options = Options::of(&words);
    let story = || if options.measure { measure::measure(&options) } else { story() };
    let title = "4.3  How shared memory works, and what it saves";
    section(&words, title, story, experiments::ALL)
}

/// Two pipes by which A and B take turns. The messages themselves go through the segment.
fn story() -> Result<()> {
    print::name("A");
    step(1, "Create the segment")?;
    let id = shm::get(IPC_PRIVATE, SIZE, 0o600)?;
    note("memory in the kernel's keeping, and nobody has it mapped");
    let ((from_a, to_b), (from_b, to_a)) = (pipe()?, pipe()?);
    let b = child("B", move || side_b(id, &from_a, &to_a))?;
    let ended = side_a(id, &b, &to_b, &from_b);
    finish(b, ended)?;
    step(4, "Both have unmapped it: remove it")?;
    shm::ctl_rmid(id)?;
    expect_errno(shm::ctl_stat(id), Errno::EINVAL)?;
    note(
        "in this order: had it been removed first, it would have stayed until the last unmapped it",
    );
    step(5, "What it saves: a hundred messages, and the calls for them")?;
    saving::count_calls()?;
    note("what that means in microseconds: make lab-4.3 ARGS=--measure");
    Ok(())
}

fn side_a(id: i32, b: &Child, to_b: &OwnedFd, from_b: &OwnedFd) -> Result<()> {
    step(2, "Map it into A")?;
    let addr = shm::at(id, NULL, 0)?;
    tell(to_b, 0)?;
    let address = told(from_b)?;
    claim(address != addr as u64, say!("{addr:p} in A, {address:#x} in B"))?;
    compare::segment(id)?;
    tell(to_b, 0)?;
    told(from_b)?;
    // B looks at the memory now. From here until B has the message, no side makes a call.
    let progress = shm::view::<AtomicU64>(addr)?;
    shm::write(addr.wrapping_byte_add(MESSAGE), HELLO)?;
    progress.store(STORED, Release);
    until(&progress, LOADED, || b.has_ended(Duration::ZERO))?;
    drop(progress);
    same_frame(addr, told(from_b)?)?;
    tell(to_b, 0)?;
    told(from_b)?;
    shm::dt(addr)
}

fn side_b(id: i32, from_a: &OwnedFd, to_a: &OwnedFd) -> Result<()> {
    told(from_a)?;
    step(3, "Map it into B: what A writes, B reads at once")?;
    // Where A has the segment B has this, so that it must have the segment somewhere else.
    let in_its_place = black_box(vec![0_u8; SIZE]);
    let addr = shm::at(id, NULL, 0)?;
    tell(to_a, addr as u64)?;
    told(from_a)?;
    let progress = shm::view::<AtomicU64>(addr)?;
    tell(to_a, 0)?;
    // B dies with A.
    until(&progress, STORED, || Ok(false))?;
    let found = shm::read(addr.wrapping_byte_add(MESSAGE), HELLO.len())?;
    progress.store(LOADED, Release);
    drop(progress);
    claim(found == HELLO, "what A stored, B has loaded")?;
    note("in between no process made a call, and nothing was copied");
    tell(to_a, pages::frame(addr)?.unwrap_or(0))?;
    told(from_a)?;
    shm::dt(addr)?;
    drop(in_its_place);
    tell(to_a, 0)
}

/// Looks at the memory, and makes no call, until the other side is so far. When that takes long, it is
/// stopped, or has `ended`.
fn until(progress: &AtomicU64, there: u64, ended: impl Fn() -> Result<bool>) -> Result<()> {
    let began = Instant::now();
    while progress.load(Acquire) < there {
        signals::check()?;
        spin_loop();
        if began.elapsed() > AWAKE {
            signals::wait(&[], Some(LOOK), || false)?;
            if ended()? {
                return Err(Failure::Told(1));
            }
        }
    }
    Ok(())
}

/// Two addresses, one physical page: the kernel's word for it, where we may ask.
fn same_frame(addr: Addr, of_b: u64) -> Result<()> {
    match pages::frame(addr)? {
        Some(frame) => {
            claim(frame == of_b, say!("page frame {frame:#x} of this machine's memory, in both"))
        }
        None => {
            note(say!("not shown here: {}", pages::needs()));
            Ok(())
        }
    }
}

/// Gives the turn to the other, with a number for it. When the other has ended instead, it has
/// said why.
fn tell(to: &OwnedFd, number: u64) -> Result<()> {
    match write(to, &number.to_ne_bytes()) {
        Err(Errno::EPIPE) => Err(Failure::Told(1)),
        sent => sent.map(drop).map_err(Failure::of("write")),
    }
}

/// Waits for the turn. When the other has ended instead, it has said why.
fn told(from: &OwnedFd) -> Result<u64> {
    signals::wait_readable(from.as_fd(), None)?;
    let mut number = [0; 8];
    match read(from, &mut number).map_err(Failure::of("read"))? {
        0 => Err(Failure::Told(1)),
        _ => Ok(u64::from_ne_bytes(number)),
    }
}

/// Waits for B. When B is why A could not go on, B's failure is the lab's.
fn finish<T>(b: Child, ended: Result<T>) -> Result<T> {
    match ended {
        Err(Failure::Told(code)) => b.finish().and(Err(Failure::Told(code))),
        Err(failure) => Err(failure),
        Ok(answer) => b.finish().map(|()| answer),
    }
}
