/* Keys that are none, and modes that nobody means. */
#include "../common.h"

int main(int argc, char **argv)
{
    (void)argc;
    if (is(argv, "ftok fails")) {
        key_t key = ftok("no/such/file", 'a');
        shmget(key, 100, 0600);
        shmctl(shmget(key, 100, IPC_CREAT | 0600), IPC_RMID, NULL);
    } else if (is(argv, "ftok is refused")) {
        shmget(ftok("keys/below/a/file/that/is/none", 'a'), 100, 0600);
        shmget(ftok("/dev/null/below", 'a'), 100, 0600);
    } else if (is(argv, "minus one")) {
        shmget(-1, 100, 0600);
    } else if (is(argv, "ftok")) {
        shmctl(shmget(ftok("/", 'a'), 100, IPC_CREAT | 0600), IPC_RMID, NULL);
    } else if (is(argv, "private")) {
        shmctl(shmget(0, 100, 0600), IPC_RMID, NULL);
        msgctl(msgget(0, 0600), IPC_RMID, NULL);
    } else {
        no_rights();
        int mode = is(argv, "decimal") ? 666 : is(argv, "read only") ? 0444 : 0666;
        int id = shmget(0x4e54, 96, mode | IPC_CREAT);
        shmat(id, NULL, 0);
        shmget(0x4e54, 96, 0660);
        shmctl(id, IPC_RMID, NULL);
    }
    return 0;
}
