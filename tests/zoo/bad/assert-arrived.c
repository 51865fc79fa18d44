/* zoo: 4.8 crash
 * kill and no wait: what was written is not what has been read. */
#include "../zoo.h"

int main(void)
{
    int id;
    volatile char *memory = segment(&id);
    handle(SIGUSR1, woken);
    pid_t child = make_child();
    if (child == 0) {
        printf("reading\n");
        fflush(stdout);
        assert(memory[0] == 'h');
        return 0;
    }
    memory[0] = 'h';
    wait(NULL);
    discard(id, (void *)memory);
    return 0;
}
