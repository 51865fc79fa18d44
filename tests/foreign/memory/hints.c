/* Two processes and a segment: what orders their accesses, or does not. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/wait.h>
#include <unistd.h>

#define BULK (1 << 20)

struct shared {
    volatile int lock, wants[2], turn, counter;
    char bulk[];
};

static struct shared *shared;
static int set;

static void change(int by)
{
    struct sembuf operation = { 0, by, 0 };
    if (semop(set, &operation, 1) == -1)
        exit(1);
}

static void count(void)
{
    shared->counter = shared->counter + 1;
}

static void peterson(int me)
{
    shared->wants[me] = 1;
    shared->turn = !me;
    while (shared->wants[!me] && shared->turn == !me)
        ;
    count();
    shared->wants[me] = 0;
}

static void semaphore(int me)
{
    (void)me;
    change(-1);
    count();
    change(1);
}

static void locked(int me)
{
    (void)me;
    while (__atomic_exchange_n(&shared->lock, 1, __ATOMIC_ACQUIRE))
        ;
    count();
    __atomic_store_n(&shared->lock, 0, __ATOMIC_RELEASE);
}

static void bulk(int me)
{
    change(-1);
    memset(shared->bulk, 'a' + me, BULK);
    shared->counter = 0;
    for (int i = 0; i < BULK; i++)
        shared->counter += shared->bulk[i] == 'a' + me;
    change(1);
}

int main(int argc, char **argv)
{
    const char *how = argc > 1 ? argv[1] : "";
    void (*run)(int) = strcmp(how, "semaphore") == 0 ? semaphore
                       : strcmp(how, "locked") == 0  ? locked
                       : strcmp(how, "bulk") == 0    ? bulk
                                                     : peterson;
    int id = shmget(IPC_PRIVATE, sizeof *shared + BULK, IPC_CREAT | 0600);
    shared = shmat(id, NULL, 0);
    shmctl(id, IPC_RMID, NULL);
    set = semget(IPC_PRIVATE, 1, IPC_CREAT | 0600);
    if (set == -1 || shared == (void *)-1)
        return 1;
    change(1);
    pid_t child = fork();
    run(child == 0);
    if (child == 0)
        _exit(0);
    wait(NULL);
    printf(run == bulk ? "%d bytes\n" : "%d\n", shared->counter);
    semctl(set, 0, IPC_RMID);
    return 0;
}
