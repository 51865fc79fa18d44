/* zoo: 4.8 removed_twice
 * "Nobody has it any more, so I remove it": both can come to that. */
#include "../zoo.h"

int main(void)
{
    int id;
    char *memory = segment(&id);
    pid_t child = make_child();
    shmdt(memory);
    struct shmid_ds ds;
    if (shmctl(id, IPC_STAT, &ds) == 0 && ds.shm_nattch == 0)
        shmctl(id, IPC_RMID, NULL);
    if (child)
        wait(NULL);
    return 0;
}
