/* zoo: 4.5 crash
 * Shared memory is shared, whatever else mmap is told. */
#include "../zoo.h"
#include <sys/mman.h>

int main(void)
{
    int how = MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE | MAP_POPULATE;
    volatile int *memory = mmap(NULL, 4096, PROT_READ | PROT_WRITE, how, -1, 0);
    if (make_child() == 0) {
        int before = memory[0];
        sched_yield();
        assert(memory[0] == before);
        return 0;
    }
    sched_yield();
    memory[0] = 1;
    wait(NULL);
    return 0;
}
