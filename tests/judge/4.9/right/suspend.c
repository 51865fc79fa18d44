/* Handlers and sigsuspend; an alarm limits each wait but the server's first; the segment is removed as soon as the
 * client is there. */
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

static volatile sig_atomic_t told, stop;
static sigset_t open_mask;
static int id = -1;

static void hear(int signal)
{
    if (signal == SIGUSR1 || signal == SIGUSR2)
        told = 1;
    else
        stop = signal;
}

static int say(const char *what)
{
    fprintf(stderr, "%s: %s\n", what, strerror(errno));
    return 1;
}

static int until_told(unsigned seconds)
{
    alarm(seconds);
    while (!told && !stop)
        sigsuspend(&open_mask);
    alarm(0);
    if (told) {
        told = 0;
        return 0;
    }
    fprintf(stderr, stop == SIGALRM ? "nobody answers\n" : "stopped\n");
    return 1;
}

static int removed(void)
{
    int was = id;
    id = -1;
    return was != -1 && shmctl(was, IPC_RMID, NULL) == -1 ? say("shmctl") : 0;
}

static int serve(volatile struct st_shmbuf *shm, char **text)
{
    pid_t me = getpid();
    shm->pid = me;
    if (until_told(0) != 0)
        return 1;
    pid_t client = shm->pid;
    if (client <= 1 || client == me) {
        fprintf(stderr, "no client's pid: %d\n", (int)client);
        return 1;
    }
    if (removed() != 0)
        return 1;
    do {
        strcpy((char *)shm->buf, *text ? *text : "");
        if (kill(client, SIGUSR1) == -1)
            return say("kill");
        if (until_told(3) != 0)
            return 1;
    } while (*text++ != NULL);
    return 0;
}

static int follow(volatile struct st_shmbuf *shm)
{
    struct timespec little = { 0, 5000000 };
    int tries = 300;
    while (shm->pid == 0 && tries-- > 0)
        nanosleep(&little, NULL);
    pid_t server = shm->pid;
    if (server <= 1) {
        fprintf(stderr, "no server's pid: %d\n", (int)server);
        return 1;
    }
    shm->pid = getpid();
    for (;;) {
        if (kill(server, SIGUSR2) == -1)
            return say("kill");
        if (until_told(3) != 0)
            return 1;
        if (shm->buf[0] == 0)
            return kill(server, SIGUSR2) == -1 ? say("kill") : 0;
        char line[200];
        int n = snprintf(line, sizeof line, "client: %s\n", (char *)shm->buf);
        if (write(1, line, (size_t)n) != n)
            return say("write");
    }
}

int main(int argc, char **argv)
{
    int serves = argc >= 4 && !strcmp(argv[1], "server"), follows = argc == 3 && !strcmp(argv[1], "client");
    if (!serves && !follows) {
        fputs("server FILE MESSAGE... or client FILE\n", stderr);
        return 64;
    }
    for (char **text = argv + 3; serves && *text; text++)
        if (strlen(*text) > 123 || **text == 0) {
            fputs("a message must have 1 to 123 bytes\n", stderr);
            return 64;
        }
    key_t key = ftok(argv[2], 4);
    if (key == -1)
        return say(argv[2]);
    struct sigaction action = { .sa_handler = hear };
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, NULL);
    sigemptyset(&open_mask);
    int signals[] = { SIGUSR1, SIGUSR2, SIGINT, SIGTERM, SIGALRM };
    for (int i = 0; i < 5; i++)
        if (sigaction(signals[i], &action, NULL) == -1)
            return say("sigaction");
    struct timespec little = { 0, 5000000 };
    int tries = 300, found;
    do
        found = shmget(key, sizeof(struct st_shmbuf), serves ? IPC_CREAT | IPC_EXCL | 0600 : 0);
    while (found == -1 && follows && errno == ENOENT && tries-- > 0 && nanosleep(&little, NULL) == 0);
    if (found == -1)
        return say("shmget");
    if (serves)
        id = found;
    int code = 1;
    struct st_shmbuf *shm = shmat(found, NULL, 0);
    if (shm == (void *)-1) {
        say("shmat");
    } else {
        code = serves ? serve(shm, argv + 3) : follow(shm);
        if (shmdt(shm) == -1)
            code = say("shmdt");
    }
    return removed() != 0 ? 1 : code;
}
