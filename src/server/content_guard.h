#pragma once

#include "server/content_index.h"

/*
 * What may be served of phones' configurations: published/phones.index, as a worker sees it. Looked at anew when the
 * file is another one; when it cannot be read, no file that looks like a phone's configuration is served.
 */
struct content_guard;

enum content_guard_says {
	CONTENT_GUARD_FREE,    /* no phone's configuration, or one that is served as it is */
	CONTENT_GUARD_MADE,    /* a phone's configuration that only the director makes: encrypted, short, completed */
	CONTENT_GUARD_SECRET,  /* another file, which may hold what an encrypted configuration hides */
	CONTENT_GUARD_DOUBT,   /* nobody knows */
};

struct content_guarded {
	enum content_guard_says says;
	bool encrypted;  /* of a phone with an encrypted configuration */
	uint64_t tag;    /* what else its files are made from: different, when they may be */
};

/* content_guard_new: both descriptors outlive it. */
int content_guard_new(int published_dir, int provisioning_dir, struct content_guard **g, struct err *e) MUST_CHECK;
void content_guard_free(struct content_guard *g); /* accepts NULL */

/*
 * content_guard_look: what is to be done with this file of provisioning/, as it is spelt there. The rules go by its name
 * and, of symbolic links, by the names that they lead to: a name that begins with the phone's, alone or with a dot behind
 * it; behind SEP and twelve hex digits anything that is neither letter nor digit; and these anywhere in a name with "cnf"
 * in it (copies that editors leave behind, too). Hard links count as all of their names in provisioning/ itself.
 */
struct content_guarded content_guard_look(struct content_guard *g, const char *path);

/* content_guard_sha1: this phone's trust lists are those with SHA-1. */
bool content_guard_sha1(struct content_guard *g, const char *device);
