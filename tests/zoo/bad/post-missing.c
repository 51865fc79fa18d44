/* zoo: 4.10 deadlock
 * Who finds nothing to do forgets to post. */
#include "../zoo.h"

int main(void)
{
    int id, set = semaphores(1);
    volatile int *memory = segment(&id);
    if (make_child() == 0) {
        printf("looking\n");
        fflush(stdout);
        if (*memory == 0)
            return 0;
        post(set, 0);
        return 0;
    }
    *memory = 1;
    take(set, 0);
    wait(NULL);
    semctl(set, 0, IPC_RMID);
    discard(id, (void *)memory);
    return 0;
}
