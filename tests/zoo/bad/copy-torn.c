/* zoo: 4.10 race
 * A message is copied while the other process writes the next one. */
#include "../zoo.h"

int main(void)
{
    int id;
    char *message = segment(&id), copy[64];
    memset(message, 'A', sizeof copy);
    if (make_child() == 0) {
        char next[64];
        memset(next, 'B', sizeof next);
        memcpy(message, next, sizeof next);
        _exit(0);
    }
    memcpy(copy, message, sizeof copy);
    for (size_t i = 1; i < sizeof copy; i++)
        if (copy[i] != copy[0])
            printf("torn\n");
    wait(NULL);
    discard(id, message);
    return 0;
}
