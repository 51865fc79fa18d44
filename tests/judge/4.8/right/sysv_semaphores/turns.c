#define _GNU_SOURCE
#include "turns.h"

#include <errno.h>
#include <stddef.h>
#include <sys/ipc.h>
#include <sys/sem.h>
#include <sys/wait.h>
#include <time.h>

/* A new set begins with zeros on Linux. */
int turns_make(void)
{
    return semget(IPC_PRIVATE, 2, IPC_CREAT | 0600);
}

int turns_give(int turns, enum turn to)
{
    struct sembuf up = { .sem_num = to, .sem_op = 1 };
    return semop(turns, &up, 1);
}

/* It stays a zombie: its number is not given to another process. */
static int has_ended(pid_t child)
{
    siginfo_t info = { .si_pid = 0 };
    return waitid(P_PID, (id_t)child, &info, WEXITED | WNOHANG | WNOWAIT) == -1 || info.si_pid == child;
}

int turns_wait(int turns, enum turn mine, pid_t child)
{
    static const struct timespec tenth = { .tv_nsec = 100 * 1000 * 1000 }, now;
    struct sembuf down = { .sem_num = mine, .sem_op = -1 };
    int ended = 0;
    while (semtimedop(turns, &down, 1, ended ? &now : &tenth) == -1) {
        if (errno != EAGAIN && errno != EINTR)
            return -1;
        if (ended) {
            errno = ECHILD;
            return -1;
        }
        ended = child != 0 && has_ended(child);
    }
    return 0;
}

int turns_remove(int turns)
{
    return semctl(turns, 0, IPC_RMID);
}
