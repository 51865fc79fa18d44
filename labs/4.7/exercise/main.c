/* 4.7  shmctl: the exercise. The task is in README.md beside this file; the numbers of the steps are those of
 * notes/4.7-shmctl.md. Judge it with: make check-4.7 */
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
        fprintf(stderr, "usage: exercise SIZE\n");
        return 2;
    }
    /* TODO 1 (step 1): make a segment of SIZE bytes with mode 0600. Check the result, as of each call. */

    /* TODO 2 (step 4): attach it. */

    /* TODO 3 (step 1): IPC_STAT, and print "size SIZE" from the record. */

    /* TODO 4 (step 3): IPC_SET with mode 0640, IPC_STAT, and print "mode 640" from the record. */

    /* TODO 5 (step 4): IPC_RMID, IPC_STAT, print "dest" if SHM_DEST is set; then shmdt. */

    /* TODO 6: Ctrl-C and SIGTERM, at any moment, leave nothing behind. */
    return 0;
}
