/* zoo: 4.8 none
 * The message is stored, and then the child is woken. */
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
    *message = 7;
    kill(child, SIGUSR1);
    wait(NULL);
    discard(id, (void *)message);
    return 0;
}
