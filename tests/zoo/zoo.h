/* What the programs of the zoo share. Each of them shows one thing, and starts with a line that says
 * what `lab explore` must answer:  zoo: SECTION FINDING [pair | tso]
 * A pair is two programs: it is run as `program server` and as `program client`. With `tso`, stores wait in a
 * buffer: `lab explore --tso`. */
#define _GNU_SOURCE
#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define KEY 0x4909

static inline void die(const char *what)
{
    perror(what);
    exit(1);
}

/* A flag that a handler sets. */
static volatile sig_atomic_t told;

static inline void woken(int signal)
{
    (void)signal;
    told = 1;
}

static inline void handle(int signal, void (*handler)(int))
{
    struct sigaction action = { .sa_handler = handler };
    if (sigaction(signal, &action, NULL) == -1)
        die("sigaction");
}

/* Blocks a signal, and answers the mask that lets it in. */
static inline sigset_t block(int signal)
{
    sigset_t blocked, before;
    sigemptyset(&blocked);
    sigaddset(&blocked, signal);
    sigprocmask(SIG_BLOCK, &blocked, &before);
    return before;
}

/* A new segment, attached; its id is in *id. */
static inline void *segment(int *id)
{
    *id = shmget(IPC_PRIVATE, 4096, IPC_CREAT | 0600);
    void *memory = *id == -1 ? (void *)-1 : shmat(*id, NULL, 0);
    if (memory == (void *)-1)
        die("shmget, shmat");
    return memory;
}

static inline void discard(int id, void *memory)
{
    if (shmdt(memory) == -1 || shmctl(id, IPC_RMID, NULL) == -1)
        die("shmdt, shmctl");
}

/* A set of System V semaphores, all 0. */
static inline int semaphores(int n)
{
    int id = semget(IPC_PRIVATE, n, IPC_CREAT | 0600);
    if (id == -1)
        die("semget");
    return id;
}

static inline void change(int id, int which, int by, int flags)
{
    struct sembuf operation = { which, by, flags };
    if (semop(id, &operation, 1) == -1)
        die("semop");
}

static inline void post(int id, int which)
{
    change(id, which, 1, 0);
}

static inline void take(int id, int which)
{
    change(id, which, -1, 0);
}

static inline pid_t make_child(void)
{
    pid_t child = fork();
    if (child == -1)
        die("fork");
    return child;
}
