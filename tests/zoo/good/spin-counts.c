/* zoo: 4.10 none
 * It counts how often it has looked: it never comes back to the same state, and still it only waits. */
#include "../zoo.h"

int main(void)
{
    int id;
    volatile int *flag = segment(&id);
    if (make_child() == 0) {
        unsigned long looks = 0;
        while (!*flag)
            looks++;
        _exit(looks == (unsigned long)-1);
    }
    *flag = 1;
    wait(NULL);
    discard(id, (void *)flag);
    return 0;
}
