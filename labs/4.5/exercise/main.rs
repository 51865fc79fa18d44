//! 4.5  shmat: the exercise. The task is in README.md beside this file; the numbers of the steps are those of
//! notes/4.5-shmat.md. The crates `nix` and `libc` are there.
//! Judge it with: make check-4.5 SRC=labs/4.5/exercise/main.rs

use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.is_empty() {
        eprintln!("usage: exercise MESSAGE...");
        return ExitCode::from(2);
    }
    // TODO 1 (step 1): make a segment with shmget and IPC_PRIVATE. Check the result, as of each call.

    // TODO 2 (step 1): attach it twice with shmat, which returns (void *)-1 if it fails.

    // TODO 3: write each message at the first address, and print it from the second.

    // TODO 4: detach both (shmdt), and remove the segment (shmctl, IPC_RMID).

    // TODO 5: Ctrl-C and SIGTERM, at any moment, leave nothing behind.
    ExitCode::SUCCESS
}
