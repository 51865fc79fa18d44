/* zoo: 4.9 deadlock pair
 * The client gives up when there is no server yet, and the server waits for it for ever. */
#include "../zoo.h"

int main(int argc, char **argv)
{
    int server = argc > 1 && !strcmp(argv[1], "server");
    sigset_t open = block(SIGUSR1);
    handle(SIGUSR1, woken);
    int id = shmget(KEY, 128, server ? IPC_CREAT | 0600 : 0);
    if (id == -1)
        return 1;
    volatile pid_t *pid = shmat(id, NULL, 0);
    if (server) {
        *pid = getpid();
        while (!told)
            sigsuspend(&open);
        shmctl(id, IPC_RMID, NULL);
        return 0;
    }
    while (*pid == 0)
        sched_yield();
    kill(*pid, SIGUSR1);
    return 0;
}
