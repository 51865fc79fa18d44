/* zoo: 4.8 left
 * "Who is the last one to have it removes it": both look while both have it. */
#include "../zoo.h"

int main(void)
{
    int id;
    char *memory = segment(&id);
    pid_t child = make_child();
    struct shmid_ds ds;
    shmctl(id, IPC_STAT, &ds);
    int last = ds.shm_nattch == 1;
    shmdt(memory);
    if (last)
        shmctl(id, IPC_RMID, NULL);
    if (child)
        wait(NULL);
    return 0;
}
