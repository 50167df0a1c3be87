#pragma once

#include "base/bytes.h"
#include "base/err.h"

/*
 * What workers must know of phones before they serve a file: whose configuration is encrypted, who gets SHA-1. The
 * director writes it as one file, workers read it; a worker that cannot read it serves no phone's configuration.
 *
 *   magic "RFPHONES" | u32 version | u32 flags, 1: configurations are completed | u64 tag | u32 n
 *   n times, by name without regard to case: u8 length, name | u8 flags | u64 tag
 *   SHA-256 over all of it
 *
 * All integers big-endian. A tag stands for whatever else the phone's files are made from: when it differs, so may they.
 */
#define PHONE_INDEX_FILE "phones.index" /* in published/ */
#define PHONE_INDEX_MAX (64u << 20)     /* octets */

enum phone_index_flag {
	PHONE_INDEX_ENCRYPTED = 1, /* TFTP Encrypted Config: its plain configuration is never served */
	PHONE_INDEX_SHA1 = 2,      /* its lists and files are signed with SHA-1, whatever others get */
};

struct phone_index_item {
	const char *name;
	uint8_t flags;
	uint64_t tag;
};

struct phone_index {
	bool complete;       /* configurations are completed as they are served, also those of phones not in here */
	uint64_t tag;        /* of what all of them have in common */
	struct phone_index_item *items;
	size_t n;
	char *names;         /* of the items */
};

/*
 * phone_index_build: in is put into order. Names that differ in the case of letters only become one item that has the flags
 * of all: in->n is then less, and the others' names stand behind it.
 * Out: *data heap buffer. Errors: ERR_LIMIT, ERR_NOMEM, ERR_CRYPTO.
 */
int phone_index_build(struct phone_index *in, uint8_t **data, size_t *len, struct err *e) MUST_CHECK;

/* phone_index_read: Out: *ix. Errors: ERR_PROTO with rule "phone-index-magic", "phone-index-checksum",
 * "phone-index-form"; ERR_NOMEM. */
int phone_index_read(struct view file, struct phone_index *ix, struct err *e) MUST_CHECK;
void phone_index_clear(struct phone_index *ix);

/* phone_index_find: without regard to case; NULL when there is none. */
const struct phone_index_item *phone_index_find(const struct phone_index *ix, struct view name);
