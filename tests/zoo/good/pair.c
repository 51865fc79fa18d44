/* zoo: 4.9 none pair
 * Two programs, in whichever order they are started: each looks until the other is there, and the
 * signals wait. */
#include "../zoo.h"

struct shared {
    volatile pid_t server, client;
};

int main(int argc, char **argv)
{
    int server = argc > 1 && !strcmp(argv[1], "server");
    sigset_t open = block(SIGUSR1);
    handle(SIGUSR1, woken);
    int id = shmget(KEY, sizeof(struct shared), IPC_CREAT | 0600);
    struct shared *shared = shmat(id, NULL, 0);
    if (shared == (void *)-1)
        die("shmat");
    if (server) {
        shared->server = getpid();
        while (!told)
            sigsuspend(&open);
        shmctl(id, IPC_RMID, NULL);
        kill(shared->client, SIGUSR1);
    } else {
        shared->client = getpid();
        while (shared->server == 0)
            usleep(1000);
        kill(shared->server, SIGUSR1);
        while (!told)
            sigsuspend(&open);
    }
    return 0;
}
