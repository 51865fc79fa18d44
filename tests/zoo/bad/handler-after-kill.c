/* zoo: 4.8 no_handler
 * The parent asks first, and installs the handler for the answer afterwards. */
#include "../zoo.h"

int main(void)
{
    sigset_t open = block(SIGUSR1);
    handle(SIGUSR1, woken);
    pid_t parent = getpid(), child = make_child();
    if (child == 0) {
        while (!told)
            sigsuspend(&open);
        kill(parent, SIGUSR2);
        return 0;
    }
    kill(child, SIGUSR1);
    handle(SIGUSR2, woken);
    wait(NULL);
    return 0;
}
