#pragma once

#include <stddef.h>
#include <stdint.h>

#include "server/content_id.h"

/* What the director answered: which signed file belongs to a requested name while its base is as it was. */
struct content_signed_names;

struct content_signed_names *content_signed_names_new(unsigned max); /* NULL: out of memory */
void content_signed_names_free(struct content_signed_names *x);      /* accepts NULL */

/* content_signed_names_get: the cache name of name made from base in the state *id and from what tag stands for, or NULL;
 * valid until the next call. */
const char *content_signed_names_get(struct content_signed_names *x, const char *name, const char *base,
				     const struct content_id *id, uint64_t tag);

/* content_signed_names_put: remember it; when there are max of them, the longest unused one is forgotten. */
void content_signed_names_put(struct content_signed_names *x, const char *name, const char *base,
			      const struct content_id *id, uint64_t tag, const char *cache_name);
void content_signed_names_drop(struct content_signed_names *x, const char *name);
void content_signed_names_clear(struct content_signed_names *x);
