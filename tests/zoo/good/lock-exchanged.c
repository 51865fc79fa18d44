/* zoo: 4.10 none
 * A lock that is looked at and taken in one instruction. */
#include "../zoo.h"

struct shared {
    volatile int lock, inside;
};

int main(void)
{
    int id;
    struct shared *shared = segment(&id);
    pid_t child = make_child();
    while (__atomic_exchange_n(&shared->lock, 1, __ATOMIC_ACQUIRE))
        ;
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
