#pragma once

#include "pki/cert.h"
#include "proto/tvs_server.h"

/*
 * The certificates that TVS knows, as one file that the director builds and the workers map read-only.
 *
 *   header   magic "RFTVSIDX", u32 version, u32 entries, u32 hash slots, u32 name slots, u64 file length,
 *            SHA-256 over the file with these 32 octets as zeros
 *   entry    SHA-256 of the DER, u64 offset of the DER in the file, u32 its length, u32 roles, u32 TTL, u32 zero
 *   hash     u32 entry + 1, 0 for a free slot; open addressing on the entry's SHA-256
 *   name     16 octets of SHA-256 over serial and normalised issuer, u32 entry + 1; open addressing
 *   DER      certificates, one behind the other
 *
 * All integers big-endian. Every certificate is found by issuer + serial in each name form and in both byte orders of its
 * serial (formats-and-protocols.md 1.11, 1.12, 6.5).
 */
struct tvs_index_item {
	const struct cert *cert;
	uint32_t roles;
	uint32_t ttl_s;
};

/*
 * tvs_index_build: the same certificate may come several times; its roles add up and its shortest TTL counts.
 * Out:    *data heap buffer. Errors: ERR_NOMEM, ERR_LIMIT, ERR_CRYPTO.
 */
int tvs_index_build(const struct tvs_index_item *items, size_t n, uint8_t **data, size_t *len, struct err *e) MUST_CHECK;

/* An opened index. It borrows the mapped octets, which must not change while it is in use. */
struct tvs_index {
	struct view file;
	struct view entries, by_hash, by_name; /* the tables, within file */
	uint32_t n_entries, n_hash, n_name;
};

/*
 * tvs_index_open: check all of it once: layout, checksum, every offset and every slot.
 * Errors: ERR_PROTO with rule "index-magic", "index-version", "index-length", "index-checksum", "index-table",
 *         "index-entry": the index cannot be used and must be built again.
 */
int tvs_index_open(struct view file, struct tvs_index *ix, struct err *e) MUST_CHECK;

bool tvs_index_verify(const struct tvs_index *ix, struct view der, struct tvs_answer *a);
bool tvs_index_query(const struct tvs_index *ix, struct view subject, struct view issuer, struct view serial,
		     struct tvs_answer *a);
bool tvs_index_at(const struct tvs_index *ix, size_t i, struct tvs_answer *a); /* the i-th entry; false past the last */

/* ix as what a connection asks; ix must outlive it. */
struct tvs_lookup tvs_index_lookup(const struct tvs_index *ix);
