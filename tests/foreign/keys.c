/* Keys from ftok, and everything that shmget can answer to them. */
#include "common.h"

int main(void)
{
    FILE *file = fopen("the key file", "w");
    fclose(file);
    key_t key = ftok("the key file", 'A');
    shmget(key, 100, 0);                                /* ENOENT */
    int id = shmget(key, 100, IPC_CREAT | IPC_EXCL | 0640);
    shmget(key, 100, IPC_CREAT | IPC_EXCL | 0640);      /* EEXIST */
    shmget(key, 101, 0);                                /* EINVAL: it has less */
    shmget(key, 0, 0);
    shmget(IPC_PRIVATE, 0, 0600);                       /* EINVAL: nothing */
    shmget(ftok("the key file", 'B'), 8, IPC_CREAT | 0);
    shmctl(shmget(ftok("the key file", 'B'), 0, 0), IPC_RMID, NULL);
    shmctl(id, IPC_RMID, NULL);
    return ftok("no such file", 'A') == -1 ? 0 : 1;
}
