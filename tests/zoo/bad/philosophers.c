/* zoo: 4.10 deadlock
 * Three philosophers, three forks: each takes the left one first. */
#include "../zoo.h"

int main(void)
{
    int forks = semaphores(3);
    for (int i = 0; i < 3; i++)
        post(forks, i);
    pid_t all[3];
    for (int i = 0; i < 3; i++)
        if ((all[i] = make_child()) == 0) {
            take(forks, i);
            take(forks, (i + 1) % 3);
            post(forks, i);
            post(forks, (i + 1) % 3);
            return 0;
        }
    for (int i = 0; i < 3; i++)
        waitpid(all[i], NULL, 0);
    semctl(forks, 0, IPC_RMID);
    return 0;
}
