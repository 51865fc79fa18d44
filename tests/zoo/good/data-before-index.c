/* zoo: 4.10 none
 * The message is stored, and then the index says so. */
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
            ring->data[i] = 10 + i;
            __atomic_store_n(&ring->head, i + 1, __ATOMIC_RELEASE);
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
