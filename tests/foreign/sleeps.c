/* Waits that time ends. */
#include "common.h"

int main(void)
{
    struct timespec little = {0, 5000000};
    struct pollfd none = {.fd = -1};
    sigset_t usr1;
    sigemptyset(&usr1);
    sigaddset(&usr1, SIGUSR1);
    poll(&none, 1, 5);
    ppoll(&none, 1, &little, &usr1);
    nanosleep(&little, NULL);
    clock_nanosleep(CLOCK_MONOTONIC, 0, &little, &little);
    usleep(10);
    sem_t never;
    sem_init(&never, 1, 0);
    struct timespec past = {1, 0};
    sem_timedwait(&never, &past);                       /* ETIMEDOUT */
    fputs("to stderr, ", stderr);
    fputs("in two parts\n", stderr);
    return 0;
}
