/* zoo: 4.10 none
 * Blocked in all threads, and one waits for the signal. */
#include "../zoo.h"

static void *reader(void *set)
{
    int signal;
    sigwait(set, &signal);
    return NULL;
}

int main(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    block(SIGUSR1);
    pid_t child = make_child();
    if (child == 0) {
        pthread_t thread;
        pthread_create(&thread, NULL, reader, &set);
        pthread_join(thread, NULL);
        return 0;
    }
    kill(child, SIGUSR1);
    wait(NULL);
    return 0;
}
