/* zoo: 4.8 deadlock
 * The reader waits for the end of the pipe, and has the writing end open itself. */
#include "../zoo.h"

int main(void)
{
    int ends[2];
    char byte;
    if (pipe(ends) == -1)
        die("pipe");
    if (make_child() == 0) {
        while (read(ends[0], &byte, 1) == 1)
            ;
        return 0;
    }
    if (write(ends[1], "x", 1) != 1)
        die("write");
    close(ends[1]);
    wait(NULL);
    return 0;
}
