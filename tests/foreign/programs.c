/* Other programs: vfork, posix_spawn (in system), exec that fails, exec that detaches. */
#include "common.h"

int main(int argc, char **argv)
{
    if (argc > 1)
        return puts("again") < 0;
    pid_t child = vfork();
    if (child == 0) {
        execl("/bin/true", "true", "an \"argument\"", (char *)NULL);
        _exit(127);
    }
    int status;
    waitpid(child, &status, 0);
    if (system("exit 3") != 3 << 8)
        return 1;
    int id = shmget(IPC_PRIVATE, 10, 0600);
    shmat(id, NULL, 0);
    shmctl(id, IPC_RMID, NULL);
    execl("/no/such/program", "it", (char *)NULL);
    execl(argv[0], argv[0], "again", (char *)NULL);
    return 1;
}
