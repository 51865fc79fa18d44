/* zoo: 4.9 dead_id pair
 * The client finds the segment and attaches it; in between the server may have removed it. */
#include "../zoo.h"

int main(int argc, char **argv)
{
    int server = argc > 1 && !strcmp(argv[1], "server");
    int id = shmget(KEY, 128, server ? IPC_CREAT | 0600 : 0);
    if (id == -1)
        return 1;
    if (server)
        return shmctl(id, IPC_RMID, NULL) == -1;
    return shmat(id, NULL, 0) == (void *)-1;
}
