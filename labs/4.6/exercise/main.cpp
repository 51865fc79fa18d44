// 4.6  shmdt: the exercise. The task is in README.md beside this file; the numbers of the steps are those of
// notes/4.6-shmdt.md. Judge it with: make check-4.6 SRC=labs/4.6/exercise/main.cpp
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <sys/ipc.h>
#include <sys/shm.h>

int main(int argc, char **argv)
{
    (void)argv;
    if (argc < 2) {
        std::fputs("usage: exercise MESSAGE...\n", stderr);
        return 2;
    }
    // TODO 1: make a segment with shmget and IPC_PRIVATE. Check the result, as of each call.

    // TODO 2 (step 1): attach it, write the message, detach it.

    // TODO 3: IPC_STAT, and print "nattch 0" from the record.

    // TODO 4: attach it again, print the message from there, detach it. At the end remove the segment.

    // TODO 5: Ctrl-C and SIGTERM, at any moment, leave nothing behind.
    return 0;
}
