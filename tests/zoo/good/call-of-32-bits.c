/* zoo: 4.8 none
 * Waits for its child in a call of the other architecture: waitpid, by int 0x80. */
#include "../zoo.h"

int main(void)
{
    if (make_child() == 0)
        return 0;
    int answer;
    __asm__ volatile("int $0x80"
                     : "=a"(answer)
                     : "a"(7), "b"(-1), "c"(0), "d"(0)
                     : "memory", "r8", "r9", "r10", "r11");
    /* A kernel without 32-bit calls has none of this. */
    if (answer == -ENOSYS)
        answer = wait(NULL);
    return answer <= 0;
}
