#include "cmd/ctl_client/terminal.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"

/* What is left of a line that did not fit is no answer to the next question. */
static void skip_line(void)
{
	int c;

	do
		c = getchar();
	while (c != EOF && c != '\n');
}

bool terminal_ask(const char *prompt, char *out, size_t size)
{
	for (;;) {
		fputs(prompt, stdout);
		fflush(stdout);
		if (!fgets(out, (int)size, stdin))
			return false;
		size_t n = strcspn(out, "\r\n");
		bool whole = out[n] || n + 1 < size;
		out[n] = '\0';
		if (whole)
			return true;
		skip_line();
		printf("An answer has at most %zu characters.\n", size - 2);
	}
}

bool terminal_yes(const char *question)
{
	char line[16];

	return terminal_ask(question, line, sizeof(line)) && (line[0] == 'y' || line[0] == 'Y');
}

/* A backslash stays as it is: names have it before their commas ("O=Cisco Systems\\, Inc."). */
const char *shown(struct shown *s, const char *text)
{
	size_t used = 0;

	for (;;) {
		size_t n = strcspn(text, "\\");

		text_escape(s->text + used, sizeof(s->text) - used, (struct view){(const uint8_t *)text, n});
		used += strlen(s->text + used);
		if (!text[n])
			return s->text;
		used = text_append(s->text, sizeof(s->text), used, "\\");
		text += n + 1;
	}
}
