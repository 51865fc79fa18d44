/* zoo: 4.10 deadlock tso
 * The receiver says that it sleeps, then looks; the sender stores, then looks who sleeps: both may miss. */
#include "../zoo.h"

struct shared {
    volatile int sleeps, message;
};

int main(void)
{
    int id, set = semaphores(1);
    struct shared *shared = segment(&id);
    if (make_child() == 0) {
        shared->message = 1;
        if (shared->sleeps)
            post(set, 0);
        _exit(0);
    }
    shared->sleeps = 1;
    if (!shared->message)
        take(set, 0);
    wait(NULL);
    discard(id, shared);
    semctl(set, 0, IPC_RMID);
    return 0;
}
