/* zoo: 4.5 crash
 * The result of shmat is not looked at: no segment has this id, so it is -1, and the store goes there. */
#include "../zoo.h"

int main(void)
{
    char *memory = shmat(4711, NULL, 0);
    memory[0] = 'x';
    return 0;
}
