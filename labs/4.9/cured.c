/* The same as stage.c without its defect: the signal stays blocked until sigsuspend waits for it. */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/shm.h>
#include <unistd.h>

enum { KEY = 0x4909 };

struct st_shmbuf {
    volatile pid_t pid;
    char buf[124];
};

static volatile sig_atomic_t told;
static sigset_t before;

static void hear(int signal)
{
    (void)signal;
    told = 1;
}

static int fail(const char *call)
{
    perror(call);
    return 1;
}

static void wait_until_told(void)
{
    while (!told)
        sigsuspend(&before);
    told = 0;
}

static int server(void)
{
    int id = shmget(KEY, sizeof(struct st_shmbuf), IPC_CREAT | 0600);
    struct st_shmbuf *shm = id == -1 ? (void *)-1 : shmat(id, NULL, 0);
    if (shm == (void *)-1)
        return fail("server: shmget, shmat");
    shm->pid = getpid();
    wait_until_told();
    pid_t client = shm->pid;
    strcpy(shm->buf, "hello, client");
    if (kill(client, SIGUSR1) == -1)
        return fail("server: kill");
    wait_until_told();
    return shmdt(shm) == -1 || shmctl(id, IPC_RMID, NULL) == -1 ? fail("server: shmctl") : 0;
}

static int client(void)
{
    int id = shmget(KEY, sizeof(struct st_shmbuf), 0600);
    while (id == -1) {
        usleep(1000);
        id = shmget(KEY, sizeof(struct st_shmbuf), 0600);
    }
    struct st_shmbuf *shm = shmat(id, NULL, 0);
    if (shm == (void *)-1)
        return fail("client: shmat");
    while (shm->pid == 0)
        usleep(1000);
    pid_t server = shm->pid;
    shm->pid = getpid();
    if (kill(server, SIGUSR2) == -1)
        return fail("client: kill");
    wait_until_told();
    printf("client: %s\n", shm->buf);
    fflush(stdout);
    return kill(server, SIGUSR2) == -1 || shmdt(shm) == -1 ? fail("client: kill, shmdt") : 0;
}

int main(int argc, char **argv)
{
    int serves = argc > 1 && strcmp(argv[1], "server") == 0;
    struct sigaction action = { .sa_handler = hear };
    sigset_t ours;
    sigemptyset(&ours);
    sigaddset(&ours, serves ? SIGUSR2 : SIGUSR1);
    if (sigaction(serves ? SIGUSR2 : SIGUSR1, &action, NULL) == -1 ||
        sigprocmask(SIG_BLOCK, &ours, &before) == -1)
        return fail("sigaction, sigprocmask");
    return serves ? server() : client();
}
