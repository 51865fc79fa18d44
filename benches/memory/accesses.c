/* Two processes race for one word of a segment, so each access to its page is looked at. One of them stores into another
 * word there many times, and prints what a store has cost it. */
#define _GNU_SOURCE
#include <sys/ipc.h>
#include <sys/shm.h>
#include <sys/wait.h>
#include <unistd.h>

#include "batches.h"

int main(void)
{
    int id = shmget(IPC_PRIVATE, 4096, IPC_CREAT | 0600);
    volatile int *shared = shmat(id, NULL, 0);
    shmctl(id, IPC_RMID, NULL);
    if (fork() == 0) {
        shared[0] = 1;
        _exit(0);
    }
    shared[0] = 2;
    print_fastest(shared + 16);
    wait(NULL);
    return 0;
}
