/* zoo: 4.10 endless
 * The parent clears the flag for which it is about to wait: it may have been set before. */
#include "../zoo.h"

int main(void)
{
    int id;
    volatile int *ready = segment(&id);
    if (make_child() == 0) {
        *ready = 1;
        _exit(0);
    }
    *ready = 0;
    while (!*ready)
        ;
    wait(NULL);
    discard(id, (void *)ready);
    return 0;
}
