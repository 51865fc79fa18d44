/* Signals: what their targets were doing, and how they lost their handlers. */
#include "../common.h"
#include <sys/epoll.h>

static char **arguments;
static int ready[2];
static volatile sig_atomic_t seen;

static void forgets(int signal_)
{
    seen = 1;
    signal(signal_, SIG_DFL);
}

static void sees(int signal_)
{
    (void)signal_;
    seen = 1;
}

static void set(int number, void (*handler)(int), int flags)
{
    struct sigaction action = {.sa_handler = handler, .sa_flags = flags};
    sigaction(number, &action, NULL);
}

/* The child says that it is there, and what it waits in. */
static void child(void)
{
    struct epoll_event event;
    sigset_t usr1;
    sigemptyset(&usr1);
    sigaddset(&usr1, SIGUSR1);
    if (is(arguments, "blocks") || is(arguments, "takes"))
        sigprocmask(SIG_BLOCK, &usr1, NULL);
    else if (is(arguments, "resets"))
        set(SIGUSR1, forgets, 0);
    else if (is(arguments, "once"))
        set(SIGUSR1, sees, SA_RESETHAND);
    else if (is(arguments, "ignores"))
        set(SIGUSR1, SIG_IGN, 0);
    else if (!is(arguments, "dies") && !is(arguments, "group") && !is(arguments, "stops"))
        set(SIGUSR1, sees, 0);
    if (is(arguments, "group"))
        setpgid(0, 0);
    if (is(arguments, "exec"))
        execlp("sleep", "sleep", "100", NULL);
    if (write(ready[1], "x", 1) != 1)
        _exit(1);
    if (is(arguments, "epoll"))
        epoll_wait(epoll_create1(0), &event, 1, -1);
    else if (is(arguments, "takes"))
        sigwaitinfo(&usr1, NULL);
    else if (is(arguments, "runs"))
        while (!seen)
            ;
    else if (is(arguments, "ends"))
        _exit(0);
    else
        for (;;)
            pause();
    _exit(0);
}

int main(int argc, char **argv)
{
    char byte;
    (void)argc;
    arguments = argv;
    if (is(argv, "itself")) {
        set(SIGUSR1, sees, 0);
        raise(SIGUSR1);
        kill(getpid(), SIGUSR1);
        return 0;
    }
    if (is(argv, "nobody")) {
        pid_t gone = fork();
        if (gone == 0)
            _exit(0);
        waitpid(gone, NULL, 0);
        kill(gone, SIGUSR1);
        kill(0x7ffffff0, SIGUSR1);
        kill(-0x7ffffff0, SIGUSR1);
        kill(getpid(), 77);
        waitpid(gone, NULL, 0);
        waitpid(-1, NULL, 0);
        signal(SIGCHLD, SIG_IGN);
        if (fork() == 0)
            _exit(0);
        waitpid(-1, NULL, 0);
        kill(-1, 0);
        kill(0, 0);
        return 0;
    }
    if (is(argv, "restart") || is(argv, "no restart")) {
        pid_t parent = getpid(), one = fork();
        if (one == 0) {
            until_in(parent, SYS_wait4);
            kill(parent, SIGUSR1);
            for (;;)
                pause();
        }
        set(SIGUSR1, nothing, is(argv, "restart") ? SA_RESTART : 0);
        pid_t two = fork();
        if (two == 0) {
            until_in(one, SYS_pause);
            until_in(parent, SYS_wait4);
            kill(one, SIGKILL);
            _exit(0);
        }
        waitpid(one, NULL, 0);
        waitpid(one, NULL, 0);
        waitpid(two, NULL, 0);
        return 0;
    }
    if (pipe(ready))
        return 1;
    pid_t target = fork();
    if (target == 0)
        child();
    if (is(argv, "exec"))
        until_in(target, SYS_clock_nanosleep);
    else if (read(ready[0], &byte, 1) != 1)
        return 1;
    if (is(argv, "epoll"))
        until_in(target, SYS_epoll_wait);
    else if (is(argv, "takes"))
        until_in(target, SYS_rt_sigtimedwait);
    else if (is(argv, "ends"))
        waitid(P_PID, target, NULL, WEXITED | WNOWAIT);
    else if (!is(argv, "runs") && !is(argv, "exec"))
        until_in(target, SYS_pause);
    kill(is(argv, "group") ? -target : target, is(argv, "stops") ? SIGSTOP : SIGUSR1);
    if (is(argv, "resets") || is(argv, "once")) {
        until_in(target, SYS_pause);
        kill(target, SIGUSR1);
        waitpid(target, NULL, 0);
    } else if (is(argv, "blocks") || is(argv, "ignores") || is(argv, "stops") || is(argv, "waits")) {
        /* It sleeps again: what the signal did to its pause is over. */
        if (!is(argv, "stops"))
            until_in(target, SYS_pause);
        kill(target, SIGKILL);
    }
    waitpid(target, NULL, 0);
    return 0;
}
