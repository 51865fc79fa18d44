/* zoo: 4.2 none
 * Sleeps in a call of which the explorer has no row. */
#include "../zoo.h"
#include <fcntl.h>

int main(void)
{
    int from[2], to[2];
    if (pipe(from) == -1 || pipe(to) == -1)
        die("pipe");
    if (make_child() == 0)
        return write(from[1], "hello", 5) != 5;
    int moved = splice(from[0], NULL, to[1], NULL, 5, 0);
    wait(NULL);
    return moved != 5;
}
