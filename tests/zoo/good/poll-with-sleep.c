/* zoo: 4.9 none
 * Slow, but right: it looks again and again, and nothing depends on how long it sleeps. */
#include "../zoo.h"

int main(void)
{
    int id;
    volatile int *flags = segment(&id);
    if (make_child() == 0) {
        while (!flags[0])
            usleep(1000);
        flags[1] = 1;
        return 0;
    }
    flags[0] = 1;
    while (!flags[1])
        usleep(1000);
    wait(NULL);
    discard(id, (void *)flags);
    return 0;
}
