// 4.4  shmget and ftok: the exercise. The task is in README.md beside this file; the numbers of the steps are those of
// notes/4.4-shmget-ftok.md. Judge it with: make check-4.4 SRC=labs/4.4/exercise/main.cpp
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
        std::fputs("usage: exercise FILE\n", stderr);
        return 2;
    }
    // TODO 1 (step 1): a key from argv[1] with ftok, which returns -1 if it fails.

    // TODO 2 (step 2): make a segment with this key, IPC_CREAT and IPC_EXCL. Check the result, as of each call.

    // TODO 3: try to make it again; print "EEXIST" if errno says so.

    // TODO 4: find it by its key alone; print "same" if it is the same id.

    // TODO 5: remove it (shmctl, IPC_RMID); try to find it, and print "ENOENT" if errno says so.

    // TODO 6: Ctrl-C and SIGTERM, at any moment, leave nothing behind.
    return 0;
}
