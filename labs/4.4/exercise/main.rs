//! 4.4  shmget and ftok: the exercise. The task is in README.md beside this file; the numbers of the steps are those of
//! notes/4.4-shmget-ftok.md. The crates `nix` and `libc` are there.
//! Judge it with: make check-4.4 SRC=labs/4.4/exercise/main.rs

use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.is_empty() {
        eprintln!("usage: exercise FILE");
        return ExitCode::from(2);
    }
    // TODO 1 (step 1): a key from argv[1] with ftok, which returns -1 if it fails.

    // TODO 2 (step 2): make a segment with this key, IPC_CREAT and IPC_EXCL. Check the result, as of each call.

    // TODO 3: try to make it again; print "EEXIST" if errno says so.

    // TODO 4: find it by its key alone; print "same" if it is the same id.

    // TODO 5: remove it (shmctl, IPC_RMID); try to find it, and print "ENOENT" if errno says so.

    // TODO 6: Ctrl-C and SIGTERM, at any moment, leave nothing behind.
    ExitCode::SUCCESS
}
