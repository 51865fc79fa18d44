//! 4.10  Full duplex: the exercise. The task is in README.md beside this file; the numbers of the steps are those of
//! notes/4.10-full-duplex.md. The crates `nix` and `libc` are there.
//! Judge it with: make check-4.10 SRC=labs/4.10/exercise/main.rs

use std::process::ExitCode;

#[allow(dead_code)]
const SLOTS: usize = 2;
#[allow(dead_code)]
const LINE: usize = 128;

/// One direction: it has one writer and one reader.
#[allow(dead_code)]
#[repr(C)]
struct Direction {
    news: libc::sem_t,
    room: libc::sem_t,
    line: [[u8; LINE]; SLOTS],
}

fn main() -> ExitCode {
    let messages: Vec<String> = std::env::args().skip(1).collect();
    if messages.is_empty() {
        eprintln!("usage: exercise MESSAGE...");
        return ExitCode::from(2);
    }
    // TODO 1 (step 4): make two segments with libc::shmget and IPC_PRIVATE, one for each direction. Check the result,
    // as of each call.

    // TODO 2 (step 4): attach both with libc::shmat. Then remove them: they live until the last detach (shmctl,
    // IPC_RMID).

    // TODO 3 (step 4): fork (nix::unistd::fork), before there is a second thread. The child ends with libc::_exit; the
    // parent waits for it, and detaches both.

    // TODO 4 (steps 7 and 8): in each process a second thread (std::thread::spawn), so that one reads while the other
    // writes; join it.

    // TODO 5 (step 8): the writer stores each message, and wakes the reader of the other side. It waits for a free
    // slot only, never for an answer.

    // TODO 6 (step 7): the reader sleeps until a message is there, copies it out, frees the slot, and prints "child:
    // MESSAGE" or "parent: MESSAGE".

    // TODO 7 (step 9): when all messages have been written and read, both processes end with 0, and nothing is left.

    // TODO 8 ("Every way out" of 4.8): a message that does not fit is refused; a call that fails, an output that
    // cannot be written, Ctrl-C and SIGTERM, at any moment, leave nothing behind.
    ExitCode::SUCCESS
}
