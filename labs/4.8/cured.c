/* The same as stage.c without its defect: the signal stays blocked until sigsuspend waits for it. */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/shm.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SIZE = 128 };

static volatile sig_atomic_t told;

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

static int the_child(const char *message, pid_t parent, const sigset_t *before)
{
    while (!told)
        sigsuspend(before);
    printf("child: %s\n", message);
    fflush(stdout);
    return kill(parent, SIGUSR1) == -1 ? fail("kill") : 0;
}

int main(void)
{
    struct sigaction action = { .sa_handler = hear };
    sigset_t ours, before;
    sigemptyset(&ours);
    sigaddset(&ours, SIGUSR1);
    if (sigaction(SIGUSR1, &action, NULL) == -1 || sigprocmask(SIG_BLOCK, &ours, &before) == -1)
        return fail("sigaction, sigprocmask");
    int id = shmget(IPC_PRIVATE, SIZE, IPC_CREAT | 0600);
    if (id == -1)
        return fail("shmget");
    char *message = shmat(id, NULL, 0);
    if (message == (void *)-1)
        return fail("shmat");
    pid_t parent = getpid(), child = fork();
    if (child == -1)
        return fail("fork");
    if (child == 0)
        _exit(the_child(message, parent, &before));
    strcpy(message, "hello, child");
    if (kill(child, SIGUSR1) == -1)
        return fail("kill");
    while (!told)
        sigsuspend(&before);
    wait(NULL);
    if (shmctl(id, IPC_RMID, NULL) == -1 || shmdt(message) == -1)
        return fail("shmctl, shmdt");
    return 0;
}
