/* zoo: 4.8 none
 * A timer that sends a signal with a value, again and again; it is taken, so none is lost. */
#include "../zoo.h"

int main(void)
{
    block(SIGRTMIN);
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGRTMIN);
    struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN };
    event.sigev_value.sival_int = 7;
    timer_t timer;
    assert(timer_create(CLOCK_REALTIME, &event, &timer) == 0);
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    struct itimerspec every = { { 1, 0 }, { now.tv_sec + 5, 0 } }, left;
    assert(timer_settime(timer, TIMER_ABSTIME, &every, NULL) == 0);
    for (int i = 0; i < 3; i++) {
        siginfo_t info;
        assert(sigwaitinfo(&set, &info) == SIGRTMIN);
        assert(info.si_code == SI_TIMER && info.si_value.sival_int == 7);
    }
    assert(timer_gettime(timer, &left) == 0 && left.it_interval.tv_sec == 1);
    assert(timer_delete(timer) == 0);
    return 0;
}
