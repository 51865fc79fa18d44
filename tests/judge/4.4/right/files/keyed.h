#include <sys/types.h>

enum answer { MADE, FOUND, EXISTS, MISSING, FAILED };

/* Asks shmget for the segment of this key; `id` is set for MADE and FOUND. */
enum answer make_keyed(key_t key, int *id);
enum answer find_keyed(key_t key, int *id);
int remove_keyed(int id);
