/* zoo: 4.10 dead_id
 * The parent removes the semaphore without waiting for the child, which still takes it. */
#include "../zoo.h"

int main(void)
{
    int id = semaphores(1);
    post(id, 0);
    if (make_child() == 0) {
        struct sembuf take = { 0, -1, 0 };
        semop(id, &take, 1);
        _exit(0);
    }
    semctl(id, 0, IPC_RMID);
    wait(NULL);
    return 0;
}
