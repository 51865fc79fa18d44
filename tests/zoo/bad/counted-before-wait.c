/* zoo: 4.8 race
 * The result is looked at before the child has ended. */
#include "../zoo.h"

int main(void)
{
    int id;
    volatile int *result = segment(&id);
    if (make_child() == 0) {
        *result = 42;
        _exit(0);
    }
    printf("%d\n", *result);
    wait(NULL);
    discard(id, (void *)result);
    return 0;
}
