/* zoo: 4.8 race
 * The child is woken, and then the message is stored. */
#include "../zoo.h"

int main(void)
{
    int id, signal;
    volatile int *message = segment(&id);
    sigset_t set;
    block(SIGUSR1);
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    pid_t child = make_child();
    if (child == 0) {
        sigwait(&set, &signal);
        printf("%d\n", *message);
        return 0;
    }
    kill(child, SIGUSR1);
    *message = 7;
    wait(NULL);
    discard(id, (void *)message);
    return 0;
}
