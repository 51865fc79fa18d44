/* zoo: 4.8 none
 * A signal may be lost; an alarm with a handler makes sure that it is asked for again. */
#include "../zoo.h"

int main(void)
{
    int id;
    volatile int *done = segment(&id);
    handle(SIGALRM, woken);
    if (make_child() == 0) {
        *done = 1;
        return 0;
    }
    sigset_t open = block(SIGALRM);
    while (!*done) {
        told = 0;
        alarm(1);
        while (!told)
            sigsuspend(&open);
    }
    wait(NULL);
    discard(id, (void *)done);
    return 0;
}
