/* zoo: 4.8 deadlock
 * One answer is promised for each message; the child leaves after the first. */
#include "../zoo.h"

int main(void)
{
    sigset_t open = block(SIGUSR1);
    handle(SIGUSR1, woken);
    pid_t parent = getpid(), child = make_child();
    if (child == 0) {
        while (!told)
            sigsuspend(&open);
        kill(parent, SIGUSR1);
        return 0;
    }
    for (int message = 0; message < 2; message++) {
        told = 0;
        kill(child, SIGUSR1);
        while (!told)
            sigsuspend(&open);
    }
    wait(NULL);
    return 0;
}
