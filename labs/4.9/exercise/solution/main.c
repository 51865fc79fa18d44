/* 4.9  Two unrelated processes: one solution. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/shm.h>
#include <time.h>
#include <unistd.h>

struct st_shmbuf {
    pid_t pid;
    char buf[124];
};

enum { PATIENCE = 2, TRIES = 200 };

/* Blocked everywhere, and taken by sigtimedwait: none is lost, and no handler is needed. */
static sigset_t set;

static int fail(const char *call)
{
    perror(call);
    return 1;
}

/* Waits until the peer signals; 0 when it has. `peer`: -1, or who it must be. */
static int wait_for(int signal, pid_t *peer)
{
    const struct timespec limit = { .tv_sec = PATIENCE };
    for (;;) {
        siginfo_t info;
        /* A client may come at any time; one that is there must answer. */
        int got = *peer == -1 ? sigwaitinfo(&set, &info) : sigtimedwait(&set, &info, &limit);
        if (got == -1 && errno == EINTR)
            continue;
        if (got == -1) {
            fprintf(stderr, "exercise: the other side does not answer\n");
            return 1;
        }
        if (got == SIGINT || got == SIGTERM)
            return 128 + got;
        /* The kernel says who has sent it: what stands in the segment is only a claim. */
        if (got == signal && info.si_code == SI_USER && (*peer == -1 || *peer == info.si_pid)) {
            *peer = info.si_pid;
            return 0;
        }
    }
}

static int serve(volatile struct st_shmbuf *shm, char **messages)
{
    pid_t client = -1;
    shm->pid = getpid();                                    /* 3 */
    int code = wait_for(SIGUSR2, &client);                  /* 4 */
    if (code != 0)
        return code;
    if (shm->pid != client) {                               /* 5 */
        fprintf(stderr, "exercise: the pid in the segment is not who has signalled\n");
        return 1;
    }
    for (;; messages++) {
        strcpy((char *)shm->buf, *messages ? *messages : "");   /* 6: main has checked the length */
        if (kill(client, SIGUSR1) == -1)                    /* 7 */
            return fail("kill");
        if ((code = wait_for(SIGUSR2, &client)) != 0)       /* 8 */
            return code;
        if (*messages == NULL)
            return 0;
    }
}

static int server(key_t key, char **messages)
{
    int id = shmget(key, sizeof(struct st_shmbuf), IPC_CREAT | IPC_EXCL | 0600);    /* 1 */
    if (id == -1)
        return fail("server: shmget");
    int code;
    struct st_shmbuf *shm = shmat(id, NULL, 0);             /* 2 */
    if (shm == (void *)-1) {
        code = fail("server: shmat");
    } else {
        code = serve(shm, messages);
        if (shmdt(shm) == -1)
            code = fail("server: shmdt");
    }
    if (shmctl(id, IPC_RMID, NULL) == -1)
        code = fail("server: shmctl");
    return code;
}

/* The server may not be there yet, or have come only so far. */
static int pause_a_little(void)
{
    const struct timespec little = { .tv_nsec = 10 * 1000 * 1000 };
    return nanosleep(&little, NULL);
}

static int listen_to(volatile struct st_shmbuf *shm)
{
    pid_t peer = 0;
    for (int i = 0; i < TRIES && (peer = shm->pid) == 0; i++)   /* 3 */
        pause_a_little();
    if (peer <= 1) {
        fprintf(stderr, "exercise: %d is no server's pid\n", (int)peer);
        return 1;
    }
    shm->pid = getpid();                                    /* 4 */
    if (kill(peer, SIGUSR2) == -1)                          /* 5 */
        return fail("kill");
    for (;;) {
        int code = wait_for(SIGUSR1, &peer);                /* 6 */
        if (code != 0)
            return code;
        char message[sizeof shm->buf];
        memcpy(message, (const char *)shm->buf, sizeof message);    /* 7: once, and then only the copy is used */
        message[sizeof message - 1] = 0;
        if (message[0] != 0) {
            printf("client: %s\n", message);
            fflush(stdout);
        }
        if (kill(peer, SIGUSR2) == -1)                      /* 8 */
            return fail("kill");
        if (message[0] == 0)
            return 0;
    }
}

static int client(key_t key)
{
    int id = -1;
    for (int i = 0; i < TRIES; i++) {
        id = shmget(key, sizeof(struct st_shmbuf), 0);      /* 1 */
        if (id != -1 || errno != ENOENT)
            break;
        pause_a_little();
    }
    if (id == -1)
        return fail("client: shmget");
    struct st_shmbuf *shm = shmat(id, NULL, 0);             /* 2 */
    if (shm == (void *)-1)
        return fail("client: shmat");
    int code = listen_to(shm);
    if (shmdt(shm) == -1)
        code = fail("client: shmdt");
    return code;
}

int main(int argc, char **argv)
{
    int serves = argc > 3 && strcmp(argv[1], "server") == 0;
    if (!serves && !(argc == 3 && strcmp(argv[1], "client") == 0)) {
        fprintf(stderr, "usage: exercise server FILE MESSAGE... | exercise client FILE\n");
        return 2;
    }
    for (int i = 3; i < argc; i++) {
        if (*argv[i] == 0 || strlen(argv[i]) >= sizeof((struct st_shmbuf *)0)->buf) {
            fprintf(stderr, "exercise: message %d is empty or too long\n", i - 2);
            return 2;
        }
    }
    key_t key = ftok(argv[2], 'A');
    if (key == -1)
        return fail(argv[2]);
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigaddset(&set, SIGUSR2);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigprocmask(SIG_BLOCK, &set, NULL);                     /* 9: before anybody knows our pid */
    return serves ? server(key, argv + 3) : client(key);
}
