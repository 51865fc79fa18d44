/* zoo: 4.8 none
 * Waits for a timer that is read: once, then for three times in a row, in a child and by epoll. */
#include "../zoo.h"
#include <sys/epoll.h>
#include <sys/timerfd.h>

static unsigned long times(int timer)
{
    unsigned long count = 0;
    if (read(timer, &count, sizeof count) != sizeof count)
        die("read");
    return count;
}

int main(void)
{
    int timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
    struct itimerspec once = { .it_value = { .tv_nsec = 20000000 } }, left;
    assert(timerfd_settime(timer, 0, &once, NULL) == 0);
    assert(times(timer) == 1);
    assert(timerfd_gettime(timer, &left) == 0 && left.it_value.tv_nsec == 0);
    struct itimerspec again = { { 1, 0 }, { 2, 0 } };
    assert(timerfd_settime(timer, 0, &again, NULL) == 0);
    assert(timerfd_gettime(timer, &left) == 0 && left.it_interval.tv_sec == 1);
    int set = epoll_create1(0);
    struct epoll_event event = { .events = EPOLLIN };
    assert(epoll_ctl(set, EPOLL_CTL_ADD, timer, &event) == 0);
    assert(epoll_wait(set, &event, 1, -1) == 1);
    /* It goes off three times more while nobody reads it. */
    struct timespec nap = { 3, 500000000 };
    nanosleep(&nap, NULL);
    assert(times(timer) == 4);
    pid_t child = make_child();
    if (child == 0)
        return times(timer) == 0;
    int status;
    assert(waitpid(child, &status, 0) == child);
    return status != 0;
}
