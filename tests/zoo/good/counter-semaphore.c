/* zoo: 4.10 none
 * The same, one at a time: a semaphore. */
#include "../zoo.h"

int main(void)
{
    int id, lock = semaphores(1);
    volatile int *counter = segment(&id);
    post(lock, 0);
    pid_t child = make_child();
    take(lock, 0);
    *counter = *counter + 1;
    post(lock, 0);
    if (child == 0)
        _exit(0);
    wait(NULL);
    printf("%d\n", *counter);
    semctl(lock, 0, IPC_RMID);
    discard(id, (void *)counter);
    return 0;
}
