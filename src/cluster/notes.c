#include "cluster/notes.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

int notes_add(struct notes *n, struct err *e, const char *fmt, ...)
{
	va_list ap;
	char *text;
	char **grown;

	if (!n)
		return 0;
	va_start(ap, fmt);
	int len = vasprintf(&text, fmt, ap);
	va_end(ap);
	if (len < 0)
		return err_set(e, ERR_NOMEM, "out of memory");
	grown = realloc(n->text, (n->n + 1) * sizeof(*grown));
	if (!grown) {
		free(text);
		return err_set(e, ERR_NOMEM, "out of memory");
	}
	n->text = grown;
	n->text[n->n++] = text;
	return 0;
}

void notes_clear(struct notes *n)
{
	if (!n)
		return;
	for (size_t i = 0; i < n->n; i++)
		free(n->text[i]);
	free(n->text);
	*n = NOTES_INIT;
}
