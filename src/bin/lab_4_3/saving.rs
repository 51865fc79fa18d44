//! A hundred messages, and how many system calls each way makes for them.

use lablib::child::{child, pipe};
use lablib::print::{claim, note, text};
use lablib::shm::NULL;
use lablib::{Result, msg, say, shm};
use libc::IPC_PRIVATE;

use crate::calls::Side;
use crate::ring::{self, Wake};
use crate::ways::{self, Ends, print_calls};
use crate::{finish, tell, told};

/// So few, and so small, that all of them fit into every buffer: no side has to wait for room.
const MESSAGES: u64 = 100;
const BYTES: usize = 64;

/// Sends them by each way in turn.
pub fn count_calls() -> Result<()> {
    text(say!("a pipe, {BYTES} bytes a message"));
    claim(
        send_all(ways::pipes()?)? == 2 * MESSAGES,
        "two calls for each message: in by write, out by read",
    )?;
    note("and each of them copies it");
    text("a System V message queue");
    let queue = msg::get(IPC_PRIVATE, 0o600)?;
    claim(
        send_all(ways::queue(queue, msg::MAX))? == 2 * MESSAGES,
        "two calls for each message: msgsnd and msgrcv",
    )?;
    msg::ctl_rmid(queue)?;
    text("shared memory, and a reader that looks again and again");
    let id = shm::get(IPC_PRIVATE, ring::BOTH, 0o600)?;
    let addr = shm::at(id, NULL, 0)?;
    let calls = send_all(ring::shared(addr, 1 << 16, Wake::Never, true)?)?;
    claim(calls == 0, "no call for any message")?;
    note("a reader that sleeps until there is a message needs a call again");
    shm::dt(addr)?;
    shm::ctl_rmid(id)
}

/// How many calls A and B made between them.
fn send_all((mut a, mut b): Ends) -> Result<u64> {
    let (from_b, to_a) = pipe()?;
    let receiver = child("B", move || {
        let mut side = Side::default();
        for _ in 0..MESSAGES {
            b.receive(BYTES, &mut side)?;
        }
        let total = side.total();
        print_calls(&mut side);
        tell(&to_a, total)
    })?;
    let mut side = Side::with(&receiver);
    let sent = (0..MESSAGES).try_for_each(|n| a.send(BYTES, n as u8 & 0x7f, &mut side));
    let ours = side.total();
    let both = sent.and_then(|()| {
        print_calls(&mut side);
        Ok(ours + told(&from_b)?)
    });
    finish(receiver, both)
}
