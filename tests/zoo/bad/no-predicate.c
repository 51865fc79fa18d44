/* zoo: 4.10 deadlock
 * A condition variable without a condition: notified before the wait, it is forgotten. */
#include "../zoo.h"

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t arrived = PTHREAD_COND_INITIALIZER;

static void *reader(void *nothing)
{
    pthread_mutex_lock(&mutex);
    pthread_cond_wait(&arrived, &mutex);
    pthread_mutex_unlock(&mutex);
    return nothing;
}

int main(void)
{
    pthread_t thread;
    pthread_create(&thread, NULL, reader, NULL);
    printf("message\n");
    fflush(stdout);
    pthread_mutex_lock(&mutex);
    pthread_cond_signal(&arrived);
    pthread_mutex_unlock(&mutex);
    pthread_join(thread, NULL);
    return 0;
}
