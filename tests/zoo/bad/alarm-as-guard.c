/* zoo: 4.8 deadlock
 * The hang is still there; the alarm only ends it by killing. */
#include "../zoo.h"

int main(void)
{
    handle(SIGUSR1, woken);
    pid_t child = make_child();
    if (child == 0) {
        alarm(5);
        pause();
        return 0;
    }
    kill(child, SIGUSR1);
    wait(NULL);
    return 0;
}
