/* zoo: 4.8 no_handler
 * The child installs its handler itself; the parent may be faster. */
#include "../zoo.h"

int main(void)
{
    pid_t child = make_child();
    if (child == 0) {
        sigset_t open = block(SIGUSR1);
        handle(SIGUSR1, woken);
        while (!told)
            sigsuspend(&open);
        return 0;
    }
    kill(child, SIGUSR1);
    wait(NULL);
    return 0;
}
