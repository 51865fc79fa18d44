/* zoo: 4.10 none
 * A sem_t in the segment. */
#include "../zoo.h"

struct shared {
    sem_t asked, answered;
    char text[16];
};

int main(void)
{
    int id;
    struct shared *shared = segment(&id);
    sem_init(&shared->asked, 1, 0);
    sem_init(&shared->answered, 1, 0);
    if (make_child() == 0) {
        sem_wait(&shared->asked);
        assert(!strcmp(shared->text, "hello"));
        sem_post(&shared->answered);
        return 0;
    }
    strcpy(shared->text, "hello");
    sem_post(&shared->asked);
    sem_wait(&shared->answered);
    wait(NULL);
    discard(id, shared);
    return 0;
}
