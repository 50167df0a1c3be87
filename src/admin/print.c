#include "admin/print.h"

#include <inttypes.h>
#include <stdlib.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/text.h"

const char *print_time(int64_t when_s, char out[PRINT_TIME_MAX])
{
	time_t t = (time_t)when_s;
	struct tm tm;

	if (!localtime_r(&t, &tm) || strftime(out, PRINT_TIME_MAX, "%a %b %d %H:%M:%S %Z %Y", &tm) == 0)
		snprintf(out, PRINT_TIME_MAX, "%" PRId64, when_s);
	return out;
}

const char *print_duration(int64_t s, char out[PRINT_TIME_MAX])
{
	int64_t days = s / 86400;
	int n = 0;

	s = s < 0 ? 0 : s % 86400;
	if (days > 0)
		n = snprintf(out, PRINT_TIME_MAX, "%" PRId64 " day%s, ", days, days == 1 ? "" : "s");
	snprintf(out + n, (size_t)(PRINT_TIME_MAX - n), "%02d:%02d:%02d", (int)(s / 3600), (int)(s / 60 % 60), (int)(s % 60));
	return out;
}

int print_json(FILE *out, json_t *j, struct err *e)
{
	if (!j)
		return err_set(e, ERR_NOMEM, "out of memory");
	int rc = json_dumpf(j, out, JSON_INDENT(2));
	json_decref(j);
	fputc('\n', out);
	return rc ? err_set(e, ERR_NOMEM, "the JSON could not be written") : 0;
}

void print_safe(FILE *out, const char *text)
{
	size_t size = text_printable(NULL, 0, view_str(text)) + 1;
	AUTO(auto_free) char *shown = malloc(size);

	if (shown)
		text_printable(shown, size, view_str(text));
	fputs(shown ? shown : "(out of memory)", out);
}

void print_notes(FILE *out, const struct notes *n)
{
	for (size_t i = 0; i < n->n; i++) {
		print_safe(out, n->text[i]);
		fputc('\n', out);
	}
}
