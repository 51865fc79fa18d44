/* zoo: 4.9 crash pair
 * A client that comes first: shmget answers -1, so does shmat, and nobody looks. */
#include "../zoo.h"

int main(int count, char **words)
{
    int is_server = count > 1 && strcmp(words[1], "server") == 0;
    int id = shmget(KEY, 4096, is_server ? IPC_CREAT | 0600 : 0);
    int *shared = shmat(id, NULL, 0);
    shared[0] = is_server;
    shmdt(shared);
    if (is_server)
        shmctl(id, IPC_RMID, NULL);
    return 0;
}
