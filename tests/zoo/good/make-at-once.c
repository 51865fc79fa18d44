/* zoo: 4.4 none
 * The cure of look-then-make: O_EXCL is the question and the answer. */
#include "../zoo.h"
#include <fcntl.h>

int main(void)
{
    char path[512];
    snprintf(path, sizeof path, "%s/made", getenv("XDG_RUNTIME_DIR"));
    pid_t child = make_child();
    int file = open(path, O_CREAT | O_EXCL | O_WRONLY, 0600);
    assert(file != -1 || errno == EEXIST);
    if (file != -1)
        close(file);
    if (child == 0)
        return 0;
    wait(NULL);
    unlink(path);
    return 0;
}
