/* zoo: 4.8 none
 * Every end is closed by who does not need it, so the reader meets the end of the pipe. */
#include "../zoo.h"

int main(void)
{
    int ends[2];
    char byte;
    if (pipe(ends) == -1)
        die("pipe");
    if (make_child() == 0) {
        close(ends[1]);
        while (read(ends[0], &byte, 1) == 1)
            ;
        return 0;
    }
    close(ends[0]);
    if (write(ends[1], "x", 1) != 1)
        die("write");
    close(ends[1]);
    wait(NULL);
    return 0;
}
