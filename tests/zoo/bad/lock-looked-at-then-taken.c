/* zoo: 4.10 crash
 * A lock that is looked at first, and then taken. */
#include "../zoo.h"

struct shared {
    volatile int lock, inside;
};

int main(void)
{
    int id;
    struct shared *shared = segment(&id);
    pid_t child = make_child();
    while (shared->lock)
        ;
    shared->lock = 1;
    shared->inside = shared->inside + 1;
    assert(shared->inside == 1);
    shared->inside = shared->inside - 1;
    __atomic_store_n(&shared->lock, 0, __ATOMIC_RELEASE);
    if (child == 0)
        _exit(0);
    wait(NULL);
    discard(id, shared);
    return 0;
}
