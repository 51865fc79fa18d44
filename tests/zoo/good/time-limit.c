/* zoo: 4.9 none
 * A wait with a limit, which may be reached at any time; both ends of it are fine. */
#include "../zoo.h"

int main(void)
{
    struct timespec limit = { 2, 0 };
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    block(SIGUSR1);
    pid_t parent = getpid();
    if (make_child() == 0) {
        kill(parent, SIGUSR1);
        return 0;
    }
    if (sigtimedwait(&set, NULL, &limit) == -1)
        printf("no answer yet\n");
    wait(NULL);
    return 0;
}
