/* shmctl: looked at, changed, walked, and asked for what is not there. */
#include "common.h"

int main(void)
{
    struct shmid_ds ds;
    struct shminfo limits;
    struct shm_info totals;
    int id = shmget(0x4711, 200, IPC_CREAT | 0600);
    shmctl(id, IPC_STAT, &ds);
    ds.shm_perm.mode = 0644;
    shmctl(id, IPC_SET, &ds);
    shmctl(id, IPC_STAT, &ds);
    shmctl(0, SHM_STAT, &ds);
    shmctl(0, SHM_STAT_ANY, &ds);
    shmctl(0, IPC_INFO, (struct shmid_ds *)&limits);
    shmctl(0, SHM_INFO, (struct shmid_ds *)&totals);
    shmctl(id, SHM_LOCK, NULL);
    shmctl(id, SHM_UNLOCK, NULL);
    shmctl(id, 77, &ds);
    shmctl(id + 1, IPC_STAT, &ds);
    shmctl(id, IPC_RMID, NULL);
    shmctl(id, IPC_RMID, NULL);
    return 0;
}
