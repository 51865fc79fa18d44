// 4.10  Full duplex: the exercise. The task is in README.md beside this file; the numbers of the steps are those of
// notes/4.10-full-duplex.md. Judge it with: make check-4.10 SRC=labs/4.10/exercise/main.cpp
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <semaphore.h>
#include <string>
#include <sys/ipc.h>
#include <sys/shm.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <vector>

// One direction: it has one writer and one reader.
constexpr int SLOTS = 2, LINE = 128;

struct direction {
    sem_t news, room;       // sem_init(…, 1, …): shared by two processes
    char line[SLOTS][LINE];
};

int main(int argc, char **argv)
{
    const std::vector<std::string> messages(argv + 1, argv + argc);
    if (messages.empty()) {
        std::fputs("usage: exercise MESSAGE...\n", stderr);
        return 2;
    }
    // TODO 1 (step 4): make two segments with shmget and IPC_PRIVATE, one for each direction. Check the result, as of
    // each call.

    // TODO 2 (step 4): attach both with shmat. Then remove them: they live until the last detach (shmctl, IPC_RMID).

    // TODO 3 (step 4): fork, before there is a second thread. The child ends with _exit; the parent waits for it, and
    // detaches both.

    // TODO 4 (steps 7 and 8): in each process a second thread (std::thread, or pthread_create), so that one reads
    // while the other writes; join it.

    // TODO 5 (step 8): the writer stores each message, and wakes the reader of the other side. It waits for a free
    // slot only, never for an answer.

    // TODO 6 (step 7): the reader sleeps until a message is there, copies it out, frees the slot, and prints "child:
    // MESSAGE" or "parent: MESSAGE".

    // TODO 7 (step 9): when all messages have been written and read, both processes end with 0, and nothing is left.

    // TODO 8 ("Every way out" of 4.8): a message that does not fit is refused; a call that fails, an output that
    // cannot be written, Ctrl-C and SIGTERM, at any moment, leave nothing behind.
    return 0;
}
