/* zoo: 4.4 crash
 * A symbolic link as a lock, read before it is made. */
#include "../zoo.h"

static void lock(const char *path)
{
    char owner[16];
    if (readlink(path, owner, sizeof owner) != -1)
        return;
    assert(symlink("me", path) == 0);
    unlink(path);
}

int main(void)
{
    char path[512];
    snprintf(path, sizeof path, "%s/lock", getenv("XDG_RUNTIME_DIR"));
    pid_t child = make_child();
    lock(path);
    if (child == 0)
        return 0;
    wait(NULL);
    return 0;
}
