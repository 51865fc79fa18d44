/* zoo: 4.8 crash
 * The parent follows an offset that the child may not have written yet. */
#include "../zoo.h"

struct list {
    struct list *first;
    int value;
};

int main(void)
{
    int id;
    struct list *list = segment(&id);
    if (make_child() == 0) {
        list[1].value = 42;
        list->first = &list[1];
        return 0;
    }
    printf("reading\n");
    fflush(stdout);
    int value = *(volatile int *)&list->first->value;
    wait(NULL);
    discard(id, list);
    return value != 42;
}
