//! One segment for both directions, and why it is not enough.

use std::os::fd::OwnedFd;

use lablib::child::{child, pipe};
use lablib::print::{claim, note, step};
use lablib::shm::{Addr, NULL};
use lablib::{Result, shm};
use libc::IPC_PRIVATE;

use crate::turns::{finish, tell, told};

/// A byte that says whose turn it is, and room for a line.
const SIZE: usize = 128;
/// What both want to say at the same time. As long as each other, as they lie in one place.
const A_SAYS: &[u8] = b"A: dinner at seven?";
const B_SAYS: &[u8] = b"B: I have the keys.";

/// Both faults, one after the other, made to happen.
pub fn not_enough() -> Result<()> {
    let a = child("A", || {
        let id = shm::get(IPC_PRIVATE, SIZE, 0o600)?;
        let addr = shm::at(id, NULL, 0)?;
        overwritten(addr)?;
        turns(addr)?;
        shm::dt(addr)?;
        shm::ctl_rmid(id)
    })?;
    a.finish()
}

/// A writes, B writes, and only then anybody reads.
fn overwritten(addr: Addr) -> Result<()> {
    step(1, "One segment: both speak at once, one message is left")?;
    let ((from_a, to_b), (from_b, to_a)) = (pipe()?, pipe()?);
    let b = child("B", move || {
        told(&from_a)?;
        shm::write(addr, B_SAYS)?;
        tell(&to_a)?;
        told(&from_a)?;
        claim(shm::read(addr, B_SAYS.len())? == B_SAYS, "B reads what B wrote")?;
        shm::dt(addr)
    })?;
    let ended = (|| {
        shm::write(addr, A_SAYS)?;
        tell(&to_b)?;
        told(&from_b)?;
        claim(shm::read(addr, A_SAYS.len())? == B_SAYS, "so does A: A's message is lost")?;
        tell(&to_b)
    })();
    finish(b, ended)
}

/// Whose turn it is stands in the segment, so nothing is overwritten; but who has nothing to say
/// must say it.
fn turns(addr: Addr) -> Result<()> {
    step(2, "One segment: with turns, nobody may say two things")?;
    let ((from_a, to_b), (from_b, to_a)) = (pipe()?, pipe()?);
    let message = addr.wrapping_byte_add(1);
    let b = child("B", move || {
        for _ in 0..2 {
            told(&from_a)?;
            shm::read(message, 3)?;
            shm::write(addr, b"A")?;
            note("an answer that says nothing: B had to give the turn back");
            tell(&to_a)?;
        }
        shm::dt(addr)
    })?;
    finish(b, two_things(addr, message, &to_b, &from_b))
}

fn two_things(turn: Addr, message: Addr, to_b: &OwnedFd, from_b: &OwnedFd) -> Result<()> {
    shm::write(turn, b"A")?;
    for word in [b"one", b"two"] {
        claim(shm::read(turn, 1)? == b"A", "A's turn")?;
        shm::write(message, word)?;
        shm::write(turn, b"B")?;
        claim(shm::read(turn, 1)? == b"B", "B's turn: A has to wait")?;
        tell(to_b)?;
        told(from_b)?;
    }
    Ok(())
}
