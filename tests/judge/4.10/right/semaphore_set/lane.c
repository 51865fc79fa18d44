#include "lane.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/sem.h>
#include <sys/shm.h>

int complain(const char *call)
{
    fprintf(stderr, "%s: %s\n", call, strerror(errno));
    return 1;
}

static int change(const struct lane *lane, unsigned short which, short by)
{
    struct sembuf operation = { .sem_num = lane->first + which, .sem_op = by };
    int done;
    while ((done = semop(lane->set, &operation, 1)) == -1 && errno == EINTR)
        ;
    return done == -1 ? complain("semop") : 0;
}

enum { NEWS, FREE };

int lane_make(struct lane *lane, int set, unsigned short first)
{
    union semun { int val; } slots = { SLOTS };
    lane->set = set;
    lane->first = first;
    if (semctl(set, first + FREE, SETVAL, slots) == -1)
        return complain("semctl");
    int id = shmget(IPC_PRIVATE, sizeof *lane->ring, IPC_CREAT | 0600);
    if (id == -1)
        return complain("shmget");
    void *at = shmat(id, NULL, 0);
    int failed = at == (void *)-1 ? complain("shmat") : 0;
    if (shmctl(id, IPC_RMID, NULL) == -1)
        failed = complain("shmctl");
    lane->ring = at;
    return failed;
}

int lane_put(const struct lane *lane, int number, const char *message)
{
    if (change(lane, FREE, -1) != 0 || atomic_load(&lane->ring->over))
        return 1;
    strcpy(lane->ring->text[number % SLOTS], message);
    return change(lane, NEWS, 1);
}

int lane_take(const struct lane *lane, int number, char *message)
{
    if (change(lane, NEWS, -1) != 0 || atomic_load(&lane->ring->over))
        return 1;
    memcpy(message, lane->ring->text[number % SLOTS], LINE);
    return change(lane, FREE, 1);
}

void lane_end(const struct lane *lane)
{
    atomic_store(&lane->ring->over, 1);
    change(lane, NEWS, 1);
    change(lane, FREE, 1);
}
