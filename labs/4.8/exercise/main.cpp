// 4.8  Parent and child: the exercise. The task is in README.md beside this file; the numbers of the steps are those
// of notes/4.8-parent-and-child.md. Judge it with: make check-4.8 SRC=labs/4.8/exercise/main.cpp
#include <csignal>
#include <cstdio>
#include <cstring>
#include <string>
#include <sys/ipc.h>
#include <sys/shm.h>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

constexpr std::size_t SIZE = 128;

int main(int argc, char **argv)
{
    const std::vector<std::string> messages(argv + 1, argv + argc);
    if (messages.empty()) {
        std::fputs("usage: exercise MESSAGE...\n", stderr);
        return 2;
    }
    // TODO 1 (step 1): make a segment of SIZE bytes with shmget and IPC_PRIVATE. Check the result, as of each call.

    // TODO 2 (step 2): attach it with shmat, which returns (void *)-1 if it fails.

    // TODO 3 (step 3): fork. The child ends with _exit; the parent waits for it with waitpid. Then detach (shmdt), and
    // remove the segment (shmctl, IPC_RMID).

    // TODO 4 (step 6): install a handler for SIGUSR1, before fork. It sets a flag, and nothing else.

    // TODO 5 (steps 4 and 5): for each message, the parent writes it and signals the child; the child waits until told,
    // prints "child: MESSAGE", and signals the parent, who waits for that.

    // TODO 6 (step 9): block SIGUSR1 before fork, and wait in sigsuspend: no order may lose a signal.

    // TODO 7 ("Every way out" in the note): a message that does not fit is refused; a call that fails, a child that ends
    // first, Ctrl-C and SIGTERM, at any moment, leave nothing behind.
    return 0;
}
