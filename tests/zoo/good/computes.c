/* zoo: 4.8 none
 * A long computation without a call: no endless loop. */
#include "../zoo.h"

int main(void)
{
    if (make_child() == 0) {
        unsigned x = 1;
        for (volatile long i = 0; i < 30000000; i++)
            x = x * 1664525 + 1013904223;
        return x == 0;
    }
    wait(NULL);
    return 0;
}
