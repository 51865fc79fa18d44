/* zoo: 4.10 none tso
 * A ring: the data is stored before the index, and loaded after it. */
#include "../zoo.h"

struct ring {
    volatile unsigned head, tail;
    volatile int data[2];
};

int main(void)
{
    int id, sum = 0;
    struct ring *ring = segment(&id);
    if (make_child() == 0) {
        for (unsigned i = 0; i < 2; i++) {
            if (ring->head - ring->tail == 2)
                abort();
            ring->data[i % 2] = 10 + i;
            ring->head = i + 1;
        }
        _exit(0);
    }
    for (unsigned i = 0; i < 2; i++) {
        while (ring->head == i)
            ;
        sum = sum * 100 + ring->data[i % 2];
        ring->tail = i + 1;
    }
    printf("%d\n", sum);
    wait(NULL);
    discard(id, ring);
    return 0;
}
