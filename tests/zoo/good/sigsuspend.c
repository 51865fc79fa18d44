/* zoo: 4.8 none
 * Blocked before fork, let in only while asleep. */
#include "../zoo.h"

int main(void)
{
    int id;
    char *memory = segment(&id);
    sigset_t open = block(SIGUSR1);
    handle(SIGUSR1, woken);
    pid_t parent = getpid(), child = make_child();
    if (child == 0) {
        while (!told)
            sigsuspend(&open);
        assert(!strcmp(memory, "hello"));
        kill(parent, SIGUSR1);
        return 0;
    }
    strcpy(memory, "hello");
    kill(child, SIGUSR1);
    while (!told)
        sigsuspend(&open);
    wait(NULL);
    discard(id, memory);
    return 0;
}
