/* zoo: 4.8 none
 * A child's end is a signal, too, which most programs ignore: it must not disturb a pause. */
#include "../zoo.h"

int main(void)
{
    sigset_t open = block(SIGUSR1);
    handle(SIGUSR1, woken);
    pid_t parent = getpid();
    if (make_child() == 0)
        return 0;
    if (make_child() == 0) {
        kill(parent, SIGUSR1);
        return 0;
    }
    while (!told)
        sigsuspend(&open);
    while (wait(NULL) > 0)
        ;
    return 0;
}
