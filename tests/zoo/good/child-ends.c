/* zoo: 4.8 none
 * The simplest order there is: the parent waits for the child's end. */
#include "../zoo.h"

int main(void)
{
    int id;
    char *memory = segment(&id);
    if (make_child() == 0) {
        strcpy(memory, "hello");
        return 0;
    }
    wait(NULL);
    assert(!strcmp(memory, "hello"));
    discard(id, memory);
    return 0;
}
