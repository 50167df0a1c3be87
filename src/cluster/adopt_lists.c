/* Adoption: the trust lists that phones hold. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "cluster/adopt_internal.h"

static bool is_here(const struct adopt *a, struct view file)
{
	for (size_t i = 0; i < a->n_lists; i++)
		if (a->lists[i].list->len == file.len && memcmp(a->lists[i].list->data, file.p, file.len) == 0)
			return true;
	return false;
}

static void device_of(const char *path, char device[16])
{
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;

	device[0] = '\0';
	if (strlen(name) >= 18 && adopt_is_sep(name + 3, 15))
		snprintf(device, 16, "%.15s", name + 3);
}

int adopt_list(struct adopt_scan *s, const char *path, struct view file, struct err *e)
{
	struct adopt *a = s->a;
	struct trust_list *l = NULL;
	struct err why = ERR_INIT;

	if (is_here(a, file))
		return 0;
	if (a->n_lists == ADOPT_LISTS_MAX)
		return err_set(e, ERR_LIMIT, "more than %d different trust lists", ADOPT_LISTS_MAX);
	if (list_parse(file, LIST_ITL, &l, &why) || list_verify_self(l, &why)) {
		list_free(l);
		return notes_add(&a->problems, e,
				 "%s is no trust list that a phone can hold: %s. Put there what phones really have, or leave it out "
				 "with --adopt-as none=%s", path, why.text, path);
	}
	int rc = adopt_grow(&a->lists, a->n_lists, &s->cap_lists, sizeof(*a->lists), e);
	char *name = rc ? NULL : strdup(path);
	if (!name) {
		list_free(l);
		return rc ? rc : err_set(e, ERR_NOMEM, "out of memory");
	}
	struct adopt_list *al = &a->lists[a->n_lists++];
	*al = (struct adopt_list){ .file = name, .type = list_type_of(l), .list = l };
	device_of(path, al->device);
	return 0;
}

/* --- what lists say --- */

/* Roles beyond those that are known have no name and no place here. */
static bool known_function(const struct tlv_record *rec)
{
	return rec->has_function && rec->function < 32 && function_name(rec->function);
}

static int add_record(struct adopt_scan *s, const struct adopt_list *l, size_t i, struct err *e)
{
	const struct tlv_record *rec = &l->list->records[i];
	struct err why = ERR_INIT;
	char file[ADOPT_PATH_MAX + 32];
	struct cert *cert;

	if (!rec->certificate.len || !known_function(rec))
		return 0;
	snprintf(file, sizeof(file), "record %zu of %s", i + 1, l->file);
	if (cert_from_der(rec->certificate, &cert, &why))
		return notes_add(&s->a->notes, e, "%s: its certificate cannot be read: %s.", file, why.text);
	int rc = adopt_add_cert(s, cert, file, NULL, e);
	cert_unref(cert);
	return rc;
}

static void apply_list(struct adopt *a, const struct adopt_list *l)
{
	for (size_t r = 0; r < l->list->n_records; r++)
		for (size_t i = 0; i < a->n_certs && known_function(&l->list->records[r]); i++)
			if (list_record_is_cert(&l->list->records[r], a->certs[i].cert))
				a->certs[i].listed |= FUNCTION_BIT(l->list->records[r].function);
}

int adopt_listed(struct adopt_scan *s, struct err *e)
{
	struct adopt *a = s->a;
	int rc = 0;

	for (size_t i = 0; i < a->n_lists; i++)
		for (size_t r = 0; r < a->lists[i].list->n_records && !rc; r++)
			rc = add_record(s, &a->lists[i], r, e);
	for (size_t i = 0; i < a->n_lists && !rc; i++)
		apply_list(a, &a->lists[i]);
	return rc;
}

/* --- how they are written --- */

const struct trust_list *adopt_newest_itl(const struct adopt *a)
{
	const struct trust_list *best = NULL;

	for (size_t i = 0; i < a->n_lists; i++) {
		const struct trust_list *l = a->lists[i].list;

		if (a->lists[i].type == LIST_ITL &&
		    (!best || (l->header.has_timestamp && l->header.timestamp > best->header.timestamp)))
			best = l;
	}
	return best;
}

static bool is_form(struct view text, struct view der, enum name_form form)
{
	char name[NAME_MAX_LEN];

	return !name_from_der(der, form, name, sizeof(name), NULL) && view_eq(tlv_text(text), view_str(name));
}

/* A phone looks a signer up by its issuer's name as its list has it, so names stay as they were. */
static bool writes_form_c(const struct trust_list *l)
{
	struct cert *cert;
	bool yes = false;

	for (size_t i = 0; i < l->n_records && !yes; i++) {
		const struct tlv_record *rec = &l->records[i];

		if (!rec->certificate.len || cert_from_der(rec->certificate, &cert, NULL))
			continue;
		yes = is_form(rec->issuer, cert_issuer_der(cert), NAME_FORM_C) &&
		      !is_form(rec->issuer, cert_issuer_der(cert), NAME_FORM_A);
		cert_unref(cert);
	}
	return yes;
}

void adopt_habits(struct adopt *a)
{
	const struct trust_list *l = adopt_newest_itl(a);

	a->names = NAME_FORM_A;
	a->digest = DIGEST_SHA1;
	if (!l)
		return;
	const struct tlv_header *h = &l->header;
	if (writes_form_c(l))
		a->names = NAME_FORM_C;
	if (h->digest == DIGEST_SHA512)
		a->digest = DIGEST_SHA512;
	a->advanced = h->has_signer_version && h->signer_version[0] == 1 && h->signer_version[1] >= 1;
}
