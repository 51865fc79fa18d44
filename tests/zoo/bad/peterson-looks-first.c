/* zoo: 4.10 race
 * Each looks at the other first, and says then that it wants to enter. */
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
    while (shared->wants[other] && shared->turn == other)
        ;
    shared->turn = other;
    shared->wants[me] = 1;
    shared->counter = shared->counter + 1;
    shared->wants[me] = 0;
    if (child == 0)
        _exit(0);
    wait(NULL);
    printf("%d\n", shared->counter);
    discard(id, shared);
    return 0;
}
