#pragma once

#include "cluster/cluster.h"
#include "format/list.h"

/*
 * published/: what phones get. Generations are folders; `current` points at the one in force; earlier ones stay with the
 * keys that signed them until they are pruned. Source: docs/architecture.md, Node directory and Publication.
 */
#define PUBLISH_CURRENT "published/current"
#define PUBLISH_MANIFEST "manifest.json"
/* Beside the lists when these are signed with SHA-512: the same with SHA-1, for phones that know nothing else. */
#define PUBLISH_CTL_SHA1 "CTLFile.sha1.tlv"
#define PUBLISH_ITL_SHA1 "ITLFile.sha1.tlv"

/*
 * publish_refresh: compose the ITL anew and publish it when its content differs from the one in force (the CTL goes along
 * unchanged). Operations do this themselves; serve calls it at start-up.
 * In:     who and why go to the audit. Out: *changed, when not NULL: a new generation is in force.
 */
int publish_refresh(struct cluster *c, const char *who, const char *why, bool *changed, struct err *e) MUST_CHECK;

/* publish_generation: number of the generation in force; 0 before the first. */
int publish_generation(struct cluster *c, uint64_t *number, struct err *e) MUST_CHECK;

/*
 * publish_read: the list in force.
 * Out:    *data heap buffer, NULL when there is no such list (no CTL); *modified_s when it was made, Unix seconds.
 */
int publish_read(struct cluster *c, enum list_type type, uint8_t **data, size_t *len, int64_t *modified_s,
		 struct err *e) MUST_CHECK;
