#pragma once

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/*
 * AUTO(fn): run fn on the variable's address when it goes out of scope. For
 * locals whose order of release is free; where order matters use one out: label.
 */
#define AUTO(fn) __attribute__((cleanup(fn)))

static inline void auto_free(void *p)
{
	free(*(void **)p);
}

static inline void auto_close(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

static inline void auto_fclose(FILE **f)
{
	if (*f)
		fclose(*f);
}
