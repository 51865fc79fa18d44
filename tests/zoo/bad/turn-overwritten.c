/* zoo: 4.8 endless
 * Turns by a number in memory; the child sets it to its first value, which may be too late. */
#include "../zoo.h"

int main(void)
{
    int id;
    volatile int *turn = segment(&id);
    if (make_child() == 0) {
        *turn = 1;
        printf("ready\n");
        fflush(stdout);
        while (*turn != 2)
            ;
        return 0;
    }
    *turn = 2;
    wait(NULL);
    discard(id, (void *)turn);
    return 0;
}
