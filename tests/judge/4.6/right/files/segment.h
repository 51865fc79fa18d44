#include <stddef.h>

/* The one segment of the program: made once, removed by exit. All of these end the program if a call fails. */
void segment_make(size_t size);
void segment_write(const char *text);
unsigned long segment_attachments(void);
void segment_print(void);
