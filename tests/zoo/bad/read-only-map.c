/* zoo: 4.5 crash
 * Who has mapped it to read sees what others write. */
#include "../zoo.h"
#include <sys/mman.h>

int main(void)
{
    int file = memfd_create("object", 0);
    if (file == -1 || ftruncate(file, 4096) == -1)
        die("memfd_create");
    if (make_child() == 0) {
        volatile int *memory = mmap(NULL, 4096, PROT_READ, MAP_SHARED, file, 0);
        int before = memory[0];
        sched_yield();
        assert(memory[0] == before);
        return 0;
    }
    volatile int *memory = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    sched_yield();
    memory[0] = 1;
    wait(NULL);
    return 0;
}
