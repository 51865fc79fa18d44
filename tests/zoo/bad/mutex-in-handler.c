/* zoo: 4.10 deadlock
 * A handler that takes a mutex, in the thread that holds it. */
#include "../zoo.h"

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

static void notified(int signal)
{
    (void)signal;
    pthread_mutex_lock(&mutex);
    told = 1;
    pthread_mutex_unlock(&mutex);
}

int main(void)
{
    handle(SIGUSR1, notified);
    pid_t child = make_child();
    if (child == 0) {
        pthread_mutex_lock(&mutex);
        printf("working\n");
        fflush(stdout);
        pthread_mutex_unlock(&mutex);
        return 0;
    }
    kill(child, SIGUSR1);
    wait(NULL);
    return 0;
}
