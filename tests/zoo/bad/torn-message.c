/* zoo: 4.10 crash
 * Half a message is read: the writer makes a call between its two halves. */
#include "../zoo.h"

int main(void)
{
    int id;
    volatile int *message = segment(&id);
    if (make_child() == 0) {
        message[0] = 1;
        write(STDOUT_FILENO, "half\n", 5);
        message[1] = 1;
        _exit(0);
    }
    write(STDOUT_FILENO, "look\n", 5);
    assert(message[0] == message[1]);
    wait(NULL);
    discard(id, (void *)message);
    return 0;
}
