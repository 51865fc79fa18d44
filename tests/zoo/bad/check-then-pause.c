/* zoo: 4.8 deadlock
 * The flag is looked at, but the signal can come between the look and pause. */
#include "../zoo.h"

int main(void)
{
    int id;
    char *memory = segment(&id);
    handle(SIGUSR1, woken);
    pid_t parent = getpid(), child = make_child();
    if (child == 0) {
        while (!told)
            pause();
        kill(parent, SIGUSR1);
        return 0;
    }
    strcpy(memory, "hello");
    kill(child, SIGUSR1);
    while (!told)
        pause();
    wait(NULL);
    discard(id, memory);
    return 0;
}
