/* What `make stage-4.10` stages: two processes, each with a thread that sends and one that receives. Each sender says
 * that a message is there, and then stores it. */
#include <pthread.h>
#include <stdio.h>
#include <sys/ipc.h>
#include <sys/shm.h>
#include <sys/wait.h>
#include <unistd.h>

struct slot {
    volatile int full;
    volatile int value;
};

struct duplex {
    struct slot to_child, to_parent;
};

static void *receive(void *from)
{
    struct slot *slot = from;
    while (!slot->full)
        ;
    printf("received %d\n", slot->value);
    fflush(stdout);
    return NULL;
}

static int talk(struct slot *in, struct slot *out, int value)
{
    pthread_t receiver;
    if (pthread_create(&receiver, NULL, receive, in) != 0)
        return 1;
    out->full = 1;
    out->value = value;
    return pthread_join(receiver, NULL) != 0;
}

int main(void)
{
    int id = shmget(IPC_PRIVATE, sizeof(struct duplex), IPC_CREAT | 0600);
    struct duplex *shm = id == -1 ? (void *)-1 : shmat(id, NULL, 0);
    if (shm == (void *)-1 || shmctl(id, IPC_RMID, NULL) == -1) {
        perror("shmget, shmat, shmctl");
        return 1;
    }
    pid_t child = fork();
    if (child == -1) {
        perror("fork");
        return 1;
    }
    if (child == 0)
        _exit(talk(&shm->to_child, &shm->to_parent, 2));
    int failed = talk(&shm->to_parent, &shm->to_child, 1);
    wait(NULL);
    return failed;
}
