/* zoo: 4.10 none tso
 * Peterson's lock where the turn is given by xchg, which waits for the stores before it. */
#include "../zoo.h"

struct shared {
    volatile int wants[2], turn, counter;
};

int main(void)
{
    int id;
    struct shared *shared = segment(&id);
    pid_t child = make_child();
    int me = child == 0, other = !me;
    shared->wants[me] = 1;
    __atomic_exchange_n(&shared->turn, other, __ATOMIC_SEQ_CST);
    while (shared->wants[other] && shared->turn == other)
        ;
    shared->counter = shared->counter + 1;
    shared->wants[me] = 0;
    if (child == 0)
        _exit(0);
    wait(NULL);
    printf("%d\n", shared->counter);
    discard(id, shared);
    return 0;
}
