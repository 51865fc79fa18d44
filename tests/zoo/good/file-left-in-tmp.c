/* zoo: 4.7 none
 * Makes a file in /tmp that must not be there, and leaves it; a folder, too. */
#include "../zoo.h"
#include <fcntl.h>
#include <sys/stat.h>

/* A path in TMPDIR. */
static const char *in_tmp(const char *name)
{
    static char path[512];
    const char *folder = getenv("TMPDIR");
    snprintf(path, sizeof path, "%s/%s", folder ? folder : "/tmp", name);
    return path;
}

int main(void)
{
    int file = open(in_tmp("left"), O_CREAT | O_EXCL | O_WRONLY, 0600);
    assert(file != -1);
    assert(mkdir(in_tmp("folder"), 0700) == 0);
    assert(open(in_tmp("folder/one"), O_CREAT | O_EXCL | O_WRONLY, 0600) != -1);
    pid_t child = make_child();
    if (write(file, "hello", 5) != 5)
        die("write");
    if (child == 0)
        return 0;
    int status;
    wait(&status);
    return status != 0;
}
