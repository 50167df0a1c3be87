#pragma once

#include "base/clock.h"
#include "cluster/cluster.h"
#include "cluster/phone_config.h"

/*
 * Files for phones that are signed, encrypted or completed: made by the director at a worker's request, kept in
 * published/signed/<2 hex>/<30 hex>. The
 * name is a digest of everything that the file is made from, so whoever asks for the same again gets the same file, and
 * what changes gets another name: nothing there is ever overwritten.
 *
 * The files are not synced one by one: a power failure may leave one of them empty or cut, so each is read and verified
 * before its name is given out, which costs a tenth of a signature, and made again when it does not hold.
 */
#define SIGNER_MAX_FILE (16u << 20)       /* octets of a file that is signed */
#define SIGNER_MAX_CACHE (4ull << 30)     /* octets of the cache; when it is full it is emptied */
#define SIGNER_VARIANTS_A_SECOND 20       /* of a name in another case than the file's: only mischief asks for many */
#define SIGNER_NAME_MAX 40                /* "2f/30 hex digits" with its NUL */

struct signer;

struct signer_stats {
	unsigned long signed_files, from_cache, failed;
	unsigned long encrypted; /* of signed_files */
	uint64_t cache_octets;
};

/* What it works with; all of it outlives the signer. */
struct signer_site {
	struct cluster *cluster;
	const struct clock *clock;
	const struct random_source *random;
	const struct phones_publisher *phones;
	int provisioning_dir;
	uint16_t tvs_port; /* that phones are told */
};

int signer_new(const struct signer_site *site, struct signer **s, struct err *e) MUST_CHECK;
void signer_free(struct signer *s); /* accepts NULL */

/* signer_refresh: certificates or parameters may have changed. */
void signer_refresh(struct signer *s);

/*
 * signer_sign: the file `base` of provisioning/, as it is served under file_name.
 * In:     file_name is base with ".sgn", letters in any case. For DEVICE.cnf.xml also with ".enc.sgn": encrypted; or base
 *         itself: neither signed nor encrypted. Of a phone whose configuration is encrypted these two are the short file.
 * Out:    name below published/signed/.
 * Errors: ERR_AUTH file_name is another file's; ERR_IO (ENOENT: there is no such file, also when nobody knows a certificate
 *         to encrypt it for, which is logged); ERR_LIMIT too large, or too many spellings; ERR_AGAIN nobody knows now
 *         whether it is a secret; ERR_CRYPTO, ERR_USAGE from the signature.
 */
int signer_sign(struct signer *s, const char *base, const char *file_name, char name[SIGNER_NAME_MAX],
		struct err *e) MUST_CHECK;

const struct signer_stats *signer_stats(const struct signer *s);
