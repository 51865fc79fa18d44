/* No signal: two semaphores in the segment, removed right after fork. */
#include <errno.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/prctl.h>
#include <sys/shm.h>
#include <sys/wait.h>
#include <unistd.h>

struct box {
    sem_t full, empty;
    char text[128];
};

static int wait_for(sem_t *sem)
{
    while (sem_wait(sem) == -1)
        if (errno != EINTR)
            return -1;
    return 0;
}

static int the_child(struct box *box, int count, pid_t parent)
{
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) == -1 || getppid() != parent)
        return 1;
    /* Where nobody reads the output, the parent is told all the same. */
    signal(SIGPIPE, SIG_IGN);
    int failed = 0;
    while (count-- > 0) {
        if (wait_for(&box->full) == -1)
            return 1;
        printf("child: %s\n", box->text);
        failed |= fflush(stdout) == EOF;
        sem_post(&box->empty);
    }
    return failed;
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        fprintf(stderr, "usage: %s MESSAGE...\n", argv[0]);
        return 2;
    }
    for (int i = 1; i < argc; i++)
        if (strlen(argv[i]) >= 128) {
            fprintf(stderr, "%s: message %d is too long\n", argv[0], i);
            return 2;
        }
    sigset_t stops, before;
    sigemptyset(&stops);
    sigaddset(&stops, SIGINT);
    sigaddset(&stops, SIGTERM);
    sigprocmask(SIG_BLOCK, &stops, &before);
    int id = shmget(IPC_PRIVATE, sizeof(struct box), IPC_CREAT | 0600);
    if (id == -1) {
        perror("shmget");
        return 1;
    }
    struct box *box = shmat(id, NULL, 0);
    if (box == (void *)-1) {
        perror("shmat");
        shmctl(id, IPC_RMID, NULL);
        return 1;
    }
    sem_init(&box->full, 1, 0);
    sem_init(&box->empty, 1, 1);
    pid_t parent = getpid(), pid = fork();
    if (pid == 0) {
        sigprocmask(SIG_SETMASK, &before, NULL);
        _exit(the_child(box, argc - 1, parent));
    }
    int failed = 0;
    if (pid == -1) {
        perror("fork");
        failed = 1;
    }
    if (shmctl(id, IPC_RMID, NULL) == -1) {
        perror("shmctl");
        failed = 1;
    }
    sigprocmask(SIG_SETMASK, &before, NULL);
    if (pid > 0) {
        for (int i = 1; i < argc && !failed; i++) {
            if (wait_for(&box->empty) == -1) {
                failed = 1;
                break;
            }
            strcpy(box->text, argv[i]);
            sem_post(&box->full);
        }
        if (failed)
            kill(pid, SIGKILL);
        int status = 0;
        waitpid(pid, &status, 0);
        failed |= status != 0;
    }
    if (shmdt(box) == -1) {
        perror("shmdt");
        failed = 1;
    }
    return failed;
}
