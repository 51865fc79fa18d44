/* zoo: 4.10 none
 * Each process sets a byte of its own: nobody can tell who was first. */
#include "../zoo.h"

int main(void)
{
    int id;
    volatile unsigned char *bytes = segment(&id);
    pid_t child = make_child();
    bytes[child == 0] = 1;
    if (child == 0)
        _exit(0);
    wait(NULL);
    printf("%d %d\n", bytes[0], bytes[1]);
    discard(id, (void *)bytes);
    return 0;
}
