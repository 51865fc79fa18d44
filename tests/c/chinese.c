/* Two processes that print and store Chinese text: for the widths of the stage. */
#include <stdio.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/shm.h>
#include <sys/wait.h>
#include <unistd.h>

int main(void)
{
    int id = shmget(IPC_PRIVATE, 64, IPC_CREAT | 0600);
    char *text = shmat(id, NULL, 0);
    if (text == (void *)-1 || shmctl(id, IPC_RMID, NULL) == -1)
        return 1;
    pid_t child = fork();
    if (child == -1)
        return 1;
    if (child == 0) {
        strcpy(text, "共享内存");
        printf("子进程: %s\n", text);
        fflush(stdout);
        _exit(0);
    }
    wait(NULL);
    printf("父进程读到: %s\n", text);
    return 0;
}
