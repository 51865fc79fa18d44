/* zoo: 4.8 outsider
 * getppid() when it is needed, instead of the parent's pid before fork: the parent may have ended,
 * and another process has adopted the child. */
#include "../zoo.h"

int main(void)
{
    handle(SIGUSR1, woken);
    if (make_child() == 0) {
        printf("done\n");
        kill(getppid(), SIGUSR1);
        return 0;
    }
    return 0;
}
