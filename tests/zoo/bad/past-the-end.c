/* zoo: 4.5 crash
 * One byte more than the segment's page has. */
#include "../zoo.h"

int main(void)
{
    int id;
    char *memory = segment(&id);
    for (int i = 0; i <= 4096 * 16; i += 4096)
        memory[i] = 'x';
    discard(id, memory);
    return 0;
}
