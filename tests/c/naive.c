/* What programs of this kind do wrong, so that the tests can prove that they notice.
 * naive wake   the child says that it is ready and calls bare pause
 * naive leak   removes its segment, and does not look whether it did */
#include "common.h"
#include <sys/wait.h>

static void woken(int signal)
{
    (void)signal;
}

int main(int argc, char **argv)
{
    if (argc < 2)
        return 2;
    if (!strcmp(argv[1], "leak")) {
        int id = shmget(IPC_PRIVATE, 1, IPC_CREAT | 0600);
        printf("made %d\n", id);
        shmctl(id, IPC_RMID, NULL);
        return 0;
    }
    int ready[2];
    char byte = '!';
    signal(SIGUSR1, woken);
    if (pipe(ready) == -1)
        die("pipe");
    pid_t child = fork();
    if (child == 0) {
        if (write(ready[1], &byte, 1) != 1)
            die("write");
        pause();
        return 0;
    }
    if (read(ready[0], &byte, 1) != 1)
        die("read");
    kill(child, SIGUSR1);
    wait(NULL);
    return 0;
}
