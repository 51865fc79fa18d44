/* zoo: 4.10 deadlock
 * Who holds the lock ends without giving it back, and without SEM_UNDO the kernel does not either. */
#include "../zoo.h"

int main(void)
{
    int id, set = semaphores(1);
    volatile int *memory = segment(&id);
    post(set, 0);
    if (make_child() == 0) {
        take(set, 0);
        if (*memory == 0)
            return 1;
        post(set, 0);
        return 0;
    }
    take(set, 0);
    *memory = 1;
    post(set, 0);
    wait(NULL);
    take(set, 0);
    semctl(set, 0, IPC_RMID);
    discard(id, (void *)memory);
    return 0;
}
