/* zoo: 4.10 race
 * The index says that there is a message, and then the message is stored. */
#include "../zoo.h"

struct ring {
    volatile unsigned head;
    volatile int data[4];
};

int main(void)
{
    int id, sum = 0;
    struct ring *ring = segment(&id);
    if (make_child() == 0) {
        for (unsigned i = 0; i < 2; i++) {
            __atomic_store_n(&ring->head, i + 1, __ATOMIC_RELEASE);
            ring->data[i] = 10 + i;
        }
        _exit(0);
    }
    for (unsigned i = 0; i < 2; i++) {
        while (__atomic_load_n(&ring->head, __ATOMIC_ACQUIRE) == i)
            ;
        sum = sum * 100 + ring->data[i];
    }
    printf("%d\n", sum);
    wait(NULL);
    discard(id, ring);
    return 0;
}
