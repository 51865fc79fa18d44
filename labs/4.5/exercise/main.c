/* 4.5  shmat: the exercise. The task is in README.md beside this file; the numbers of the steps are those of
 * notes/4.5-shmat.md. Judge it with: make check-4.5 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/shm.h>

int main(int argc, char **argv)
{
    (void)argv;
    if (argc < 2) {
        fprintf(stderr, "usage: exercise MESSAGE...\n");
        return 2;
    }
    /* TODO 1 (step 1): make a segment with shmget and IPC_PRIVATE. Check the result, as of each call. */

    /* TODO 2 (step 1): attach it twice with shmat, which returns (void *)-1 if it fails. */

    /* TODO 3: write each message at the first address, and print it from the second. */

    /* TODO 4: detach both (shmdt), and remove the segment (shmctl, IPC_RMID). */

    /* TODO 5: Ctrl-C and SIGTERM, at any moment, leave nothing behind. */
    return 0;
}
