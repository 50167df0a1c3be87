#include "phone/traits.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "phone/traits_internal.h"

#define ROWS_MAX 64
#define LINE_MAX_LEN 512
#define CELL_MAX 160

struct traits_table {
	struct traits rows[ROWS_MAX];
	size_t n;
};

/* Where a line is, for error texts. */
struct place {
	const char *name;
	unsigned line;
};

/* ---- cells ---- */

struct word {
	const char *word;
	unsigned value;
};

static const struct word yes_no[] = {{"no", TRAIT_NO}, {"yes", TRAIT_YES}, {"?", TRAIT_UNKNOWN}, {0}};
static const struct word transports[] = {
	{"tftp", TRANSPORT_TFTP}, {"http", TRANSPORT_HTTP}, {"?", TRANSPORT_UNKNOWN}, {0}};
static const struct word checksums[] = {
	{"md5", CHECKSUM_MD5}, {"sha1", CHECKSUM_SHA1}, {"?", CHECKSUM_UNKNOWN}, {0}};

/* "value source" or "?": cut the cell at its blank, and insist on the source. */
static int split(const struct place *at, char *cell, struct err *e)
{
	char *source = strchr(cell, ' ');

	if (!strcmp(cell, "?"))
		return 0;
	if (!source || !source[1] || strchr(source + 1, ' '))
		return err_rule(e, "models-source", -1, "%s:%u: '%s' must be a value and its source, or '?'", at->name,
				at->line, cell);
	*source = '\0';
	return 0;
}

static int word(const struct place *at, char *cell, const struct word *table, unsigned *v, struct err *e)
{
	int rc = split(at, cell, e);

	if (rc)
		return rc;
	for (; table->word; table++)
		if (!strcmp(table->word, cell)) {
			*v = table->value;
			return 0;
		}
	return err_rule(e, "models-value", -1, "%s:%u: the value '%s' is not allowed here", at->name, at->line, cell);
}

static int number(const struct place *at, char *cell, uint32_t *v, struct err *e)
{
	uint64_t n = 0;
	int rc = split(at, cell, e);

	if (rc)
		return rc;
	if (strcmp(cell, "?") && !text_number(cell, 1, UINT32_MAX, &n))
		return err_rule(e, "models-value", -1, "%s:%u: '%s' is not a number", at->name, at->line, cell);
	*v = (uint32_t)n;
	return 0;
}

/* ---- lines ---- */

enum column { FAMILY, MODELS, ASKS_TVS, SHA512, EC, TLS10, FIRST, LIST_LIMIT, MAX_SAST, CHECKSUM, COLUMNS };

static const char *const titles[COLUMNS] = {
	"family", "models", "asks-tvs", "sha512", "ec", "tls10-only", "first", "list-limit", "max-sast", "checksum",
};

static int cells(const struct place *at, const char *line, char out[COLUMNS][CELL_MAX], struct err *e)
{
	size_t n = 0;

	for (const char *p = line; p; n++) {
		size_t len = strcspn(p, "|"), skip = strspn(p, " ");
		size_t end = len;

		skip = skip < len ? skip : len;
		while (end > skip && p[end - 1] == ' ')
			end--;
		if (n == COLUMNS || end - skip >= CELL_MAX || end == skip)
			return err_rule(e, "models-column", -1, "%s:%u: %s", at->name, at->line,
					n == COLUMNS ? "too many columns" : "an empty or overlong column");
		memcpy(out[n], p + skip, end - skip);
		out[n][end - skip] = '\0';
		p = p[len] ? p + len + 1 : NULL;
	}
	if (n != COLUMNS)
		return err_rule(e, "models-column", -1, "%s:%u: %zu columns, not %d", at->name, at->line, n, COLUMNS);
	return 0;
}

static int heading(const struct place *at, char c[COLUMNS][CELL_MAX], struct err *e)
{
	for (size_t i = 0; i < COLUMNS; i++)
		if (strcmp(c[i], titles[i]))
			return err_rule(e, "models-column", -1, "%s:%u: column %zu is called '%s', not '%s'", at->name,
					at->line, i + 1, titles[i], c[i]);
	return 0;
}

static int row(const struct place *at, char c[COLUMNS][CELL_MAX], struct traits *t, struct err *e)
{
	unsigned asks = 0, sha512 = 0, ec = 0, tls10 = 0, first = 0, checksum = 0;
	int rc;

	*t = (struct traits){0};
	if (strlen(c[FAMILY]) >= sizeof t->family)
		return err_rule(e, "models-column", -1, "%s:%u: the name of the family is too long", at->name, at->line);
	if ((rc = word(at, c[ASKS_TVS], yes_no, &asks, e)) || (rc = word(at, c[SHA512], yes_no, &sha512, e)) ||
	    (rc = word(at, c[EC], yes_no, &ec, e)) || (rc = word(at, c[TLS10], yes_no, &tls10, e)) ||
	    (rc = word(at, c[FIRST], transports, &first, e)) || (rc = word(at, c[CHECKSUM], checksums, &checksum, e)) ||
	    (rc = number(at, c[LIST_LIMIT], &t->list_limit, e)) || (rc = number(at, c[MAX_SAST], &t->max_sast, e)))
		return rc;
	memcpy(t->family, c[FAMILY], strlen(c[FAMILY]));
	memcpy(t->models, c[MODELS], strlen(c[MODELS]));
	t->asks_tvs = asks;
	t->sha512 = sha512;
	t->ec = ec;
	t->tls10_only = tls10;
	t->transport = first;
	t->checksum = checksum;
	return 0;
}

static int add(const struct place *at, struct traits_table *t, const struct traits *r, struct err *e)
{
	for (size_t i = 0; i < t->n; i++)
		if (!strcmp(t->rows[i].family, r->family))
			return err_rule(e, "models-duplicate", -1, "%s:%u: family '%s' is there twice", at->name, at->line,
					r->family);
	if (t->n == ROWS_MAX)
		return err_rule(e, "models-column", -1, "%s:%u: more than %d families", at->name, at->line, ROWS_MAX);
	t->rows[t->n++] = *r;
	return 0;
}

static int take_line(const struct place *at, const char *line, bool *titled, struct traits_table *t, struct err *e)
{
	char c[COLUMNS][CELL_MAX];
	struct traits r;
	int rc;

	if (*line == '#' || !line[strspn(line, " \r")])
		return 0;
	if ((rc = cells(at, line, c, e)))
		return rc;
	if (!*titled) {
		*titled = true;
		return heading(at, c, e);
	}
	rc = row(at, c, &r, e);
	return rc ? rc : add(at, t, &r, e);
}

int traits_parse(struct view text, const char *name, struct traits_table **out, struct err *e)
{
	struct traits_table *t = calloc(1, sizeof *t);
	struct place at = {name, 0};
	char line[LINE_MAX_LEN];
	bool titled = false;
	struct rd r;
	uint8_t octet;
	int rc = 0;

	if (!t)
		return err_set(e, ERR_NOMEM, "no memory for the model table");
	rd_init(&r, text.p, text.len);
	while (!rc && !rd_done(&r)) {
		size_t n = 0;

		at.line++;
		while (n < sizeof line - 1 && rd_u8(&r, &octet) && octet != '\n')
			line[n++] = (char)octet;
		line[n] = '\0';
		if (n == sizeof line - 1 || memchr(line, 0, n))
			rc = err_rule(e, "models-column", -1, "%s:%u: the line is too long, or not text", name, at.line);
		else
			rc = take_line(&at, line, &titled, t, e);
		r.failed = false; /* the last line may end without a newline */
	}
	if (!rc && (!t->n || strcmp(t->rows[t->n - 1].family, "default")))
		rc = err_rule(e, "models-default", -1, "%s: the last line must be the family 'default'", name);
	if (rc) {
		traits_free(t);
		return rc;
	}
	*out = t;
	return 0;
}

void traits_free(struct traits_table *t)
{
	free(t);
}

struct view traits_builtin(void)
{
	return (struct view){traits_data, traits_data_len};
}

/* ---- looking up ---- */

static bool pattern_matches(const char *pattern, size_t len, const char *model)
{
	size_t i;

	for (i = 0; i < len && pattern[i] != '*'; i++) {
		if (pattern[i] == 'x' ? !isdigit((unsigned char)model[i])
				      : toupper((unsigned char)pattern[i]) != toupper((unsigned char)model[i]))
			return false;
	}
	return i < len || !model[i];
}

static bool row_matches(const struct traits *t, const char *model)
{
	for (const char *p = t->models; *p;) {
		size_t len = strcspn(p, " ");

		if (len && pattern_matches(p, len, model))
			return true;
		p += len;
		p += strspn(p, " ");
	}
	return false;
}

const struct traits *traits_find(const struct traits_table *t, const char *model)
{
	if (!strncasecmp(model, "CP-", 3))
		model += 3;
	for (size_t i = 0; i + 1 < t->n; i++)
		if (row_matches(&t->rows[i], model))
			return &t->rows[i];
	return &t->rows[t->n - 1];
}

const struct traits *traits_at(const struct traits_table *t, size_t i)
{
	return i < t->n ? &t->rows[i] : NULL;
}

bool traits_asks_tvs(const struct traits *t)
{
	return t->asks_tvs == TRAIT_YES;
}

bool traits_sha512(const struct traits *t)
{
	return t->sha512 == TRAIT_YES;
}

bool traits_ec(const struct traits *t)
{
	return t->ec == TRAIT_YES;
}

uint32_t traits_list_limit(const struct traits *t)
{
	return t->list_limit ? t->list_limit : 65536;
}

uint32_t traits_max_sast(const struct traits *t)
{
	return t->max_sast ? t->max_sast : 2;
}
