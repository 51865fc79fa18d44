/* zoo: 4.8 deadlock
 * Nobody looks at anything before pause: a signal that comes earlier is lost. */
#include "../zoo.h"

int main(void)
{
    int id;
    char *memory = segment(&id);
    handle(SIGUSR1, woken);
    pid_t parent = getpid(), child = make_child();
    if (child == 0) {
        pause();
        kill(parent, SIGUSR1);
        return 0;
    }
    strcpy(memory, "hello");
    kill(child, SIGUSR1);
    pause();
    wait(NULL);
    discard(id, memory);
    return 0;
}
