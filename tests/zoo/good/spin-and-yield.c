/* zoo: 4.10 none
 * Flags in memory and no call but sched_yield. */
#include "../zoo.h"

int main(void)
{
    int id;
    volatile int *flags = segment(&id);
    if (make_child() == 0) {
        while (!flags[0])
            sched_yield();
        flags[1] = 1;
        return 0;
    }
    flags[0] = 1;
    while (!flags[1])
        sched_yield();
    wait(NULL);
    discard(id, (void *)flags);
    return 0;
}
