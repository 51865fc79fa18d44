/* zoo: 4.9 crash
 * close gives back the lock that was taken with it: between two tries of another. */
#include "../zoo.h"
#include <fcntl.h>
#include <sys/file.h>

static int key(const char *path)
{
    return open(path, O_CREAT | O_RDWR, 0600);
}

int main(void)
{
    char path[512];
    snprintf(path, sizeof path, "%s/key", getenv("XDG_RUNTIME_DIR"));
    int ours = key(path);
    flock(ours, LOCK_EX);
    if (make_child() == 0) {
        close(ours);
        int mine = key(path), first = flock(mine, LOCK_EX | LOCK_NB);
        assert(first == flock(mine, LOCK_EX | LOCK_NB));
        return 0;
    }
    close(ours);
    wait(NULL);
    unlink(path);
    return 0;
}
