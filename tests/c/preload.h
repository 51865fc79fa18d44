/* For what is preloaded (LD_PRELOAD): the calls of the C library behind ours. */
#ifndef PRELOAD_H
#define PRELOAD_H

#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdarg.h>

/* What this name means without us. */
#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

/* The n arguments after `last`, as registers have them. */
#define ARGUMENTS(last, array, n)                                       \
	do {                                                            \
		va_list list;                                           \
		va_start(list, last);                                   \
		for (int i = 0; i < (n); i++)                           \
			(array)[i] = va_arg(list, unsigned long);       \
		va_end(list);                                           \
	} while (0)

#endif
