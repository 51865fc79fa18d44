/* Handlers count the signals, and ppoll without any descriptor is the wait: it opens the mask and has a limit in one
 * call. A table says which signal each role hears, so that server and client are two loops over the same three steps. */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/shm.h>
#include <time.h>
#include <unistd.h>

struct st_shmbuf {
    pid_t pid;
    char buf[124];
};

static volatile sig_atomic_t told, stopped;

static void on_peer(int signal)
{
    (void)signal;
    told = 1;
}

static void on_stop(int signal)
{
    stopped = signal;
}

static int complain(const char *call)
{
    perror(call);
    return EXIT_FAILURE;
}

/* Sleeps until the peer has signalled; `seconds` < 0: for ever. */
static int wait_for_peer(int seconds)
{
    const struct timespec limit = { .tv_sec = seconds };
    sigset_t none;
    sigemptyset(&none);
    while (!told && !stopped) {
        if (ppoll(NULL, 0, seconds < 0 ? NULL : &limit, &none) == 0 && !told) {
            fprintf(stderr, "nobody has answered for %d seconds\n", seconds);
            return EXIT_FAILURE;
        }
    }
    if (!told)
        return 128 + stopped;
    told = 0;
    return EXIT_SUCCESS;
}

static int tell(pid_t peer, int signal)
{
    if (peer <= 1 || peer == getpid()) {
        fprintf(stderr, "%d is nobody to signal\n", (int)peer);
        return EXIT_FAILURE;
    }
    return kill(peer, signal) == -1 ? complain("kill") : EXIT_SUCCESS;
}

static int serve(volatile struct st_shmbuf *shm, int count, char **messages)
{
    shm->pid = getpid();
    int code = wait_for_peer(-1);
    pid_t client = shm->pid;
    for (int i = 0; i <= count && code == EXIT_SUCCESS; i++) {
        const char *text = i < count ? messages[i] : "";
        memcpy((char *)shm->buf, text, strlen(text) + 1);
        code = tell(client, SIGUSR1);
        if (code == EXIT_SUCCESS)
            code = wait_for_peer(4);
    }
    return code;
}

static int follow(volatile struct st_shmbuf *shm)
{
    const struct timespec soon = { .tv_nsec = 20000000 };
    for (int i = 0; i < 100 && shm->pid == 0; i++)
        nanosleep(&soon, NULL);
    pid_t server = shm->pid;
    shm->pid = getpid();
    int code = tell(server, SIGUSR2), over = 0;
    while (code == EXIT_SUCCESS && !over) {
        code = wait_for_peer(4);
        if (code != EXIT_SUCCESS)
            break;
        char text[sizeof shm->buf + 1] = "";
        memcpy(text, (const char *)shm->buf, sizeof shm->buf);
        over = *text == '\0';
        if (!over && (printf("client: %s\n", text) < 0 || fflush(stdout) == EOF))
            return complain("standard output");
        code = tell(server, SIGUSR2);
    }
    return code;
}

static int find(key_t key)
{
    const struct timespec soon = { .tv_nsec = 20000000 };
    int id;
    for (int i = 0; (id = shmget(key, sizeof(struct st_shmbuf), 0)) == -1 && errno == ENOENT && i < 100; i++)
        nanosleep(&soon, NULL);
    return id;
}

int main(int argc, char **argv)
{
    int server = argc >= 4 && strcmp(argv[1], "server") == 0;
    if (!server && (argc != 3 || strcmp(argv[1], "client") != 0)) {
        fputs("usage: exercise server FILE MESSAGE...\n       exercise client FILE\n", stderr);
        return 2;
    }
    for (int i = 3; i < argc; i++) {
        size_t length = strlen(argv[i]);
        if (length == 0 || length >= sizeof(((struct st_shmbuf *)0)->buf)) {
            fprintf(stderr, "message %d must have between 1 and 123 bytes\n", i - 2);
            return 2;
        }
    }
    key_t key = ftok(argv[2], 'p');
    if (key == -1)
        return complain(argv[2]);
    static const int mine[] = { SIGUSR2, SIGUSR1 }, ends[] = { SIGINT, SIGTERM };
    sigset_t blocked;
    sigfillset(&blocked);
    sigprocmask(SIG_SETMASK, &blocked, NULL);
    struct sigaction peer = { .sa_handler = on_peer }, stop = { .sa_handler = on_stop };
    for (int i = 0; i < 2; i++)
        if (sigaction(mine[i], &peer, NULL) == -1 || sigaction(ends[i], &stop, NULL) == -1)
            return complain("sigaction");
    int id = server ? shmget(key, sizeof(struct st_shmbuf), IPC_CREAT | IPC_EXCL | 0600) : find(key);
    if (id == -1)
        return complain("shmget");
    int code;
    struct st_shmbuf *shm = shmat(id, NULL, 0);
    if (shm == (void *)-1) {
        code = complain("shmat");
    } else {
        code = server ? serve(shm, argc - 3, argv + 3) : follow(shm);
        if (shmdt(shm) == -1)
            code = complain("shmdt");
    }
    if (server && shmctl(id, IPC_RMID, NULL) == -1)
        code = complain("shmctl");
    return code;
}
