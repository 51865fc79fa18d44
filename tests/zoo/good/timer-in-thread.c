/* zoo: 4.8 none
 * A timer that runs a function in a thread of its own, which the C library makes. */
#include "../zoo.h"

static sem_t rung;

static void ring(union sigval value)
{
    assert(value.sival_int == 3);
    sem_post(&rung);
}

int main(void)
{
    sem_init(&rung, 0, 0);
    struct sigevent event = { .sigev_notify = SIGEV_THREAD, .sigev_notify_function = ring };
    event.sigev_value.sival_int = 3;
    timer_t timer;
    assert(timer_create(CLOCK_MONOTONIC, &event, &timer) == 0);
    struct itimerspec once = { .it_value = { .tv_sec = 1 } };
    assert(timer_settime(timer, 0, &once, NULL) == 0);
    return sem_wait(&rung) == -1;
}
