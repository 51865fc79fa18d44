/* zoo: 4.2 none
 * Makes a POSIX object that must not be there, and leaves it. */
#include "../zoo.h"
#include <fcntl.h>
#include <sys/mman.h>

int main(void)
{
    int object = shm_open("/lab-zoo-left", O_CREAT | O_EXCL | O_RDWR, 0600);
    assert(object != -1);
    pid_t child = make_child();
    if (ftruncate(object, child == 0 ? 4096 : 8192) == -1)
        die("ftruncate");
    if (child == 0)
        return 0;
    int status;
    wait(&status);
    return status != 0;
}
