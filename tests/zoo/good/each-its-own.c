/* zoo: 4.10 none
 * Four children, each with a set of semaphores of its own: no order can be told from another. */
#include "../zoo.h"

int main(void)
{
    int own[4];
    pid_t children[4];
    for (int i = 0; i < 4; i++)
        own[i] = semaphores(1);
    for (int i = 0; i < 4; i++)
        if ((children[i] = make_child()) == 0) {
            post(own[i], 0);
            return 0;
        }
    for (int i = 0; i < 4; i++)
        waitpid(children[i], NULL, 0);
    for (int i = 0; i < 4; i++)
        semctl(own[i], 0, IPC_RMID);
    return 0;
}
