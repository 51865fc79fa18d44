/* zoo: 4.10 none
 * The main thread ends before the other one: the process lives until that ends, too. */
#include "../zoo.h"

static void *last(void *arg)
{
    (void)arg;
    getppid();
    return NULL;
}

int main(void)
{
    if (make_child() == 0) {
        pthread_t thread;
        pthread_create(&thread, NULL, last, NULL);
        pthread_exit(NULL);
    }
    wait(NULL);
    return 0;
}
