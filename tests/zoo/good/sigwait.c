/* zoo: 4.8 none
 * No handler at all: the signal is taken when it is wanted. */
#include "../zoo.h"

int main(void)
{
    int id, signal;
    char *memory = segment(&id);
    sigset_t awaited;
    sigemptyset(&awaited);
    sigaddset(&awaited, SIGUSR1);
    block(SIGUSR1);
    pid_t parent = getpid(), child = make_child();
    if (child == 0) {
        sigwait(&awaited, &signal);
        assert(!strcmp(memory, "hello"));
        kill(parent, SIGUSR1);
        return 0;
    }
    strcpy(memory, "hello");
    kill(child, SIGUSR1);
    sigwait(&awaited, &signal);
    wait(NULL);
    discard(id, memory);
    return 0;
}
