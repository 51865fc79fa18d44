/* zoo: 4.2 none
 * The kernel reads a message out of the segment, and writes another one there. */
#include "../zoo.h"
#include <sys/uio.h>

int main(void)
{
    int id, ends[2];
    char *memory = segment(&id);
    if (pipe(ends) == -1)
        die("pipe");
    strcpy(memory, "hello");
    if (make_child() == 0) {
        struct iovec parts[2] = { { memory, 2 }, { memory + 2, 4 } };
        if (writev(ends[1], parts, 2) != 6)
            die("writev");
        _exit(0);
    }
    wait(NULL);
    if (read(ends[0], memory + 100, 6) != 6)
        die("read");
    printf("%s\n", memory + 100);
    discard(id, memory);
    return 0;
}
