/* zoo: 4.10 none tso
 * An instruction that locks, on a word of its own, is a fence, too. */
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
    shared->stored[me] = 1;
    int own = 0;
    __atomic_fetch_add(&own, 1, __ATOMIC_SEQ_CST);
    __asm__ volatile("lock orl $0, %0" : "+m"(own));
    shared->seen[me] = shared->stored[!me];
    if (child == 0)
        _exit(0);
    wait(NULL);
    assert(shared->seen[0] || shared->seen[1]);
    discard(id, shared);
    return 0;
}
