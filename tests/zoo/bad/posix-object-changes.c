/* zoo: 4.2 crash
 * Two processes map the same file, each for itself: what one has read, the other overwrites. */
#include "../zoo.h"
#include <fcntl.h>
#include <sys/mman.h>

static volatile int *map(const char *path)
{
    int file = open(path, O_CREAT | O_RDWR, 0600);
    if (file == -1 || ftruncate(file, 4096) == -1)
        die("open, ftruncate");
    void *memory = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    close(file);
    return memory;
}

int main(void)
{
    char path[512];
    snprintf(path, sizeof path, "%s/object", getenv("XDG_RUNTIME_DIR"));
    if (make_child() == 0) {
        volatile int *memory = map(path);
        int before = memory[0];
        sched_yield();
        assert(memory[0] == before);
        return 0;
    }
    volatile int *memory = map(path);
    sched_yield();
    memory[0] = 1;
    wait(NULL);
    unlink(path);
    return 0;
}
