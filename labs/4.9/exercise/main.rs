//! 4.9  Two unrelated processes: the exercise. The task is in README.md beside this file; the numbers of the steps are
//! those of notes/4.9-two-processes.md. The crates `nix` and `libc` are there.
//! Judge it with: make check-4.9 SRC=labs/4.9/exercise/main.rs

use std::process::ExitCode;

/// The 128 bytes of the segment.
#[allow(dead_code)]
#[repr(C)]
struct StShmbuf {
    pid: libc::pid_t,
    buf: [u8; 124],
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.len() < 2 {
        eprintln!("usage: exercise server FILE MESSAGE... | exercise client FILE");
        return ExitCode::from(2);
    }
    // TODO 1 (steps 1 and 2, server): key = ftok(FILE, letter); make a segment of 128 bytes with IPC_CREAT and
    // IPC_EXCL, and attach it. Check the result, as of each call.

    // TODO 2 (step 3, server): write your pid into it. Block SIGUSR1 and SIGUSR2 before that (step 9).

    // TODO 3 (steps 1 and 2, client): find the segment, again and again until the server has made it, and attach
    // it.

    // TODO 4 (steps 3 to 5, client): wait until there is a pid; write your own in its place; kill(server, SIGUSR2).

    // TODO 5 (steps 4 to 7, server): wait for SIGUSR2, take the pid of the client, write a message, kill(client,
    // SIGUSR1).

    // TODO 6 (steps 6 to 8): the client prints "client: MESSAGE" and answers with SIGUSR2; the server waits for
    // that.

    // TODO 7 (server): after the last message an empty one; then detach, and remove the segment.

    // TODO 8 (server): Ctrl-C and SIGTERM, at any moment, leave nothing behind.
    ExitCode::SUCCESS
}
