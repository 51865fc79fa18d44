#include "keyed.h"

#include <errno.h>
#include <stdio.h>
#include <sys/ipc.h>
#include <sys/shm.h>

static enum answer answered(int id, enum answer good, int *to)
{
    if (id >= 0) {
        *to = id;
        return good;
    }
    switch (errno) {
    case EEXIST: return EXISTS;
    case ENOENT: return MISSING;
    default: perror("shmget"); return FAILED;
    }
}

enum answer make_keyed(key_t key, int *id)
{
    return answered(shmget(key, 1, IPC_CREAT | IPC_EXCL | 0600), MADE, id);
}

enum answer find_keyed(key_t key, int *id)
{
    return answered(shmget(key, 0, 0), FOUND, id);
}

int remove_keyed(int id)
{
    if (shmctl(id, IPC_RMID, NULL) == 0)
        return 0;
    perror("shmctl(IPC_RMID)");
    return -1;
}
