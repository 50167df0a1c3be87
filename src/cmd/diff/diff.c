#include "cmd/diff/diff.h"

#include <stdlib.h>
#include <string.h>

#include "base/text.h"

/* Which record of the new list each record of the old one became, and the reverse. -1: none. */
struct pairing {
	int to_b[LIST_MAX_RECORDS];
	int to_a[LIST_MAX_RECORDS];
};

static bool same_octets(const struct tlv_record *a, const struct tlv_record *b)
{
	return view_eq(a->raw, b->raw);
}

static bool same_function(const struct tlv_record *a, const struct tlv_record *b)
{
	return a->has_function == b->has_function && a->function == b->function;
}

static bool same_subject(const struct tlv_record *a, const struct tlv_record *b)
{
	return same_function(a, b) && a->subject.p && b->subject.p && name_same(a->subject, b->subject);
}

/* The same host with the same function: a renewed certificate of another subject, or one that a non-secure CTL emptied. */
static bool same_host(const struct tlv_record *a, const struct tlv_record *b)
{
	return same_function(a, b) && tlv_text(a->dns_name).len && view_eq(tlv_text(a->dns_name), tlv_text(b->dns_name));
}

static void pair_by(struct pairing *p, const struct trust_list *a, const struct trust_list *b,
		    bool (*same)(const struct tlv_record *, const struct tlv_record *))
{
	for (size_t i = 0; i < a->n_records; i++) {
		for (size_t j = 0; j < b->n_records && p->to_b[i] < 0; j++) {
			if (p->to_a[j] < 0 && same(&a->records[i], &b->records[j])) {
				p->to_b[i] = (int)j;
				p->to_a[j] = (int)i;
			}
		}
	}
}

static void pair(struct pairing *p, const struct trust_list *a, const struct trust_list *b)
{
	for (size_t i = 0; i < LIST_MAX_RECORDS; i++)
		p->to_b[i] = p->to_a[i] = -1;
	pair_by(p, a, b, same_octets);
	pair_by(p, a, b, same_subject);
	pair_by(p, a, b, same_host);
}

/* ---- what changed ---- */

static void add(struct diff *d, enum diff_kind kind, int a, int b)
{
	if (d->n_changes < DIFF_MAX)
		d->changes[d->n_changes++] = (struct diff_change){.kind = kind, .a = a, .b = b};
}

static void add_field(struct diff *d, int a, int b, const char *field, const char *from, const char *to)
{
	if (strcmp(from, to) == 0 || d->n_changes == DIFF_MAX)
		return;
	struct diff_change *c = &d->changes[d->n_changes++];
	*c = (struct diff_change){.kind = DIFF_FIELD, .a = a, .b = b, .field = field};
	snprintf(c->from, sizeof(c->from), "%s", from);
	snprintf(c->to, sizeof(c->to), "%s", to);
}

static const char *text_of(char *out, size_t size, struct view v)
{
	if (!v.p)
		return "none";
	text_escape(out, size, tlv_text(v));
	return out;
}

static void add_text(struct diff *d, int a, int b, const char *field, struct view from, struct view to)
{
	char x[DIFF_TEXT], y[DIFF_TEXT];

	add_field(d, a, b, field, text_of(x, sizeof(x), from), text_of(y, sizeof(y), to));
}

static const char *hex_of(char *out, size_t size, struct view v)
{
	if (!v.p)
		return "none";
	text_hex(out, size, v, ':', true);
	return out;
}

static void add_hex(struct diff *d, int a, int b, const char *field, struct view from, struct view to)
{
	char x[DIFF_TEXT], y[DIFF_TEXT];

	if (!view_eq(from, to))
		add_field(d, a, b, field, hex_of(x, sizeof(x), from), hex_of(y, sizeof(y), to));
}

/* A certificate by its SHA-1, as `show` prints it; a record with the hash alone by that hash. */
static const char *certificate_of(char *out, size_t size, const struct tlv_record *rec)
{
	uint8_t sha1[DIGEST_MAX];
	char hex[3 * DIGEST_MAX + 1];

	if (rec->certificate.p && digest_one(DIGEST_SHA1, rec->certificate, sha1, NULL) == 0) {
		text_hex(hex, sizeof(hex), (struct view){sha1, digest_len(DIGEST_SHA1)}, ' ', true);
		snprintf(out, size, "whole, SHA-1 %s", hex);
	} else if (rec->cert_hash.p) {
		text_hex(hex, sizeof(hex), rec->cert_hash, ' ', true);
		snprintf(out, size, "hash only, %s", hex);
	} else {
		snprintf(out, size, "none");
	}
	return out;
}

static void compare_records(struct diff *d, const struct tlv_record *a, const struct tlv_record *b, int i, int j)
{
	char x[DIFF_TEXT], y[DIFF_TEXT];
	size_t before = d->n_changes;

	add_text(d, i, j, "DNSNAME", a->dns_name, b->dns_name);
	add_text(d, i, j, "SUBJECTNAME", a->subject, b->subject);
	add_text(d, i, j, "ISSUERNAME", a->issuer, b->issuer);
	add_hex(d, i, j, "SERIALNUMBER", a->serial, b->serial);
	add_field(d, i, j, "certificate", certificate_of(x, sizeof(x), a), certificate_of(y, sizeof(y), b));
	add_hex(d, i, j, "IPADDRESS", a->ip_address, b->ip_address);
	if (d->n_changes == before) /* the order of elements, PUBLICKEY, SIGNATURE */
		add_field(d, i, j, "encoding", "one", "another");
}

static const char *version_of(char *out, size_t size, bool present, unsigned major, unsigned minor)
{
	if (!present)
		return "none";
	snprintf(out, size, "%u.%u", major, minor);
	return out;
}

static void compare_headers(struct diff *d, const struct tlv_header *a, const struct tlv_header *b)
{
	char x[DIFF_TEXT], y[DIFF_TEXT];

	add_field(d, -1, -1, "version", version_of(x, sizeof(x), true, a->major, a->minor),
		  version_of(y, sizeof(y), true, b->major, b->minor));
	add_text(d, -1, -1, "FILENAME", a->file_name, b->file_name);
	add_text(d, -1, -1, "SIGNERNAME", a->signer_name, b->signer_name);
	add_text(d, -1, -1, "CANAME", a->ca_name, b->ca_name);
	add_hex(d, -1, -1, "SERIALNUMBER", a->serial, b->serial);
	add_field(d, -1, -1, "digest", digest_name((enum digest)a->digest), digest_name((enum digest)b->digest));
	snprintf(x, sizeof(x), "RSA-%zu", a->signature.len * 8);
	snprintf(y, sizeof(y), "RSA-%zu", b->signature.len * 8);
	add_field(d, -1, -1, "signature", x, y);
	add_field(d, -1, -1, "signer version",
		  version_of(x, sizeof(x), a->has_signer_version, a->signer_version[0], a->signer_version[1]),
		  version_of(y, sizeof(y), b->has_signer_version, b->signer_version[0], b->signer_version[1]));
}

void diff_lists(const struct trust_list *a, const struct trust_list *b, struct diff *d)
{
	struct pairing p;
	int last = -1;

	*d = (struct diff){0};
	compare_headers(d, &a->header, &b->header);
	pair(&p, a, b);
	for (size_t i = 0; i < a->n_records; i++) {
		int j = p.to_b[i];
		if (j < 0)
			add(d, DIFF_REMOVED, (int)i, -1);
		else if (!same_octets(&a->records[i], &b->records[j]))
			compare_records(d, &a->records[i], &b->records[j], (int)i, j);
		if (j >= 0) {
			d->moved |= j < last;
			last = j;
		}
	}
	for (size_t j = 0; j < b->n_records; j++)
		if (p.to_a[j] < 0)
			add(d, DIFF_ADDED, -1, (int)j);
	d->same_file = a->len == b->len && memcmp(a->data, b->data, a->len) == 0;
}
