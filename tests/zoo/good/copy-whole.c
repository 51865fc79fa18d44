/* zoo: 4.10 none
 * The same, one at a time. */
#include "../zoo.h"

int main(void)
{
    int id, lock = semaphores(1);
    char *message = segment(&id), copy[64];
    memset(message, 'A', sizeof copy);
    post(lock, 0);
    if (make_child() == 0) {
        char next[64];
        memset(next, 'B', sizeof next);
        take(lock, 0);
        memcpy(message, next, sizeof next);
        post(lock, 0);
        _exit(0);
    }
    take(lock, 0);
    memcpy(copy, message, sizeof copy);
    post(lock, 0);
    for (size_t i = 1; i < sizeof copy; i++)
        if (copy[i] != copy[0])
            printf("torn\n");
    wait(NULL);
    semctl(lock, 0, IPC_RMID);
    discard(id, message);
    return 0;
}
