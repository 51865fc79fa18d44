/* zoo: 4.10 none
 * The same, in one instruction that locks. */
#include "../zoo.h"

int main(void)
{
    int id;
    volatile int *counter = segment(&id);
    pid_t child = make_child();
    __atomic_add_fetch(counter, 1, __ATOMIC_SEQ_CST);
    if (child == 0)
        _exit(0);
    wait(NULL);
    printf("%d\n", *counter);
    discard(id, (void *)counter);
    return 0;
}
