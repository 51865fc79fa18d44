/* zoo: 4.8 none
 * An alarm that has no handler, and is taken by sigwait. */
#include "../zoo.h"

int main(void)
{
    sigset_t set;
    int signal;
    block(SIGALRM);
    sigemptyset(&set);
    sigaddset(&set, SIGALRM);
    alarm(1);
    sigwait(&set, &signal);
    return signal != SIGALRM;
}
