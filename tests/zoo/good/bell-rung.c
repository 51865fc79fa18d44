/* zoo: 4.10 none tso
 * With a fence on both sides, one of them sees what the other has stored. */
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
        __atomic_thread_fence(__ATOMIC_SEQ_CST);
        if (shared->sleeps)
            post(set, 0);
        _exit(0);
    }
    shared->sleeps = 1;
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    if (!shared->message)
        take(set, 0);
    wait(NULL);
    discard(id, shared);
    semctl(set, 0, IPC_RMID);
    return 0;
}
