#include "cluster/phones_csv.h"

#include <time.h>

#include "base/csv.h"
#include "base/text.h"
#include "cluster/phones_internal.h"

#define NAME_COLUMN "Device Name"

/* What an export shows and an import passes over. */
static const char *const shown[] = {
	"Certificate Operation Status", "LSC Issuer", "LSC Expires", "LSC Last Proven", "MIC Issuer", "MIC Expires",
	"Last Contact", "Last Address", NULL,
};

bool phones_csv_column(const char *title, unsigned *column)
{
	enum phone_field f;

	if (phone_field_find(title, &f)) {
		*column = f;
		return true;
	}
	for (const char *const *s = shown; *s; s++)
		if (text_same(*s, title)) {
			*column = PHONES_CSV_SHOWN;
			return true;
		}
	*column = text_same(title, NAME_COLUMN) ? PHONES_CSV_NAME : PHONES_CSV_STRING;
	return *column == PHONES_CSV_NAME || text_same(title, "Authentication String");
}

void phones_csv_text(const struct store_device *d, enum phone_field f, char *out, size_t size)
{
	struct store_device own = *d;

	if (own.renewal) {
		own.operation = DEVICE_NO_OPERATION;
		own.complete_by = 0;
	}
	phone_field_text(&own, f, out, size);
}

static void put_time(FILE *out, int64_t when)
{
	char text[32] = "";
	time_t t = (time_t)when;
	struct tm tm;

	if (when && localtime_r(&t, &tm))
		strftime(text, sizeof(text), "%Y:%m:%d:%H:%M", &tm);
	csv_put(out, false, text);
}

int phones_export_row(void *out, const struct store_device *d)
{
	char text[STORE_NAME_SIZE];

	csv_put(out, true, d->name);
	for (enum phone_field f = 0; f < PHONE_N_FIELDS; f++) {
		phones_csv_text(d, f, text, sizeof(text));
		csv_put(out, false, text);
	}
	csv_put(out, false, d->status);
	csv_put(out, false, d->lsc.issuer);
	put_time(out, d->lsc.not_after);
	put_time(out, d->lsc_proven);
	csv_put(out, false, d->mic.issuer);
	put_time(out, d->mic.not_after);
	put_time(out, d->last_seen);
	csv_put(out, false, d->last_address);
	fputs("\r\n", out);
	return ferror(out) ? ERR_IO : 0;
}

void phones_export_head(FILE *out)
{
	csv_put(out, true, NAME_COLUMN);
	for (enum phone_field i = 0; i < PHONE_N_FIELDS; i++)
		csv_put(out, false, phone_field_name(i));
	for (const char *const *s = shown; *s; s++)
		csv_put(out, false, *s);
	fputs("\r\n", out);
}
