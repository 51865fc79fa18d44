/* zoo: 4.10 race
 * A word of a file that is mapped. */
#include "../zoo.h"
#include <fcntl.h>
#include <sys/mman.h>

int main(void)
{
    char name[] = "/tmp/counter-XXXXXX";
    int fd = mkstemp(name);
    if (fd == -1 || ftruncate(fd, 4096) == -1)
        die("mkstemp, ftruncate");
    unlink(name);
    volatile int *counter = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (counter == MAP_FAILED)
        die("mmap");
    pid_t child = make_child();
    *counter = *counter + 1;
    if (child == 0)
        _exit(0);
    wait(NULL);
    printf("%d\n", *counter);
    return 0;
}
