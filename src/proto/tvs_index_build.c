#include <stdlib.h>
#include <string.h>

#include "proto/tvs_index_internal.h"

#define KEYS_MAX 12 /* a certificate: three name forms, plain and reduced, two byte orders of its serial */

struct entry {
	const struct cert *cert;
	uint32_t roles, ttl_s;
};

struct name_slot {
	uint8_t key[KEY_LEN];
	uint32_t entry; /* + 1, 0: free */
};

struct builder {
	struct entry *entries;
	uint32_t n_entries;
	uint32_t *by_hash;
	uint32_t n_hash;
	struct name_slot *by_name, *keys; /* keys: in the order of their certificates, before they are put in their slots */
	size_t n_keys;
	uint32_t n_name;
};

static uint32_t slots_for(size_t n)
{
	uint32_t slots = 8;

	while (slots < 2 * n)
		slots *= 2;
	return slots;
}

/* A certificate that is there already gives its roles to the entry; the shorter TTL is the careful one. */
static void add_entry(struct builder *b, const struct tvs_index_item *item)
{
	uint32_t i = tvs_index_slot(cert_sha256(item->cert), b->n_hash);
	struct entry *en;

	for (; b->by_hash[i]; i = (i + 1) & (b->n_hash - 1)) {
		en = &b->entries[b->by_hash[i] - 1];
		if (!cert_same(en->cert, item->cert))
			continue;
		en->roles |= item->roles;
		en->ttl_s = item->ttl_s < en->ttl_s ? item->ttl_s : en->ttl_s;
		return;
	}
	b->entries[b->n_entries++] = (struct entry){item->cert, item->roles, item->ttl_s};
	b->by_hash[i] = b->n_entries;
}

static int add_key(struct builder *b, size_t first, uint32_t entry, struct view serial, const char *name, size_t len,
		   struct err *e)
{
	struct name_slot *k = &b->keys[b->n_keys];
	int rc = tvs_index_key(serial, name, len, k->key, e);

	if (rc)
		return rc;
	for (size_t i = first; i < b->n_keys; i++)
		if (!memcmp(b->keys[i].key, k->key, KEY_LEN))
			return 0;
	k->entry = entry + 1;
	b->n_keys++;
	return 0;
}

/* The normalised forms of one issuer, each once: usually one or two of six. */
struct names {
	char key[2 * 3][NAME_KEY_MAX];
	size_t len[2 * 3];
	size_t n;
};

static void add_name(struct names *names, const char *name, bool reduced)
{
	char *key = names->key[names->n];
	size_t len = name_key(view_str(name), reduced, key, NAME_KEY_MAX);

	if (!len)
		return;
	for (size_t i = 0; i < names->n; i++)
		if (names->len[i] == len && !memcmp(names->key[i], key, len))
			return;
	names->len[names->n++] = len;
}

static void names_of(struct view issuer, struct names *names)
{
	static const enum name_form forms[] = {NAME_FORM_A, NAME_FORM_B, NAME_FORM_C};
	char name[NAME_MAX_LEN];

	names->n = 0;
	for (size_t f = 0; f < sizeof forms / sizeof *forms; f++) {
		if (name_from_der(issuer, forms[f], name, sizeof name, NULL))
			continue; /* longer than any trust list could carry */
		add_name(names, name, false);
		add_name(names, name, true);
	}
}

/* Every way in which a signed file may name this certificate. */
static int add_keys(struct builder *b, uint32_t entry, struct names *names, struct err *e)
{
	const struct cert *c = b->entries[entry].cert;
	struct view serial = serial_strip(cert_serial(c)), backwards;
	uint8_t reversed[64];
	size_t first = b->n_keys;
	int rc;

	/* certificates of one issuer often stand together */
	if (!entry || !view_eq(cert_issuer_der(c), cert_issuer_der(b->entries[entry - 1].cert)))
		names_of(cert_issuer_der(c), names);
	if (serial.len > sizeof reversed)
		return 0; /* no trust list could name it; it is still found by its hash */
	for (size_t i = 0; i < serial.len; i++)
		reversed[i] = serial.p[serial.len - 1 - i];
	backwards = serial_strip((struct view){reversed, serial.len});
	for (size_t i = 0; i < names->n; i++)
		if ((rc = add_key(b, first, entry, serial, names->key[i], names->len[i], e)) ||
		    (rc = add_key(b, first, entry, backwards, names->key[i], names->len[i], e)))
			return rc;
	return 0;
}

static void place_keys(struct builder *b)
{
	for (size_t k = 0; k < b->n_keys; k++) {
		uint32_t i = tvs_index_slot(b->keys[k].key, b->n_name);

		while (b->by_name[i].entry)
			i = (i + 1) & (b->n_name - 1);
		b->by_name[i] = b->keys[k];
	}
}

static int fill(struct builder *b, const struct tvs_index_item *items, size_t n, struct err *e)
{
	struct names names = {.n = 0};
	int rc;

	if (n > ENTRIES_MAX)
		return err_set(e, ERR_LIMIT, "TVS cannot hold more than %d certificates", ENTRIES_MAX);
	b->n_hash = slots_for(n);
	b->entries = calloc(n + 1, sizeof *b->entries);
	b->by_hash = calloc(b->n_hash, sizeof *b->by_hash);
	b->keys = calloc(n * KEYS_MAX + 1, sizeof *b->keys);
	if (!b->entries || !b->by_hash || !b->keys)
		return err_set(e, ERR_NOMEM, "no memory for the TVS index of %zu certificates", n);
	for (size_t i = 0; i < n; i++)
		add_entry(b, &items[i]);
	for (uint32_t i = 0; i < b->n_entries; i++)
		if ((rc = add_keys(b, i, &names, e)))
			return rc;
	b->n_name = slots_for(b->n_keys);
	b->by_name = calloc(b->n_name, sizeof *b->by_name);
	if (!b->by_name)
		return err_set(e, ERR_NOMEM, "no memory for the TVS index of %zu certificates", n);
	place_keys(b);
	return 0;
}

static void builder_clear(struct builder *b)
{
	free(b->entries);
	free(b->by_hash);
	free(b->by_name);
	free(b->keys);
}

static void write_file(const struct builder *b, struct wr *w)
{
	uint64_t at = HEADER_LEN + (uint64_t)b->n_entries * ENTRY_LEN + (uint64_t)b->n_hash * HASH_SLOT_LEN +
		      (uint64_t)b->n_name * NAME_SLOT_LEN;
	uint64_t len = at;

	for (uint32_t i = 0; i < b->n_entries; i++)
		len += cert_der(b->entries[i].cert).len;
	wr_bytes(w, INDEX_MAGIC, 8);
	wr_u32(w, INDEX_VERSION);
	wr_u32(w, b->n_entries);
	wr_u32(w, b->n_hash);
	wr_u32(w, b->n_name);
	wr_u64(w, len);
	wr_fill(w, 0, SHA256_LEN);
	for (uint32_t i = 0; i < b->n_entries; i++) {
		const struct entry *en = &b->entries[i];
		struct view der = cert_der(en->cert);

		wr_bytes(w, cert_sha256(en->cert), SHA256_LEN);
		wr_u64(w, at);
		wr_u32(w, (uint32_t)der.len);
		wr_u32(w, en->roles);
		wr_u32(w, en->ttl_s);
		wr_u32(w, 0);
		at += der.len;
	}
	for (uint32_t i = 0; i < b->n_hash; i++)
		wr_u32(w, b->by_hash[i]);
	for (uint32_t i = 0; i < b->n_name; i++) {
		wr_bytes(w, b->by_name[i].key, KEY_LEN);
		wr_u32(w, b->by_name[i].entry);
	}
	for (uint32_t i = 0; i < b->n_entries; i++)
		wr_view(w, cert_der(b->entries[i].cert));
}

int tvs_index_build(const struct tvs_index_item *items, size_t n, uint8_t **data, size_t *len, struct err *e)
{
	struct builder b = {0};
	uint8_t sum[SHA256_LEN], *out = NULL;
	size_t out_len;
	struct wr w;
	int rc;

	wr_init(&w, FILE_MAX_LEN);
	rc = fill(&b, items, n, e);
	if (rc)
		goto out;
	write_file(&b, &w);
	rc = wr_finish(&w, &out, &out_len, e);
	if (rc)
		goto out;
	rc = tvs_index_checksum((struct view){out, out_len}, sum, e);
	if (rc)
		goto out;
	memcpy(out + CHECKSUM_AT, sum, SHA256_LEN);
	*data = out;
	*len = out_len;
	out = NULL;
out:
	free(out);
	wr_clear(&w);
	builder_clear(&b);
	return rc;
}
