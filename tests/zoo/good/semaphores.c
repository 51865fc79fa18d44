/* zoo: 4.10 none
 * A System V semaphore for each direction. */
#include "../zoo.h"

int main(void)
{
    int id, set = semaphores(2);
    char *memory = segment(&id);
    if (make_child() == 0) {
        take(set, 0);
        assert(!strcmp(memory, "hello"));
        post(set, 1);
        return 0;
    }
    strcpy(memory, "hello");
    post(set, 0);
    take(set, 1);
    wait(NULL);
    semctl(set, 0, IPC_RMID);
    discard(id, memory);
    return 0;
}
