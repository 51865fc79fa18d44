/* zoo: 4.8 none
 * Removed when both have it: whatever happens then, nothing stays. */
#include "../zoo.h"

int main(void)
{
    int id;
    char *memory = segment(&id);
    strcpy(memory, "hello");
    pid_t child = make_child();
    if (child == 0) {
        printf("%s\n", memory);
        return 0;
    }
    if (shmctl(id, IPC_RMID, NULL) == -1)
        die("shmctl");
    wait(NULL);
    return 0;
}
