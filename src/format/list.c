#include "format/list.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "format/format_internal.h"

const char *list_type_name(enum list_type type)
{
	return type == LIST_CTL ? "CTL" : "ITL";
}

const char *list_type_file_name(enum list_type type)
{
	return type == LIST_CTL ? "CTLFile.tlv" : "ITLFile.tlv";
}

static void warn(struct trust_list *l, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* Without memory a warning is lost; the list is not. */
static void warn(struct trust_list *l, const char *fmt, ...)
{
	char *text = NULL;
	va_list ap;

	char **more = realloc(l->warnings, (l->n_warnings + 1) * sizeof(*more));
	if (!more)
		return;
	l->warnings = more;
	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) >= 0)
		l->warnings[l->n_warnings++] = text;
	va_end(ap);
}

static void check_file_name(struct trust_list *l, enum list_type type)
{
	struct view name = tlv_text(l->header.file_name);
	char shown[128];

	if (!l->header.file_name.p) {
		warn(l, "the header has no FILENAME; a phone cannot tell which file was signed");
	} else if (!view_eq(name, view_str(list_type_file_name(type)))) {
		text_escape(shown, sizeof(shown), name);
		warn(l, "FILENAME is '%s', not '%s'", shown, list_type_file_name(type));
	}
}

static void check_unknown(struct trust_list *l)
{
	if (l->header.n_unknown)
		warn(l, "%u unknown header element%s skipped, the first with tag %u", l->header.n_unknown,
		     l->header.n_unknown == 1 ? " was" : "s were", l->header.unknown_tag);
	for (size_t i = 0; i < l->n_records; i++)
		if (l->records[i].n_unknown)
			warn(l, "record %zu: %u unknown element%s skipped, the first with tag %u", i + 1,
			     l->records[i].n_unknown, l->records[i].n_unknown == 1 ? " was" : "s were",
			     l->records[i].unknown_tag);
}

static void check_sast(struct trust_list *l, enum list_type type)
{
	unsigned n = 0, max = type == LIST_CTL ? LIST_MAX_SAST_CTL : LIST_MAX_SAST;

	for (size_t i = 0; i < l->n_records; i++)
		n += l->records[i].has_function && l->records[i].function == FUNCTION_SAST;
	if (n > max)
		warn(l, "%u records are System Administrator Security Tokens; phones keep at most %u", n, max);
	else if (n > LIST_MAX_SAST)
		warn(l, "%u records are System Administrator Security Tokens; some phone models are only known to work with %u", n,
		     LIST_MAX_SAST);
}

static bool record_same(const struct tlv_record *a, const struct tlv_record *b)
{
	return a->has_function == b->has_function && a->function == b->function && view_eq(a->dns_name, b->dns_name) &&
	       view_eq(a->serial, b->serial) && view_eq(a->issuer, b->issuer) &&
	       view_eq(a->certificate, b->certificate) && view_eq(a->cert_hash, b->cert_hash);
}

static void check_duplicates(struct trust_list *l)
{
	for (size_t i = 1; i < l->n_records; i++)
		for (size_t j = 0; j < i; j++)
			if (record_same(&l->records[i], &l->records[j])) {
				warn(l, "record %zu repeats record %zu", i + 1, j + 1);
				break;
			}
}

static void check_list(struct trust_list *l, enum list_type type)
{
	if (l->len > LIST_PHONE_LIMIT)
		warn(l, "the list has %zu octets; phones do not load more than %d", l->len, LIST_PHONE_LIMIT);
	check_file_name(l, type);
	check_sast(l, type);
	check_duplicates(l);
	check_unknown(l);
}

static int records_grow(struct trust_list *l, size_t *room, struct err *e)
{
	if (l->n_records < *room)
		return 0;
	if (l->n_records == LIST_MAX_RECORDS)
		return err_set(e, ERR_LIMIT, "the list has more than %d records", LIST_MAX_RECORDS);
	size_t n = *room ? *room * 2 : 8;
	struct tlv_record *more = realloc(l->records, n * sizeof(*more));
	if (!more)
		return err_set(e, ERR_NOMEM, "out of memory for %zu records", n);
	l->records = more;
	*room = n;
	return 0;
}

static int read_records(struct trust_list *l, struct err *e)
{
	size_t room = 0;
	struct rd r;

	rd_init(&r, l->data, l->len);
	rd_skip(&r, l->header.header_len);
	while (r.left) {
		int err = records_grow(l, &room, e);
		if (!err)
			err = tlv_record_next(&r, &l->records[l->n_records], e);
		if (err) {
			err_prefix(e, "record %zu", l->n_records + 1);
			return err;
		}
		l->n_records++;
	}
	return 0;
}

int list_parse(struct view file, enum list_type type, struct trust_list **out, struct err *e)
{
	if (file.len > TLV_FILE_MAX)
		return err_set(e, ERR_LIMIT, "the file has %zu octets; more than %d are not read", file.len, TLV_FILE_MAX);
	struct trust_list *l = calloc(1, sizeof(*l));
	uint8_t *data = malloc(file.len ? file.len : 1);
	if (!l || !data) {
		free(l);
		free(data);
		return err_set(e, ERR_NOMEM, "out of memory for a list of %zu octets", file.len);
	}
	if (file.len)
		memcpy(data, file.p, file.len);
	l->data = data;
	l->len = file.len;
	l->signer = -1;
	int err = tlv_header_read((struct view){data, file.len}, &l->header, e);
	if (!err)
		err = read_records(l, e);
	if (err) {
		list_free(l);
		return err;
	}
	check_list(l, type);
	*out = l;
	return 0;
}

void list_free(struct trust_list *l)
{
	if (!l)
		return;
	for (size_t i = 0; i < l->n_warnings; i++)
		free(l->warnings[i]);
	free(l->warnings);
	free(l->records);
	free(l->data);
	free(l);
}

static bool starts_with(struct view v, const char *prefix)
{
	size_t n = strlen(prefix);

	return v.len >= n && memcmp(v.p, prefix, n) == 0;
}

enum list_type list_type_of(const struct trust_list *l)
{
	if (starts_with(l->header.file_name, "CTL"))
		return LIST_CTL;
	if (starts_with(l->header.file_name, "ITL"))
		return LIST_ITL;
	for (size_t i = 0; i < l->n_records; i++)
		if (l->records[i].has_function && l->records[i].function == FUNCTION_TVS)
			return LIST_ITL;
	return LIST_CTL;
}

enum match { MATCH_NONE, MATCH_SERIAL, MATCH_BOTH };

static enum match record_match(const struct tlv_record *rec, int function, struct view issuer, struct view serial)
{
	if (function >= 0 && (!rec->has_function || rec->function != function))
		return MATCH_NONE;
	if (!rec->serial.p || !serial.p || !serial_same(rec->serial, serial))
		return MATCH_NONE;
	return !rec->issuer.p || !issuer.p || name_same(rec->issuer, issuer) ? MATCH_BOTH : MATCH_SERIAL;
}

static int find_match(const struct trust_list *l, int from, enum match want, int function, struct view issuer,
		      struct view serial)
{
	for (size_t i = (size_t)(from + 1); i < l->n_records; i++)
		if (record_match(&l->records[i], function, issuer, serial) == want)
			return (int)i;
	return -1;
}

int list_find(const struct trust_list *l, int from, int function, struct view issuer, struct view serial)
{
	bool by_both = from < 0 || record_match(&l->records[from], function, issuer, serial) == MATCH_BOTH;

	if (by_both) {
		int i = find_match(l, from, MATCH_BOTH, function, issuer, serial);
		if (i >= 0)
			return i;
		from = -1;
	}
	return find_match(l, from, MATCH_SERIAL, function, issuer, serial);
}

bool list_record_is_token(const struct tlv_record *rec)
{
	return rec->has_function && rec->function == FUNCTION_SAST && rec->certificate.len && !rec->signature.p &&
	       tlv_text(rec->dns_name).len == 0;
}

bool list_has_tokens(const struct trust_list *list)
{
	for (size_t i = 0; list && i < list->n_records; i++)
		if (list_record_is_token(&list->records[i]))
			return true;
	return false;
}

static enum digest hash_of(const struct tlv_record *rec)
{
	if (digest_known(rec->hash_algorithm))
		return (enum digest)rec->hash_algorithm;
	for (unsigned d = DIGEST_SHA1; d <= DIGEST_SHA512 && !rec->hash_algorithm; d++)
		if (digest_len((enum digest)d) == rec->cert_hash.len)
			return (enum digest)d;
	return 0;
}

bool list_record_is_cert(const struct tlv_record *rec, const struct cert *c)
{
	uint8_t hash[DIGEST_MAX];

	if (rec->certificate.p)
		return view_eq(rec->certificate, cert_der(c));
	enum digest d = rec->cert_hash.p ? hash_of(rec) : 0;
	if (!d || digest_one(d, cert_der(c), hash, NULL))
		return false;
	return view_eq(rec->cert_hash, (struct view){hash, digest_len(d)});
}
