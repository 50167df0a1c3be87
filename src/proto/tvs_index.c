#include <string.h>

#include "proto/tvs_index_internal.h"

int tvs_index_key(struct view serial, const char *name, size_t name_len, uint8_t key[KEY_LEN], struct err *e)
{
	uint8_t len = (uint8_t)(serial.len > 255 ? 255 : serial.len);
	struct view parts[3] = {{&len, 1}, serial, {(const uint8_t *)name, name_len}};
	uint8_t hash[DIGEST_MAX];
	int rc = digest_views(DIGEST_SHA256, parts, 3, hash, e);

	if (!rc)
		memcpy(key, hash, KEY_LEN);
	return rc;
}

uint32_t tvs_index_slot(const uint8_t *key, uint32_t n_slots)
{
	uint32_t x = (uint32_t)key[0] << 24 | (uint32_t)key[1] << 16 | (uint32_t)key[2] << 8 | key[3];

	return x & (n_slots - 1);
}

int tvs_index_checksum(struct view file, uint8_t out[SHA256_LEN], struct err *e)
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
	if (!rd_view(&r, 8, &magic) || memcmp(magic.p, INDEX_MAGIC, 8))
		return err_rule(e, "index-magic", 0, "this is no TVS index");
	if (!rd_u32(&r, &version) || version != INDEX_VERSION)
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

	if ((rc = check_layout(&out, &stored, e)) || (rc = tvs_index_checksum(file, sum, e)))
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
	slot = tvs_index_slot(hash, ix->n_hash);
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
	uint32_t slot = tvs_index_slot(key, ix->n_name), entry;
	struct tvs_answer candidate;
	struct view stored;
	size_t found = 0;

	for (uint32_t n = 0; n < ix->n_name && (entry = name_slot(ix, slot, &stored)); n++) {
		slot = (slot + 1) & (ix->n_name - 1);
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
		if (len && !tvs_index_key(serial_strip(serial), name, len, key, NULL) && find_key(ix, key, subject, a))
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
