/* No wait has a limit: signals come through a signalfd, the end of the other process through a pidfd, and poll waits for
 * both. The signals are sent through the pidfd, too, so they cannot reach a later process with the same number. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
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

static int ears;                            /* the signalfd */

static int complain(const char *call)
{
    perror(call);
    return -1;
}

/* Waits for a signal, or until the peer has ended. `peer`: its pidfd, or -1, which poll leaves out. */
static int hear(int peer)
{
    struct pollfd both[] = { { .fd = ears, .events = POLLIN }, { .fd = peer, .events = POLLIN } };
    struct signalfd_siginfo info;
    while (poll(both, 2, -1) == -1)
        if (errno != EINTR)
            return complain("poll");
    /* What it has sent before its end counts. */
    if (!(both[0].revents & POLLIN)) {
        fprintf(stderr, "the other process has ended\n");
        return -1;
    }
    if (read(ears, &info, sizeof info) != sizeof info)
        return complain("read");
    if (info.ssi_signo == SIGINT || info.ssi_signo == SIGTERM) {
        fprintf(stderr, "stopped by a signal\n");
        return -1;
    }
    return 0;
}

static int peer_of(pid_t pid)
{
    if (pid <= 1) {
        fprintf(stderr, "%d is no pid of a peer\n", (int)pid);
        return -1;
    }
    int peer = (int)syscall(SYS_pidfd_open, pid, 0);
    return peer == -1 ? complain("pidfd_open") : peer;
}

static int tell(int peer, int signal)
{
    return syscall(SYS_pidfd_send_signal, peer, signal, NULL, 0) == -1 ? complain("pidfd_send_signal") : 0;
}

static int serve(volatile struct st_shmbuf *shm, char **message)
{
    shm->pid = getpid();
    if (hear(-1) == -1)
        return -1;
    int client = peer_of(shm->pid);
    if (client == -1)
        return -1;
    for (;; message++) {
        strcpy((char *)shm->buf, *message ? *message : "");
        if (tell(client, SIGUSR1) == -1 || hear(client) == -1)
            return -1;
        if (*message == NULL)
            return 0;
    }
}

static void doze(void)
{
    nanosleep(&(struct timespec){ .tv_nsec = 15 * 1000 * 1000 }, NULL);
}

static int follow(volatile struct st_shmbuf *shm)
{
    pid_t pid;
    for (int left = 150; (pid = shm->pid) == 0 && left > 0; left--)
        doze();
    int server = peer_of(pid);
    if (server == -1)
        return -1;
    shm->pid = getpid();
    if (tell(server, SIGUSR2) == -1)
        return -1;
    for (;;) {
        char line[sizeof shm->buf];
        if (hear(server) == -1)
            return -1;
        for (size_t i = 0; i < sizeof line; i++)
            line[i] = shm->buf[i];
        line[sizeof line - 1] = '\0';
        if (*line && dprintf(STDOUT_FILENO, "client: %s\n", line) < 0)
            return complain("write");
        if (tell(server, SIGUSR2) == -1)
            return -1;
        if (!*line)
            return 0;
    }
}

static int server(key_t key, char **messages)
{
    int id = shmget(key, sizeof(struct st_shmbuf), IPC_CREAT | IPC_EXCL | 0600);
    if (id == -1)
        return complain("shmget");
    void *at = shmat(id, NULL, 0);
    int done = at == (void *)-1 ? complain("shmat") : serve(at, messages);
    if (shmctl(id, IPC_RMID, NULL) == -1)
        done = complain("shmctl");
    if (at != (void *)-1 && shmdt(at) == -1)
        done = complain("shmdt");
    return done;
}

static int client(key_t key)
{
    int id;
    for (int left = 150; (id = shmget(key, 0, 0)) == -1 && errno == ENOENT && left > 0; left--)
        doze();
    if (id == -1)
        return complain("shmget");
    void *at = shmat(id, NULL, 0);
    if (at == (void *)-1)
        return complain("shmat");
    int done = follow(at);
    return shmdt(at) == -1 ? complain("shmdt") : done;
}

int main(int argc, char **argv)
{
    int is_server = argc > 3 && !strcmp(argv[1], "server"), is_client = argc == 3 && !strcmp(argv[1], "client");
    for (int i = 3; is_server && i < argc; i++)
        if (!*argv[i] || strlen(argv[i]) > 123)
            is_server = 0;
    if (!is_server && !is_client) {
        fprintf(stderr, "usage: server FILE MESSAGE... (1 to 123 bytes each), or client FILE\n");
        return 2;
    }
    key_t key = ftok(argv[2], 'f');
    if (key == -1)
        return -complain(argv[2]);
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, is_server ? SIGUSR2 : SIGUSR1);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    if (sigprocmask(SIG_BLOCK, &set, NULL) == -1)
        return -complain("sigprocmask");
    ears = signalfd(-1, &set, SFD_CLOEXEC);
    if (ears == -1)
        return -complain("signalfd");
    return (is_server ? server(key, argv + 3) : client(key)) != 0;
}
