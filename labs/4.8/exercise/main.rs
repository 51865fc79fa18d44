//! 4.8  Parent and child: the exercise. The task is in README.md beside this file; the numbers of the steps are those
//! of notes/4.8-parent-and-child.md. The crates `nix` and `libc` are there.
//! Judge it with: make check-4.8 SRC=labs/4.8/exercise/main.rs

use std::process::ExitCode;

/// The bytes of the segment.
#[allow(dead_code)]
const SIZE: usize = 128;

fn main() -> ExitCode {
    let messages: Vec<String> = std::env::args().skip(1).collect();
    if messages.is_empty() {
        eprintln!("usage: exercise MESSAGE...");
        return ExitCode::from(2);
    }
    // TODO 1 (step 1): make a segment of SIZE bytes with libc::shmget and IPC_PRIVATE. Check the result, as of each
    // call.

    // TODO 2 (step 2): attach it with libc::shmat, which returns -1 as a pointer if it fails.

    // TODO 3 (step 3): fork (nix::unistd::fork). The child ends with libc::_exit; the parent waits for it with waitpid.
    // Then detach (shmdt), and remove the segment (shmctl, IPC_RMID).

    // TODO 4 (step 6): install a handler for SIGUSR1 with sigaction, before fork. It stores to an atomic, and nothing
    // else.

    // TODO 5 (steps 4 and 5): for each message, the parent writes it and signals the child; the child waits until told,
    // prints "child: MESSAGE", and signals the parent, who waits for that.

    // TODO 6 (step 9): block SIGUSR1 before fork, and wait in sigsuspend: no order may lose a signal.

    // TODO 7 ("Every way out" in the note): a message that does not fit is refused; a call that fails, a child that ends
    // first, Ctrl-C and SIGTERM, at any moment, leave nothing behind.
    ExitCode::SUCCESS
}
