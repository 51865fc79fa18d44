/* zoo: 4.9 deadlock pair
 * The protocol of the source notes with bare pause, between two programs. */
#include "../zoo.h"

struct shared {
    volatile pid_t server, client;
};

int main(int argc, char **argv)
{
    int server = argc > 1 && !strcmp(argv[1], "server");
    handle(SIGUSR1, woken);
    int id = shmget(KEY, sizeof(struct shared), IPC_CREAT | 0600);
    struct shared *shared = shmat(id, NULL, 0);
    if (shared == (void *)-1)
        die("shmat");
    if (server) {
        shared->server = getpid();
        pause();
        kill(shared->client, SIGUSR1);
        shmctl(id, IPC_RMID, NULL);
    } else {
        shared->client = getpid();
        while (shared->server == 0)
            sched_yield();
        kill(shared->server, SIGUSR1);
        pause();
    }
    return 0;
}
