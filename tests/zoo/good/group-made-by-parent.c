/* zoo: 4.8 none
 * The parent gives its child a process group, which the child then signals as a whole. */
#include "../zoo.h"

int main(void)
{
    int gate[2];
    char byte;
    if (pipe(gate) == -1)
        die("pipe");
    pid_t child = make_child();
    if (child == 0) {
        if (read(gate[0], &byte, 1) == 1)
            kill(0, SIGTERM);
        pause();
    }
    setpgid(child, child);
    if (write(gate[1], "g", 1) != 1)
        die("write");
    waitpid(child, NULL, 0);
    return 0;
}
