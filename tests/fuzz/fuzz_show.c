/* The listing of whatever parses: it ends, and no control character of a stranger reaches the terminal. */
#include <stdlib.h>

#include "format/show.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct show_options o = {.type = LIST_CTL};
	struct trust_list *l = NULL;
	char *text = NULL;
	size_t len = 0;

	FILE *out = open_memstream(&text, &len);
	if (!out)
		return 0;
	if (list_parse((struct view){data, size}, LIST_CTL, &l, NULL) == 0)
		show_list(out, l, &o);
	else
		show_list_broken(out, (struct view){data, size}, &o);
	fclose(out);
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)text[i] < 0x20 && text[i] != '\n')
			abort();
	list_free(l);
	free(text);
	return 0;
}
