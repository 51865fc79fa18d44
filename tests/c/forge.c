/* Rings with a sender of its choice: sigqueue(3) fills in si_pid itself, the call beneath does not.
 * forge KEY-FILE PROJ-ID PID < until it ends
 *   writes PID where the server's stands, and sends SIGUSR2 to the server as if PID had sent it */
#include "common.h"
#include <sys/syscall.h>

int main(int argc, char **argv)
{
    if (argc < 4)
        return 2;
    int id = shmget(the_key(argv), sizeof(struct st_shmbuf), 0);
    struct st_shmbuf *shm = id == -1 ? (void *)-1 : shmat(id, NULL, 0);
    if (shm == (void *)-1)
        die("the segment");
    pid_t server = shm->pid;
    siginfo_t info;
    memset(&info, 0, sizeof info);
    info.si_signo = SIGUSR2;
    info.si_pid = shm->pid = (pid_t)atol(argv[3]);
    info.si_uid = getuid();
    /* What kill fills in: the kernel lets nobody say that. */
    info.si_code = SI_USER;
    if (syscall(SYS_rt_sigqueueinfo, server, SIGUSR2, &info) != -1 || errno != EPERM)
        die("a forged SI_USER was not refused");
    info.si_code = SI_QUEUE;
    if (syscall(SYS_rt_sigqueueinfo, server, SIGUSR2, &info) == -1)
        die("rt_sigqueueinfo");
    printf("forged\n");
    fflush(stdout);
    char byte;
    while (fread(&byte, 1, 1, stdin) == 1)
        ;
    shm->pid = server;
    return 0;
}
