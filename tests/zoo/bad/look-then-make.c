/* zoo: 4.4 crash
 * Looks whether a file is there, and then makes it: somebody may have done so between. */
#include "../zoo.h"
#include <fcntl.h>

static void make(const char *path)
{
    if (access(path, F_OK) == 0)
        return;
    int file = open(path, O_CREAT | O_EXCL | O_WRONLY, 0600);
    assert(file != -1);
    close(file);
}

int main(void)
{
    char path[512];
    snprintf(path, sizeof path, "%s/made", getenv("XDG_RUNTIME_DIR"));
    if (make_child() == 0) {
        make(path);
        return 0;
    }
    int file = open(path, O_CREAT | O_EXCL | O_WRONLY, 0600);
    if (file != -1)
        close(file);
    wait(NULL);
    unlink(path);
    return 0;
}
