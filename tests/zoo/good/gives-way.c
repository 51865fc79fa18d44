/* zoo: 4.10 none
 * Who sees the other's flag takes his own back and tries again: a loop that writes, and that comes back to where it was. */
#include "../zoo.h"

int main(void)
{
    int id;
    volatile int *flags = segment(&id);
    int me = make_child() == 0;
    for (;;) {
        flags[me] = 1;
        if (!flags[!me])
            break;
        flags[me] = 0;
    }
    flags[2] = flags[2] + 1;
    flags[me] = 0;
    if (me)
        _exit(0);
    wait(NULL);
    printf("%d\n", flags[2]);
    discard(id, (void *)flags);
    return 0;
}
