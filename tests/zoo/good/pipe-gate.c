/* zoo: 4.8 none
 * A byte in a pipe waits for its reader; a signal is not needed. */
#include "../zoo.h"

int main(void)
{
    int id, there[2], back[2];
    char *memory = segment(&id), byte = '!';
    if (pipe(there) == -1 || pipe(back) == -1)
        die("pipe");
    if (make_child() == 0) {
        if (read(there[0], &byte, 1) != 1)
            return 1;
        assert(!strcmp(memory, "hello"));
        return write(back[1], &byte, 1) != 1;
    }
    strcpy(memory, "hello");
    if (write(there[1], &byte, 1) != 1 || read(back[0], &byte, 1) != 1)
        return 1;
    wait(NULL);
    discard(id, memory);
    return 0;
}
