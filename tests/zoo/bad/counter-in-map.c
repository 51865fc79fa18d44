/* zoo: 4.10 race
 * A word that is mapped without a name, before fork. */
#include "../zoo.h"
#include <fcntl.h>
#include <sys/mman.h>

int main(void)
{
    volatile int *counter =
        mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
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
