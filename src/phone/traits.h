#pragma once

#include "base/bytes.h"

/*
 * What is known of a phone model. The facts stand in dist/models.conf, a row a family, each with its source; the file is
 * compiled in and can be replaced at run time.
 */
enum trait { TRAIT_NO, TRAIT_YES, TRAIT_UNKNOWN };
enum trait_transport { TRANSPORT_TFTP, TRANSPORT_HTTP, TRANSPORT_UNKNOWN };
enum trait_checksum { CHECKSUM_MD5, CHECKSUM_SHA1, CHECKSUM_UNKNOWN };

struct traits {
	char family[32];
	char models[160];          /* patterns, separated by blanks; x stands for one digit, * for anything */
	enum trait asks_tvs;       /* Security By Default */
	enum trait sha512;         /* verifies lists and files signed with SHA-512 */
	enum trait ec;             /* takes EC server certificates */
	enum trait tls10_only;
	enum trait_transport transport; /* tried first */
	uint32_t list_limit;       /* octets of the largest trust list it loads, 0 unknown */
	uint32_t max_sast;         /* SAST records in one list, 0 unknown */
	enum trait_checksum checksum; /* shown in its Trust List menu */
};

struct traits_table;

/*
 * traits_parse: read a model table, strictly.
 * In:     text of the file; name for the error text.
 * Errors: ERR_PROTO with the line and the rule it broke: "models-column", "models-value", "models-source",
 *         "models-duplicate", "models-default"; ERR_NOMEM.
 */
int traits_parse(struct view text, const char *name, struct traits_table **t, struct err *e) MUST_CHECK;
void traits_free(struct traits_table *t); /* accepts NULL */

struct view traits_builtin(void); /* the text of dist/models.conf as it was at build time */

/* traits_find: the row whose patterns match ("7975", "CP-7975G", "8861"), else the row "default". Never NULL. */
const struct traits *traits_find(const struct traits_table *t, const char *model);
const struct traits *traits_at(const struct traits_table *t, size_t i); /* NULL past the last row */

/*
 * What a phone may be trusted to do. Where nobody knows, the answer is the one that makes it refuse more: a rehearsal
 * must never promise that a phone takes a file when nobody has seen it do so.
 */
bool traits_asks_tvs(const struct traits *t);
bool traits_sha512(const struct traits *t);
bool traits_ec(const struct traits *t);
uint32_t traits_list_limit(const struct traits *t);
uint32_t traits_max_sast(const struct traits *t);
