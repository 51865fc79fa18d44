/* zoo: 4.10 race
 * Each process sets a bit of its own, and both bits are in one byte. */
#include "../zoo.h"

int main(void)
{
    int id;
    volatile unsigned char *bits = segment(&id);
    pid_t child = make_child();
    *bits |= child == 0 ? 1 : 2;
    if (child == 0)
        _exit(0);
    wait(NULL);
    printf("%d\n", *bits);
    discard(id, (void *)bits);
    return 0;
}
