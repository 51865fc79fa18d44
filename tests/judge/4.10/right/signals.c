/* A signal of real time is the wake-up: such signals queue, and the thread that waits for this one takes it with
 * sigwaitinfo. One number says that a message has come, the next one that a slot is free; all stay blocked. */
#include <err.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/prctl.h>
#include <sys/shm.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SLOTS = 3, LINE = 100 };

struct lane {
    atomic_int over;
    char line[SLOTS][LINE];
};

static struct {
    const char *name;
    struct lane *out, *in;
    char **messages;
    int count;
    pid_t peer;
} our;

static int news(void)
{
    return SIGRTMIN;
}

static int room(void)
{
    return SIGRTMIN + 1;
}

static int tell(pid_t whom, int signal)
{
    if (kill(whom, signal) == 0)
        return 0;
    warn("%s: kill", our.name);
    return 1;
}

/* Both lanes are over, and each of the four threads hears of it. */
static void end_all(void)
{
    atomic_store(&our.out->over, 1);
    atomic_store(&our.in->over, 1);
    const pid_t both[] = { getpid(), our.peer };
    for (int i = 0; i < 2; i++) {
        kill(both[i], news());
        kill(both[i], room());
    }
}

static int wait_for(int signal, const struct lane *lane)
{
    sigset_t one;
    sigemptyset(&one);
    sigaddset(&one, signal);
    while (sigwaitinfo(&one, NULL) == -1)
        if (errno != EINTR) {
            warn("%s: sigwaitinfo", our.name);
            return 1;
        }
    return atomic_load(&lane->over);
}

static void *writer(void *unused)
{
    for (int i = 0; i < our.count; i++) {
        /* The first ones find an empty slot. */
        if (i >= SLOTS && wait_for(room(), our.out) != 0)
            break;
        strcpy(our.out->line[i % SLOTS], our.messages[i]);
        if (tell(our.peer, news()) != 0)
            break;
    }
    return unused;
}

static int reader(void)
{
    for (int i = 0; i < our.count; i++) {
        char line[LINE];
        if (wait_for(news(), our.in) != 0)
            return 1;
        memcpy(line, our.in->line[i % SLOTS], LINE);
        /* The last ones leave a slot that nobody waits for. */
        if (i + SLOTS < our.count && tell(our.peer, room()) != 0)
            return 1;
        if (printf("%s: %s\n", our.name, line) < 0 || fflush(stdout) == EOF) {
            warn("%s: standard output", our.name);
            return 1;
        }
    }
    return 0;
}

static int talk(void)
{
    pthread_t thread;
    errno = pthread_create(&thread, NULL, writer, NULL);
    if (errno != 0) {
        warn("%s: pthread_create", our.name);
        end_all();
        return 1;
    }
    int failed = reader();
    if (failed)
        end_all();
    pthread_join(thread, NULL);
    return failed;
}

static struct lane *make(void)
{
    int id = shmget(IPC_PRIVATE, sizeof(struct lane), IPC_CREAT | 0600);
    if (id == -1)
        err(1, "shmget");
    void *at = shmat(id, NULL, 0);
    if (at == (void *)-1)
        warn("shmat");
    if (shmctl(id, IPC_RMID, NULL) == -1)
        err(1, "shmctl");
    if (at == (void *)-1)
        _exit(1);
    return at;
}

int main(int argc, char **argv)
{
    if (argc < 2)
        errx(2, "usage: exercise MESSAGE...");
    for (int i = 1; i < argc; i++)
        if (strlen(argv[i]) >= LINE)
            errx(1, "message %d has more than %d bytes", i, LINE - 1);
    sigset_t stops, ours;
    sigemptyset(&ours);
    sigaddset(&ours, news());
    sigaddset(&ours, room());
    sigaddset(&ours, SIGPIPE);              /* a write fails with EPIPE then */
    sigprocmask(SIG_BLOCK, &ours, NULL);
    sigemptyset(&stops);
    sigaddset(&stops, SIGINT);
    sigaddset(&stops, SIGTERM);
    sigprocmask(SIG_BLOCK, &stops, NULL);
    struct lane *down = make(), *up = make();
    sigprocmask(SIG_UNBLOCK, &stops, NULL);

    pid_t parent = getpid(), child = fork();
    if (child == -1)
        err(1, "fork");
    our.messages = argv + 1;
    our.count = argc - 1;
    if (child == 0) {
        our.name = "child";
        our.out = up;
        our.in = down;
        our.peer = parent;
        if (prctl(PR_SET_PDEATHSIG, SIGKILL) == -1) {
            warn("prctl");
            kill(parent, SIGKILL);
            _exit(1);
        }
        _exit(getppid() != parent || talk() != 0);
    }
    our.name = "parent";
    our.out = down;
    our.in = up;
    our.peer = child;
    int status, failed = talk();
    if (waitpid(child, &status, 0) == -1)
        err(1, "waitpid");
    if (shmdt(down) == -1 || shmdt(up) == -1)
        err(1, "shmdt");
    return failed || status != 0;
}
