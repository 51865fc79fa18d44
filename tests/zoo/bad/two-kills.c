/* zoo: 4.8 deadlock
 * Two messages, two signals; a signal that is pending already is not pending twice. */
#include "../zoo.h"

static volatile sig_atomic_t count;

static void counted(int signal)
{
    (void)signal;
    count++;
}

int main(void)
{
    sigset_t open = block(SIGUSR1);
    handle(SIGUSR1, counted);
    pid_t child = make_child();
    if (child == 0) {
        while (count < 2)
            sigsuspend(&open);
        return 0;
    }
    kill(child, SIGUSR1);
    kill(child, SIGUSR1);
    wait(NULL);
    return 0;
}
