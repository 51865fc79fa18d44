/* Makes what a crash or an enemy leaves where a server should be.
 * plant KEY-FILE PROJ-ID SIZE MODE PID [hold|peek|swap|knock|server|client]
 *   PID     what stands in the pid field; "me": our own
 *   hold    stays attached, until its standard input ends
 *   peek    attaches what is there, writes nothing, and stays as long
 *   swap    writes the pid into what is there, rings nobody, and stays as long
 *   knock   rings SIGUSR2 at the pid that stood there before, once, and says whether it might
 *   server  answers each SIGUSR2 with 128 bytes of standard input and SIGUSR1, until they end
 *   client  takes the field, rings, and answers each SIGUSR1 with 128 bytes and SIGUSR2
 * Bytes whose pid is 0x50494421 ("!DIP") are written with the pid that should stand there. */
#include "common.h"

static volatile sig_atomic_t rung;

static void woken(int signal)
{
    (void)signal;
    rung = 1;
}

/* Waits for the ring, without losing it: both signals are blocked but here. */
static void wait_for_ring(void)
{
    sigset_t none;
    sigemptyset(&none);
    while (!rung)
        sigsuspend(&none);
    rung = 0;
}

/* The next 128 bytes of standard input, into the segment. */
static int write_next(struct st_shmbuf *shm, pid_t agreed)
{
    struct st_shmbuf next;
    if (fread(&next, sizeof next, 1, stdin) != 1)
        return 0;
    if (next.pid == 0x50494421)
        next.pid = agreed;
    memcpy(shm, &next, sizeof next);
    return 1;
}

int main(int argc, char **argv)
{
    if (argc < 6)
        return 2;
    const char *role = argc > 6 ? argv[6] : "";
    sigset_t both;
    sigemptyset(&both);
    sigaddset(&both, SIGUSR1);
    sigaddset(&both, SIGUSR2);
    sigprocmask(SIG_BLOCK, &both, NULL);
    signal(SIGUSR1, woken);
    signal(SIGUSR2, woken);
    int joins = !strcmp(role, "client") || !strcmp(role, "knock") || !strcmp(role, "peek") || !strcmp(role, "swap");
    int flags = joins ? 0 : IPC_CREAT | IPC_EXCL;
    int id = shmget(the_key(argv), (size_t)atol(argv[3]), flags | (int)strtol(argv[4], NULL, 8));
    if (id == -1)
        die("shmget");
    struct st_shmbuf *shm = shmat(id, NULL, 0);
    if (shm == (void *)-1)
        die("shmat");
    pid_t before = shm->pid;
    if (strcmp(role, "peek"))
        shm->pid = strcmp(argv[5], "me") ? (pid_t)atol(argv[5]) : getpid();
    printf("planted in %d, where %d was\n", id, (int)before);
    fflush(stdout);
    char byte;
    if (!strcmp(role, "hold") || !strcmp(role, "peek") || !strcmp(role, "swap")) {
        while (fread(&byte, 1, 1, stdin) == 1)
            ;
    } else if (!strcmp(role, "knock")) {
        if (kill(before, SIGUSR2) == -1)
            printf("may not ring: %s\n", strerror(errno));
        else
            printf("rang\n");
        fflush(stdout);
        while (fread(&byte, 1, 1, stdin) == 1)
            ;
    } else if (!strcmp(role, "server")) {
        wait_for_ring();
        pid_t client = shm->pid;
        for (; write_next(shm, client); wait_for_ring())
            if (kill(client, SIGUSR1) == -1)
                break;
    } else if (!strcmp(role, "client")) {
        kill(before, SIGUSR2);
        for (wait_for_ring(); write_next(shm, getpid()); wait_for_ring())
            if (kill(before, SIGUSR2) == -1)
                break;
    }
    return 0;
}
