/* Calls, each on a line that names it. */
#define _GNU_SOURCE
#include <signal.h>
#include <stdlib.h>
#include <sys/ipc.h>
#include <sys/shm.h>
#include <sys/wait.h>
#include <unistd.h>

static volatile int count;

static int make(void)
{
    return shmget(IPC_PRIVATE, 4096, IPC_CREAT | 0600); /* shmget */
}

static void handler(int signal)
{
    kill(getpid(), 0); /* kill */
    count += signal;
}

static int by_libc(void)
{
    return system("exit 3"); /* wait4 */
}

int main(void)
{
    signal(SIGUSR1, handler); /* rt_sigaction */
    int id = make();
    void *memory = shmat(id, NULL, 0); /* shmat */
    raise(SIGUSR1); /* tgkill */
    if (WEXITSTATUS(by_libc()) != 3)
        return 1;
    shmctl(id, IPC_RMID, NULL); /* shmctl */
    shmdt(memory); /* shmdt */
    return 0;
}
