/* zoo: 4.5 crash
 * The same with a record: the address of its second field is -1 and 8, which is 7. The parent has attached a
 * segment before, and shmat fails in the child alone: the address that it asks for is taken. */
#include "../zoo.h"

struct record {
    long number;
    char text[100];
};

int main(void)
{
    int id;
    struct record *mine = segment(&id);
    if (make_child() == 0) {
        struct record *again = shmat(id, mine, 0);
        strcpy(again->text, "hello");
        return 0;
    }
    wait(NULL);
    discard(id, mine);
    return 0;
}
