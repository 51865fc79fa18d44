/* zoo: 4.8 deadlock
 * The timer's signal comes once, perhaps before the process sleeps. */
#include "../zoo.h"

int main(void)
{
    handle(SIGUSR1, woken);
    struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1 };
    timer_t timer;
    if (timer_create(CLOCK_MONOTONIC, &event, &timer) == -1)
        die("timer_create");
    struct itimerspec once = { .it_value = { .tv_nsec = 1000000 } };
    if (timer_settime(timer, 0, &once, NULL) == -1)
        die("timer_settime");
    if (!told)
        pause();
    return 0;
}
