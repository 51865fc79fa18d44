/* zoo: 4.8 dead_id
 * The child attaches by id; the parent gives it a tenth of a second for that. */
#include "../zoo.h"

int main(void)
{
    int id = shmget(IPC_PRIVATE, 128, IPC_CREAT | 0600);
    pid_t child = make_child();
    if (child == 0) {
        char *memory = shmat(id, NULL, 0);
        return memory == (void *)-1;
    }
    usleep(100000);
    if (shmctl(id, IPC_RMID, NULL) == -1)
        die("shmctl");
    wait(NULL);
    return 0;
}
