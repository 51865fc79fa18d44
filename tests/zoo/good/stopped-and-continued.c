/* zoo: 4.8 none
 * A child stops itself; its parent sees that, and lets it go on. */
#include "../zoo.h"

int main(void)
{
    pid_t child = make_child();
    if (child == 0) {
        raise(SIGSTOP);
        return 0;
    }
    int status;
    waitpid(child, &status, WUNTRACED);
    if (WIFSTOPPED(status)) {
        kill(child, SIGCONT);
        waitpid(child, &status, 0);
    }
    return status != 0;
}
