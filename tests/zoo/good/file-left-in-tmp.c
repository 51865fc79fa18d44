/* zoo: 4.7 none
 * Makes a file in /tmp that must not be there, and leaves it; a file beside it stays as it was. */
#include "../zoo.h"
#include <fcntl.h>
#include <sys/stat.h>

int main(void)
{
    struct stat found;
    assert(stat("/tmp", &found) == 0);
    int file = open("/tmp/lab-zoo-left", O_CREAT | O_EXCL | O_WRONLY, 0600);
    assert(file != -1);
    assert(mkdir("/tmp/lab-zoo-folder", 0700) == 0);
    assert(open("/tmp/lab-zoo-folder/one", O_CREAT | O_EXCL | O_WRONLY, 0600) != -1);
    pid_t child = make_child();
    if (write(file, "hello", 5) != 5)
        die("write");
    if (child == 0)
        return 0;
    int status;
    wait(&status);
    return status != 0;
}
