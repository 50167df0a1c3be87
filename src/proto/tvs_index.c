#include "proto/tvs_index.h"

#include <stdlib.h>
#include <string.h>

#define MAGIC "RFTVSIDX"
#define VERSION 1
#define HEADER_LEN 64
#define CHECKSUM_AT 32   /* octets of the header before the checksum */
#define SHA256_LEN 32
#define ENTRY_LEN 56
#define HASH_SLOT_LEN 4
#define KEY_LEN 16       /* octets of SHA-256 that name slots keep: nobody finds two identities with the same ones */
#define NAME_SLOT_LEN (KEY_LEN + 4)
#define ENTRIES_MAX 4000000
#define FILE_MAX_LEN ((size_t)1 << 36)
#define KEYS_MAX 12      /* a certificate: three name forms, plain and reduced, two byte orders of its serial */

/* ---- keys ---- */

/* The identity that a name slot stands for: serial, with its length before it, and normalised issuer. */
static int identity_key(struct view serial, const char *name, size_t name_len, uint8_t key[KEY_LEN], struct err *e)
{
	uint8_t len = (uint8_t)(serial.len > 255 ? 255 : serial.len);
	struct view parts[3] = {{&len, 1}, serial, {(const uint8_t *)name, name_len}};
	uint8_t hash[DIGEST_MAX];
	int rc = digest_views(DIGEST_SHA256, parts, 3, hash, e);

	if (!rc)
		memcpy(key, hash, KEY_LEN);
	return rc;
}

static uint32_t first_slot(const uint8_t *key, uint32_t n_slots)
{
	uint32_t x = (uint32_t)key[0] << 24 | (uint32_t)key[1] << 16 | (uint32_t)key[2] << 8 | key[3];

	return x & (n_slots - 1);
}

/* ---- builder ---- */

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
	uint32_t i = first_slot(cert_sha256(item->cert), b->n_hash);
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
	int rc = identity_key(serial, name, len, k->key, e);

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
		uint32_t i = first_slot(b->keys[k].key, b->n_name);

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
	wr_bytes(w, MAGIC, 8);
	wr_u32(w, VERSION);
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

static int checksum(struct view file, uint8_t out[SHA256_LEN], struct err *e)
{
	static const uint8_t zeros[SHA256_LEN];
	struct view parts[3] = {{0}, {zeros, SHA256_LEN}, {0}};
	uint8_t hash[DIGEST_MAX];
	struct rd r;
	int rc;

	rd_init(&r, file.p, file.len);
	if (!rd_view(&r, CHECKSUM_AT, &parts[0]) || !rd_skip(&r, SHA256_LEN))
		return err_rule(e, "index-length", 0, "the TVS index is cut off");
	parts[2] = rd_rest(&r);
	rc = digest_views(DIGEST_SHA256, parts, 3, hash, e);
	if (!rc)
		memcpy(out, hash, SHA256_LEN);
	return rc;
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
	rc = checksum((struct view){out, out_len}, sum, e);
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

/* ---- reader ---- */

struct stored {
	struct view sha256;
	uint64_t at;
	uint32_t len, roles, ttl_s, zero;
};

static bool read_entry(const struct tvs_index *ix, uint32_t i, struct stored *s)
{
	struct rd r;

	rd_init(&r, ix->entries.p, ix->entries.len);
	return rd_skip(&r, (size_t)i * ENTRY_LEN) && rd_view(&r, SHA256_LEN, &s->sha256) && rd_u64(&r, &s->at) &&
	       rd_u32(&r, &s->len) && rd_u32(&r, &s->roles) && rd_u32(&r, &s->ttl_s) && rd_u32(&r, &s->zero);
}

static bool read_der(const struct tvs_index *ix, const struct stored *s, struct view *der)
{
	struct rd r;

	rd_init(&r, ix->file.p, ix->file.len);
	return s->at <= ix->file.len && rd_skip(&r, (size_t)s->at) && rd_view(&r, s->len, der);
}

static bool answer_from(const struct tvs_index *ix, uint32_t i, struct tvs_answer *a)
{
	struct stored s;
	struct view der;

	if (!read_entry(ix, i, &s) || !read_der(ix, &s, &der))
		return false;
	*a = (struct tvs_answer){der, s.roles, s.ttl_s};
	return true;
}

static uint32_t hash_slot(const struct tvs_index *ix, uint32_t i)
{
	uint32_t entry = 0;
	struct rd r;

	rd_init(&r, ix->by_hash.p, ix->by_hash.len);
	return rd_skip(&r, (size_t)i * HASH_SLOT_LEN) && rd_u32(&r, &entry) ? entry : 0;
}

static uint32_t name_slot(const struct tvs_index *ix, uint32_t i, struct view *key)
{
	uint32_t entry = 0;
	struct rd r;

	rd_init(&r, ix->by_name.p, ix->by_name.len);
	return rd_skip(&r, (size_t)i * NAME_SLOT_LEN) && rd_view(&r, KEY_LEN, key) && rd_u32(&r, &entry) ? entry : 0;
}

static int check_layout(struct tvs_index *ix, struct view *sum, struct err *e)
{
	struct view magic;
	uint32_t version;
	uint64_t len;
	struct rd r;

	rd_init(&r, ix->file.p, ix->file.len);
	if (!rd_view(&r, 8, &magic) || memcmp(magic.p, MAGIC, 8))
		return err_rule(e, "index-magic", 0, "this is no TVS index");
	if (!rd_u32(&r, &version) || version != VERSION)
		return err_rule(e, "index-version", 8, "the TVS index was written by another version of Ringfence");
	if (!rd_u32(&r, &ix->n_entries) || !rd_u32(&r, &ix->n_hash) || !rd_u32(&r, &ix->n_name) || !rd_u64(&r, &len) ||
	    !rd_view(&r, SHA256_LEN, sum) || len != ix->file.len)
		return err_rule(e, "index-length", 24, "the TVS index is not as long as it says");
	if (ix->n_entries > ENTRIES_MAX || ix->n_hash <= ix->n_entries || ix->n_hash & (ix->n_hash - 1) || !ix->n_name ||
	    ix->n_name & (ix->n_name - 1))
		return err_rule(e, "index-table", 12, "the TVS index has tables of impossible sizes");
	if (!rd_view(&r, (size_t)ix->n_entries * ENTRY_LEN, &ix->entries) ||
	    !rd_view(&r, (size_t)ix->n_hash * HASH_SLOT_LEN, &ix->by_hash) ||
	    !rd_view(&r, (size_t)ix->n_name * NAME_SLOT_LEN, &ix->by_name))
		return err_rule(e, "index-length", 12, "the tables of the TVS index run past its end");
	return 0;
}

/* Every slot points to an entry, and each table has a free slot, so that no search runs round for ever. */
static int check_slots(const struct tvs_index *ix, struct err *e)
{
	size_t free_hash = 0, free_name = 0;
	struct view key;
	uint32_t entry;

	for (uint32_t i = 0; i < ix->n_hash; i++) {
		entry = hash_slot(ix, i);
		if (entry > ix->n_entries)
			return err_rule(e, "index-table", -1, "hash slot %u of the TVS index points nowhere", i);
		free_hash += !entry;
	}
	for (uint32_t i = 0; i < ix->n_name; i++) {
		entry = name_slot(ix, i, &key);
		if (entry > ix->n_entries)
			return err_rule(e, "index-table", -1, "name slot %u of the TVS index points nowhere", i);
		free_name += !entry;
	}
	if (!free_hash || !free_name)
		return err_rule(e, "index-table", -1, "a table of the TVS index has no free slot");
	return 0;
}

static int check_entries(const struct tvs_index *ix, struct err *e)
{
	struct tvs_answer a;

	for (uint32_t i = 0; i < ix->n_entries; i++)
		if (!answer_from(ix, i, &a) || !a.der.len)
			return err_rule(e, "index-entry", -1, "entry %u of the TVS index lies outside the file", i);
	return 0;
}

int tvs_index_open(struct view file, struct tvs_index *ix, struct err *e)
{
	struct tvs_index out = {.file = file};
	struct view stored;
	uint8_t sum[SHA256_LEN];
	int rc;

	if ((rc = check_layout(&out, &stored, e)) || (rc = checksum(file, sum, e)))
		return rc;
	if (memcmp(sum, stored.p, SHA256_LEN))
		return err_rule(e, "index-checksum", CHECKSUM_AT, "the TVS index is damaged: its checksum does not match");
	if ((rc = check_slots(&out, e)) || (rc = check_entries(&out, e)))
		return rc;
	*ix = out;
	return 0;
}

bool tvs_index_at(const struct tvs_index *ix, size_t i, struct tvs_answer *a)
{
	return i < ix->n_entries && answer_from(ix, (uint32_t)i, a);
}

bool tvs_index_verify(const struct tvs_index *ix, struct view der, struct tvs_answer *a)
{
	uint8_t hash[DIGEST_MAX];
	uint32_t slot, entry;
	struct stored s;
	struct view known;

	if (digest_one(DIGEST_SHA256, der, hash, NULL))
		return false;
	slot = first_slot(hash, ix->n_hash);
	for (uint32_t n = 0; n < ix->n_hash && (entry = hash_slot(ix, slot)); n++, slot = (slot + 1) & (ix->n_hash - 1)) {
		if (!read_entry(ix, entry - 1, &s) || memcmp(s.sha256.p, hash, SHA256_LEN))
			continue;
		if (!read_der(ix, &s, &known) || !view_eq(known, der))
			continue; /* the whole certificate decides, never a hash or a name alone (6.6) */
		*a = (struct tvs_answer){known, s.roles, s.ttl_s};
		return true;
	}
	return false;
}

static bool subject_is(struct view subject, struct view der)
{
	struct cert *c;
	bool same;

	if (!subject.len || cert_from_der(der, &c, NULL))
		return false;
	same = name_matches_der(subject, cert_subject_der(c));
	cert_unref(c);
	return same;
}

/* All certificates under one key: the one with the wanted subject, else the first. */
static bool find_key(const struct tvs_index *ix, const uint8_t key[KEY_LEN], struct view subject, struct tvs_answer *a)
{
	uint32_t slot = first_slot(key, ix->n_name), entry;
	struct tvs_answer candidate;
	struct view stored;
	size_t found = 0;

	for (uint32_t n = 0; n < ix->n_name && (entry = name_slot(ix, slot, &stored)); n++, slot = (slot + 1) & (ix->n_name - 1)) {
		if (memcmp(stored.p, key, KEY_LEN) || !answer_from(ix, entry - 1, &candidate))
			continue;
		if (!found++)
			*a = candidate;
		else if (subject_is(subject, candidate.der) && !subject_is(subject, a->der))
			*a = candidate;
	}
	return found > 0;
}

bool tvs_index_query(const struct tvs_index *ix, struct view subject, struct view issuer, struct view serial,
		     struct tvs_answer *a)
{
	char name[NAME_KEY_MAX];
	uint8_t key[KEY_LEN];
	size_t len;

	for (int reduced = 0; reduced < 2; reduced++) {
		len = name_key(issuer, reduced, name, sizeof name);
		if (len && !identity_key(serial_strip(serial), name, len, key, NULL) && find_key(ix, key, subject, a))
			return true;
	}
	return false;
}

static bool lookup_verify(void *ctx, struct view der, struct tvs_answer *a)
{
	return tvs_index_verify(ctx, der, a);
}

static bool lookup_query(void *ctx, struct view subject, struct view issuer, struct view serial, struct tvs_answer *a)
{
	return tvs_index_query(ctx, subject, issuer, serial, a);
}

struct tvs_lookup tvs_index_lookup(const struct tvs_index *ix)
{
	return (struct tvs_lookup){lookup_verify, lookup_query, (void *)ix};
}
