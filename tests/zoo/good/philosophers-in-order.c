/* zoo: 4.10 none
 * Three philosophers: each takes the fork with the lower number first. */
#include "../zoo.h"

int main(void)
{
    int forks = semaphores(3);
    for (int i = 0; i < 3; i++)
        post(forks, i);
    pid_t all[3];
    for (int i = 0; i < 3; i++)
        if ((all[i] = make_child()) == 0) {
            int low = i == 2 ? 0 : i, high = i == 2 ? 2 : i + 1;
            take(forks, low);
            take(forks, high);
            post(forks, high);
            post(forks, low);
            return 0;
        }
    for (int i = 0; i < 3; i++)
        waitpid(all[i], NULL, 0);
    semctl(forks, 0, IPC_RMID);
    return 0;
}
