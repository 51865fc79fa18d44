/* zoo: 4.8 deadlock
 * Blocked before fork, as it should be; then the signal is let in too early, before the wait. */
#include "../zoo.h"

int main(void)
{
    sigset_t open = block(SIGUSR1);
    handle(SIGUSR1, woken);
    pid_t child = make_child();
    if (child == 0) {
        sigprocmask(SIG_SETMASK, &open, NULL);
        if (!told)
            pause();
        return 0;
    }
    kill(child, SIGUSR1);
    wait(NULL);
    return 0;
}
