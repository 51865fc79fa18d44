/* zoo: 4.8 none
 * A timer that goes off again and again, waited for with sigsuspend. */
#include "../zoo.h"

static volatile sig_atomic_t ticks;

static void tick(int signal)
{
    (void)signal;
    ticks++;
}

int main(void)
{
    sigset_t open = block(SIGALRM);
    handle(SIGALRM, tick);
    struct itimerval every = { { 0, 10000 }, { 0, 10000 } };
    setitimer(ITIMER_REAL, &every, NULL);
    while (ticks < 2)
        sigsuspend(&open);
    return 0;
}
