/* zoo: 4.10 deadlock
 * A thread pauses, and the signal goes to the process: the main thread takes it. */
#include "../zoo.h"

static void *reader(void *nothing)
{
    while (!told)
        pause();
    return nothing;
}

int main(void)
{
    handle(SIGUSR1, woken);
    pid_t child = make_child();
    if (child == 0) {
        pthread_t thread;
        pthread_create(&thread, NULL, reader, NULL);
        pthread_join(thread, NULL);
        return 0;
    }
    kill(child, SIGUSR1);
    wait(NULL);
    return 0;
}
