/* zoo: 4.8 none
 * SIGTERM for a child that would never end: that is what it is for. */
#include "../zoo.h"

int main(void)
{
    int status;
    pid_t child = make_child();
    if (child == 0)
        for (;;)
            pause();
    kill(child, SIGTERM);
    waitpid(child, &status, 0);
    assert(WIFSIGNALED(status));
    return 0;
}
