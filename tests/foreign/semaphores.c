/* System V semaphores: set, taken, posted, refused, undone. */
#include "common.h"

int main(void)
{
    struct sembuf both[2] = {{0, 1, SEM_UNDO}, {1, 2, IPC_NOWAIT}};
    struct sembuf take = {0, -1, 0}, zero = {0, 0, 0}, much = {1, -9, IPC_NOWAIT};
    struct timespec little = {0, 1000000};
    unsigned short values[2] = {0, 0};
    struct semid_ds ds;
    int id = semget(IPC_PRIVATE, 2, 0600);
    semop(id, both, 2);
    semop(id, &take, 1);
    semop(id, &zero, 1);
    semop(id, &much, 1);                                /* EAGAIN */
    semtimedop(id, &take, 1, &little);                  /* EAGAIN */
    semctl(id, 0, SETVAL, 3);
    semctl(id, 1, GETVAL);
    semctl(id, 1, GETPID);
    semctl(id, 1, GETNCNT);
    semctl(id, 0, SETALL, values);
    semctl(id, 0, GETALL, values);
    semctl(id, 0, IPC_STAT, &ds);
    if (fork() == 0)
        _exit(semop(id, &take, 1) == -1 && errno == EIDRM ? 0 : 1);
    while (semctl(id, 0, GETNCNT) == 0)
        sched_yield();
    semctl(id, 0, IPC_RMID);
    int status;
    wait(&status);
    return WEXITSTATUS(status);
}
