/* zoo: 4.8 deadlock
 * The timer goes off once, and two processes wait for it. */
#include "../zoo.h"
#include <sys/timerfd.h>

int main(void)
{
    int timer = timerfd_create(CLOCK_MONOTONIC, 0);
    struct itimerspec once = { .it_value = { .tv_sec = 1 } };
    if (timerfd_settime(timer, 0, &once, NULL) == -1)
        die("timerfd_settime");
    pid_t child = make_child();
    unsigned long count;
    if (read(timer, &count, sizeof count) != sizeof count)
        die("read");
    if (child == 0)
        return 0;
    wait(NULL);
    return 0;
}
