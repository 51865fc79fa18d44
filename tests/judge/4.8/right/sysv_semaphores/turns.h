/* Whose turn it is: two System V semaphores, one for each process. */
#include <sys/types.h>

enum turn { THE_CHILD, THE_PARENT };

int turns_make(void);
int turns_give(int turns, enum turn to);
/* Sleeps until it is our turn; `child`: 0, or the process whose end ends the wait (errno is ECHILD then). */
int turns_wait(int turns, enum turn mine, pid_t child);
int turns_remove(int turns);
