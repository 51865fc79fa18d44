/* One loop for both roles: epoll waits for the signalfd and, as soon as the peer is known, for its pidfd. A state machine
 * says what a signal means, so no function waits but the loop; its limit is the one of the state. */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ipc.h>
#include <sys/shm.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

struct st_shmbuf {
    pid_t pid;
    char buf[124];
};

struct peer {
    volatile struct st_shmbuf *shm;
    bool serves;
    char **messages;                        /* of the server: those that are not yet written */
    pid_t other;                            /* 0: not yet known */
    int epoll, signals;
};

enum next { GO_ON, DONE, BAD };

static enum next bad(const char *call)
{
    perror(call);
    return BAD;
}

static bool watch(struct peer *me, int fd)
{
    struct epoll_event event = { .events = EPOLLIN, .data.fd = fd };
    return fd != -1 && epoll_ctl(me->epoll, EPOLL_CTL_ADD, fd, &event) == 0;
}

/* The pid stood in the segment: it is a claim, until a process has it. */
static enum next meet(struct peer *me, pid_t pid)
{
    if (pid <= 1 || pid == getpid()) {
        fprintf(stderr, "no pid of a peer: %d\n", (int)pid);
        return BAD;
    }
    me->other = pid;
    return watch(me, (int)syscall(SYS_pidfd_open, pid, 0)) ? GO_ON : bad("pidfd_open");
}

static enum next tell(const struct peer *me)
{
    return kill(me->other, me->serves ? SIGUSR1 : SIGUSR2) == -1 ? bad("kill") : GO_ON;
}

static enum next server_is_told(struct peer *me)
{
    if (me->other == 0) {
        if (meet(me, me->shm->pid) == BAD)
            return BAD;
    } else if (*me->messages++ == NULL) {
        return DONE;
    }
    const char *text = *me->messages != NULL ? *me->messages : "";
    memcpy((char *)me->shm->buf, text, strlen(text) + 1);
    return tell(me);
}

static enum next client_is_told(struct peer *me)
{
    char text[sizeof me->shm->buf];
    memcpy(text, (const char *)me->shm->buf, sizeof text);
    text[sizeof text - 1] = '\0';
    if (*text != '\0') {
        if (printf("client: %s\n", text) < 0 || fflush(stdout) == EOF)
            return bad("standard output");
        return tell(me);
    }
    return tell(me) == GO_ON ? DONE : BAD;
}

static enum next loop(struct peer *me)
{
    enum next next = GO_ON;
    while (next == GO_ON) {
        struct epoll_event event[2];
        struct signalfd_siginfo info;
        int ready = epoll_wait(me->epoll, event, 2, me->other == 0 ? -1 : 5000);
        if (ready == -1)
            return bad("epoll_wait");
        bool signal = false;
        for (int i = 0; i < ready; i++)
            signal |= event[i].data.fd == me->signals;
        if (!signal) {
            fprintf(stderr, ready == 0 ? "the peer does not answer\n" : "the peer has ended\n");
            return BAD;
        }
        if (read(me->signals, &info, sizeof info) != sizeof info)
            return bad("read");
        if (info.ssi_signo == SIGINT || info.ssi_signo == SIGTERM)
            return BAD;
        next = me->serves ? server_is_told(me) : client_is_told(me);
    }
    return next;
}

static void soon(void)
{
    const struct timespec time = { .tv_nsec = 25 * 1000 * 1000 };
    nanosleep(&time, NULL);
}

static enum next start(struct peer *me)
{
    if (me->serves) {
        me->shm->pid = getpid();
        return loop(me);
    }
    for (int i = 0; i < 80 && me->shm->pid == 0; i++)
        soon();
    if (meet(me, me->shm->pid) == BAD)
        return BAD;
    me->shm->pid = getpid();
    return tell(me) == GO_ON ? loop(me) : BAD;
}

static enum next with_segment(struct peer *me, key_t key)
{
    int id = shmget(key, sizeof *me->shm, me->serves ? IPC_CREAT | IPC_EXCL | 0600 : 0);
    for (int i = 0; id == -1 && !me->serves && errno == ENOENT && i < 80; i++) {
        soon();
        id = shmget(key, sizeof *me->shm, 0);
    }
    if (id == -1)
        return bad("shmget");
    void *at = shmat(id, NULL, 0);
    enum next end = BAD;
    if (at == (void *)-1) {
        bad("shmat");
    } else {
        me->shm = at;
        end = start(me);
        if (shmdt(at) == -1)
            end = bad("shmdt");
    }
    if (me->serves && shmctl(id, IPC_RMID, NULL) == -1)
        end = bad("shmctl");
    return end;
}

int main(int argc, char **argv)
{
    struct peer me = { .serves = argc > 3 && strcmp(argv[1], "server") == 0 };
    bool good = me.serves || (argc == 3 && strcmp(argv[1], "client") == 0);
    for (int i = 3; good && i < argc; i++)
        good = *argv[i] != '\0' && strlen(argv[i]) < sizeof me.shm->buf;
    if (!good) {
        fputs("usage: exercise server FILE MESSAGE...    (a message has 1 to 123 bytes)\n"
              "       exercise client FILE\n", stderr);
        return 2;
    }
    key_t key = ftok(argv[2], 'e');
    if (key == -1) {
        bad(argv[2]);
        return EXIT_FAILURE;
    }
    me.messages = argv + 3;
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, me.serves ? SIGUSR2 : SIGUSR1);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigprocmask(SIG_BLOCK, &set, NULL);
    me.epoll = epoll_create1(0);
    me.signals = signalfd(-1, &set, 0);
    if (me.epoll == -1 || !watch(&me, me.signals)) {
        bad("epoll, signalfd");
        return EXIT_FAILURE;
    }
    return with_segment(&me, key) == DONE ? EXIT_SUCCESS : EXIT_FAILURE;
}
