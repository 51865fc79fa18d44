/* zoo: 4.8 deadlock
 * The child asks for a signal when its parent ends. If the parent has ended by then, none comes. */
#include "../zoo.h"
#include <sys/prctl.h>

int main(void)
{
    if (make_child() == 0) {
        prctl(PR_SET_PDEATHSIG, SIGTERM);
        pause();
    }
    return 0;
}
