/* zoo: 4.8 deadlock
 * The flag is cleared before the second wait, and with it a signal that has come already. */
#include "../zoo.h"

int main(void)
{
    sigset_t open = block(SIGUSR1);
    handle(SIGUSR1, woken);
    pid_t parent = getpid(), child = make_child();
    if (child == 0) {
        kill(parent, SIGUSR1);
        while (!told)
            sigsuspend(&open);
        return 0;
    }
    while (!told)
        sigsuspend(&open);
    kill(child, SIGUSR1);
    sigprocmask(SIG_SETMASK, &open, NULL);
    printf("next\n");
    told = 0;
    if (waitpid(child, NULL, WNOHANG) == 0)
        while (!told)
            pause();
    return 0;
}
