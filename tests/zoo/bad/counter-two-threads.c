/* zoo: 4.10 race
 * Two threads of one process count in one word of a segment. */
#include "../zoo.h"

static volatile int *counter;

static void *count(void *nothing)
{
    *counter = *counter + 1;
    return nothing;
}

int main(void)
{
    int id;
    counter = segment(&id);
    pthread_t threads[2];
    for (int i = 0; i < 2; i++)
        pthread_create(&threads[i], NULL, count, NULL);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    printf("%d\n", *counter);
    discard(id, (void *)counter);
    return 0;
}
