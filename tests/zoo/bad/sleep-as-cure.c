/* zoo: 4.8 deadlock
 * "After a second the child is certainly in pause." On a busy machine it is not. */
#include "../zoo.h"

int main(void)
{
    handle(SIGUSR1, woken);
    pid_t child = make_child();
    if (child == 0) {
        pause();
        return 0;
    }
    sleep(1);
    kill(child, SIGUSR1);
    wait(NULL);
    return 0;
}
