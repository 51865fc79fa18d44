/* zoo: 4.8 outsider
 * "The child's pid is mine plus one." Whose is it, if it is not? */
#include "../zoo.h"

int main(void)
{
    sigset_t open = block(SIGUSR1);
    handle(SIGUSR1, woken);
    pid_t child = make_child();
    if (child == 0) {
        while (!told)
            sigsuspend(&open);
        return 0;
    }
    kill(getpid() + 2, SIGUSR1);
    kill(child, SIGUSR1);
    wait(NULL);
    return 0;
}
