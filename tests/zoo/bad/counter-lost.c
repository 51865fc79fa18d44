/* zoo: 4.10 race
 * Two processes count in one word: a load, an addition, a store. */
#include "../zoo.h"

int main(void)
{
    int id;
    volatile int *counter = segment(&id);
    pid_t child = make_child();
    *counter = *counter + 1;
    if (child == 0)
        _exit(0);
    wait(NULL);
    printf("%d\n", *counter);
    discard(id, (void *)counter);
    return 0;
}
