/* zoo: 4.8 deadlock
 * The parent pauses until its child has ended; it may have ended before. */
#include "../zoo.h"

int main(void)
{
    handle(SIGCHLD, woken);
    if (make_child() == 0)
        return 0;
    if (!told)
        pause();
    wait(NULL);
    return 0;
}
