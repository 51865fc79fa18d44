/* zoo: 4.10 race
 * A word in an object of shm_open. */
#include "../zoo.h"
#include <fcntl.h>
#include <sys/mman.h>

int main(void)
{
    int fd = shm_open("/counter", O_CREAT | O_EXCL | O_RDWR, 0600);
    if (fd == -1 || ftruncate(fd, 4096) == -1)
        die("shm_open, ftruncate");
    shm_unlink("/counter");
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
