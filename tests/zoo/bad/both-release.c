/* zoo: 4.10 crash tso
 * Release and acquire do not order a store before a later load. */
#include "../zoo.h"

struct shared {
    volatile int stored[2], seen[2];
};

int main(void)
{
    int id;
    struct shared *shared = segment(&id);
    pid_t child = make_child();
    int me = child == 0;
    __atomic_store_n(&shared->stored[me], 1, __ATOMIC_RELEASE);
    shared->seen[me] = __atomic_load_n(&shared->stored[!me], __ATOMIC_ACQUIRE);
    if (child == 0)
        _exit(0);
    wait(NULL);
    assert(shared->seen[0] || shared->seen[1]);
    discard(id, shared);
    return 0;
}
