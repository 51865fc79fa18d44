/* zoo: 4.10 none
 * A condition variable with its condition. */
#include "../zoo.h"

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t arrived = PTHREAD_COND_INITIALIZER;
static int messages;

static void *reader(void *nothing)
{
    pthread_mutex_lock(&mutex);
    while (messages == 0)
        pthread_cond_wait(&arrived, &mutex);
    pthread_mutex_unlock(&mutex);
    return nothing;
}

int main(void)
{
    pthread_t thread;
    pthread_create(&thread, NULL, reader, NULL);
    pthread_mutex_lock(&mutex);
    messages = 1;
    pthread_cond_signal(&arrived);
    pthread_mutex_unlock(&mutex);
    pthread_join(thread, NULL);
    return 0;
}
