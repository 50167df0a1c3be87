#pragma once

#include <sys/socket.h>

#include "base/bytes.h"
#include "base/err.h"
#include "proto/provision.h"

/*
 * Where the octets of a requested name come from. One for each worker; nothing here blocks on anything but the disk.
 *
 *   CTL, ITL     a file of that very name in provisioning/ when the name has a device in it (an override); otherwise
 *                current/CTLFile.tlv or current/ITLFile.tlv of published/, and for a phone that knows no SHA-512 their
 *                twins with SHA-1, current/CTLFile.sha1.tlv and current/ITLFile.sha1.tlv. Lists that lie in
 *                provisioning/ under the general names are never served: a list of another cluster would lock phones
 *                out.
 *   SIGNED       the file `base` of provisioning/, signed by the director and kept in published/signed/. A file `name`
 *                in provisioning/ (signed by hand, or by another server) is served only when there is no `base`: next to
 *                its base nobody could say which of the two is the newer one.
 *   others       the file `name` of provisioning/.
 *
 * Configurations of phones with TFTP Encrypted Config are never served as they are, nor when nobody can say whose they are
 * (content_guard.h): <x>.cnf.xml.enc.sgn, <x>.cnf.xml.sgn and <x>.cnf.xml are then what the director makes of the file, the
 * last two the short file of 5.4. Other files that may hold the same are refused.
 *
 * Nor are they when the operator has encrypted one: <x>.cnf.xml is absent next to <x>.cnf.xml.enc.sgn, and
 * <x>.cnf.xml.sgn is then only what the operator put there (formats-and-protocols.md 5.4, 8.2).
 *
 * A name is tried as it is, then without regard to case among the names of that folder. What changed, came or went on
 * the disk shows at the next request: kept octets and answers are compared with the file's device, inode, size, mtime
 * and ctime each time. Symbolic links are followed only inside the folder.
 */
#define CONTENT_SMALL 65536                    /* files up to this size are kept in memory */
#define CONTENT_MEMORY (32u << 20)             /* octets of file contents in memory, also those that transfers hold */
#define CONTENT_MAX_FILES 16384                /* files kept, in memory or open */
#define CONTENT_MAX_OPEN 64                    /* files kept open that nobody is using */
#define CONTENT_MAX_SIGNED 65536               /* answers of the director kept */
#define CONTENT_MAX_INDEX_NAMES 262144         /* of a folder, for the look without regard to case; larger: exact only */
#define CONTENT_MAX_INDEXES 32                 /* folders with such an index */

/* An opened file: octets in memory, or a descriptor to pread from, shared by all who use it. */
struct content_file {
	const uint8_t *bytes;  /* all of it, or NULL */
	int fd;                /* open when bytes is NULL; otherwise -1 */
	uint64_t size;
	unsigned refs;
};

struct content_file *content_file_ref(struct content_file *f);
void content_file_unref(struct content_file *f); /* accepts NULL */

/* content_file_read: exactly n octets from offset. Errors: ERR_IO, also when the file became shorter (ESTALE). */
int content_file_read(const struct content_file *f, uint64_t offset, void *out, size_t n, struct err *e) MUST_CHECK;

/* content_file_changed: somebody wrote to the file since it was opened, so that what was read of it may not fit together. */
bool content_file_changed(const struct content_file *f);

enum content_result {
	CONTENT_FOUND,
	CONTENT_ABSENT,    /* there is no such file */
	CONTENT_REFUSED,   /* the name, or where it leads: a link out of the folder, a device */
	CONTENT_FAILED,    /* should exist, but could not be opened or signed: e says why */
};

/* file is the callee's, to unref. e: REFUSED and FAILED say why; otherwise it is clear. */
typedef void content_done(void *ctx, enum content_result result, struct content_file *file, const struct err *e);

/*
 * Who has signed files made. done is called exactly once, now or later, but not after content_free: whoever carries the
 * questions forgets them before that.
 */
typedef void content_signed(void *ctx, int rc, const char *cache_name, const struct err *e);
struct content_signer {
	/*
	 * base: the file below provisioning/ as it is spelt there; file_name: what was asked for, the FILENAME to sign;
	 * it is base itself for a configuration that is made but not signed.
	 * done: rc 0 with a name below published/signed/, or a class with e. ERR_IO with ENOENT: there is no such file.
	 */
	void (*request)(void *ctx, const char *base, const char *file_name, content_signed *done, void *done_ctx);
	void *ctx;
};

struct content_stats {
	unsigned long requests, found, absent, refused, failed;
	unsigned long from_memory;  /* of found: without reading the disk */
	unsigned long sign_asked;   /* questions to the director */
	unsigned long sign_joined;  /* requests that waited for a question already asked */
	size_t memory;              /* octets held now */
	unsigned files;             /* kept now */
};

struct content;
struct content_wait;

/*
 * content_new: published_dir and provisioning_dir are descriptors that stay the caller's and outlive the content.
 * signer is copied.
 */
int content_new(int published_dir, int provisioning_dir, const struct content_signer *signer, struct content **c,
		struct err *e) MUST_CHECK;
void content_free(struct content *c); /* waits end without done being called; no file of it is in use; accepts NULL */

/* content_set_epoch: another generation is in force (another key may sign): forget the director's answers. */
void content_set_epoch(struct content *c, uint64_t epoch);

/*
 * content_open: find what p means. done is called exactly once: before this returns (the return value is then NULL),
 * or later; until then the wait can be cancelled. private_fd: the file is not kept, has a descriptor of its own with
 * its position at the start, and no bytes; content_file_take_fd then takes it out.
 */
struct content_wait *content_open(struct content *c, const struct provision *p, bool private_fd, content_done *done,
				  void *ctx);
void content_cancel(struct content_wait *w); /* done will not be called; accepts NULL */
int content_file_take_fd(struct content_file *f); /* the descriptor of a private file; it is the caller's */

/* content_set_seen: told of each name that is asked for, before it is looked for, and by whom. */
typedef void content_seen_fn(void *ctx, const char *name, const struct sockaddr *peer, bool old_tls);
void content_set_seen(struct content *c, content_seen_fn *fn, void *ctx);
/* content_seen: by who speaks with peers; old_tls: over TLS below 1.2. */
void content_seen(struct content *c, const struct provision *p, const struct sockaddr *peer, bool old_tls);

const struct content_stats *content_stats(struct content *c);
