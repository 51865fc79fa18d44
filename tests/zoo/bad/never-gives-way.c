/* zoo: 4.10 endless
 * The child ends and leaves its flag up: the parent tries again and again. */
#include "../zoo.h"

int main(void)
{
    int id;
    volatile int *flags = segment(&id);
    if (make_child() == 0) {
        flags[1] = 1;
        _exit(0);
    }
    for (;;) {
        flags[0] = 1;
        if (!flags[1])
            break;
        flags[0] = 0;
    }
    wait(NULL);
    discard(id, (void *)flags);
    return 0;
}
