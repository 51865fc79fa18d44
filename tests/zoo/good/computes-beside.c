/* zoo: 4.8 none
 * Both compute between their calls, each as long as it takes; the one waits in a loop, too. */
#include "../zoo.h"

static unsigned compute(long times)
{
    unsigned x = 1;
    for (volatile long i = 0; i < times; i++)
        x = x * 1664525 + 1013904223;
    return x;
}

int main(void)
{
    int id;
    volatile unsigned *shared = segment(&id);
    pid_t child = make_child();
    for (int turn = 1; turn <= 2; turn++) {
        shared[child == 0] = compute(turn * 1500000);
        getppid();
    }
    if (child == 0) {
        shared[2] = 1;
        return 0;
    }
    while (shared[2] == 0)
        ;
    wait(NULL);
    discard(id, (void *)shared);
    return 0;
}
