#include "server/signer.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/text.h"
#include "cluster/param.h"
#include "format/sgn.h"

#define TEMP_FILE ".new" /* the director is the only writer, and writes one at a time */

struct signer {
	struct cluster *cluster;
	const struct clock *clock;
	int provisioning; /* borrowed */
	int dir;          /* published/signed */
	bool fresh;       /* what follows holds */
	struct cert *cert;
	struct keystore_signer key;
	enum digest digest;
	enum name_form names;
	uint64_t variants_ms; /* the second in which n_variants were made */
	unsigned n_variants;
	struct signer_stats stats;
};

/* --- the folder --- */

/* Every file of one of the 256 folders: removed, or counted. */
static uint64_t walk_one(int dir, const char *name, bool remove)
{
	int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	uint64_t octets = 0;
	struct dirent *ent;
	struct stat st;

	if (!d) {
		if (fd >= 0)
			close(fd);
		return 0;
	}
	while ((ent = readdir(d))) {
		if (ent->d_name[0] == '.')
			continue;
		if (remove)
			unlinkat(fd, ent->d_name, 0);
		else if (fstatat(fd, ent->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0)
			octets += (uint64_t)st.st_size;
	}
	closedir(d);
	return octets;
}

static uint64_t walk(int dir, bool remove)
{
	uint64_t octets = 0;
	char name[3];

	for (unsigned i = 0; i < 256; i++) {
		snprintf(name, sizeof(name), "%02x", i);
		octets += walk_one(dir, name, remove);
	}
	return octets;
}

int signer_new(struct cluster *c, const struct clock *clock, int provisioning_dir, struct signer **s, struct err *e)
{
	struct signer *got = calloc(1, sizeof(*got));
	int rc;

	if (!got)
		return err_set(e, ERR_NOMEM, "no memory for the signer of files");
	got->cluster = c;
	got->clock = clock;
	got->provisioning = provisioning_dir;
	got->dir = -1;
	rc = file_mkdir(cluster_data_dir(c), "published/signed", 0755, e);
	if (rc == 0)
		rc = file_open_dir(cluster_data_dir(c), "published/signed", &got->dir, e);
	if (rc < 0) {
		signer_free(got);
		return rc;
	}
	got->stats.cache_octets = walk(got->dir, false);
	*s = got;
	return 0;
}

void signer_free(struct signer *s)
{
	if (!s)
		return;
	cert_unref(s->cert);
	if (s->dir >= 0)
		close(s->dir);
	free(s);
}

/* --- who signs, and how --- */

void signer_refresh(struct signer *s)
{
	s->fresh = false;
}

static int load(struct signer *s, struct err *e)
{
	AUTO(auto_free) char *digest = NULL;
	AUTO(auto_free) char *names = NULL;
	struct cert *cert = NULL;
	int rc;

	if (s->fresh)
		return 0;
	if ((rc = cluster_signer(s->cluster, &cert, s->key.name, e)) < 0)
		return rc;
	cert_unref(s->cert);
	s->cert = cert;
	s->key.ks = cluster_keys(s->cluster);
	if ((rc = param_get(s->cluster, PARAM_DIGEST, &digest, e)) < 0 ||
	    (rc = param_get(s->cluster, PARAM_NAME_FORM, &names, e)) < 0)
		return rc;
	s->digest = strcmp(digest, digest_name(DIGEST_SHA512)) == 0 ? DIGEST_SHA512 : DIGEST_SHA1;
	s->names = strcmp(names, "C") == 0 ? NAME_FORM_C : NAME_FORM_A;
	s->fresh = true;
	return 0;
}

/* --- one file --- */

static int check_name(struct signer *s, const char *base, const char *file_name, struct err *e)
{
	size_t n = strlen(base);
	char want[SGN_NAME_MAX + 1];

	if (n + 5 > sizeof(want))
		return err_set(e, ERR_LIMIT, "the name of a signed file would be longer than %d octets", SGN_NAME_MAX);
	snprintf(want, sizeof(want), "%s.sgn", base);
	if (!text_same(want, file_name))
		return err_set(e, ERR_AUTH, "a file is signed under its own name only");
	if (strcmp(want, file_name) == 0)
		return 0;
	/* Of one name there are as many spellings as 2 to the number of its letters, each a signature and a file. */
	uint64_t second = clock_mono_ms(s->clock) / 1000;
	if (second != s->variants_ms) {
		s->variants_ms = second;
		s->n_variants = 0;
	}
	if (s->n_variants++ >= SIGNER_VARIANTS_A_SECOND)
		return err_set(e, ERR_LIMIT, "more than %d names a second are asked for in another spelling than the files'",
			       SIGNER_VARIANTS_A_SECOND);
	return 0;
}

/* name: of everything that the signed file depends on; the time of signing is not among it. */
static int cache_name(const struct signer *s, const char *file_name, struct view payload, char name[SIGNER_NAME_MAX],
		      struct err *e)
{
	const uint8_t how[] = {(uint8_t)s->digest, (uint8_t)s->names};
	const struct view parts[] = {
		{(const uint8_t *)file_name, strlen(file_name) + 1}, /* with its NUL, so that the parts stay apart */
		{cert_sha256(s->cert), 32},
		{how, sizeof(how)},
		payload,
	};
	uint8_t hash[DIGEST_MAX];
	char hex[33];
	int rc = digest_views(DIGEST_SHA256, parts, 4, hash, e);

	if (rc < 0)
		return rc;
	text_hex(hex, sizeof(hex), (struct view){hash, 16}, '\0', false);
	snprintf(name, SIGNER_NAME_MAX, "%.2s/%s", hex, hex + 2);
	return 0;
}

static int write_whole(int dir, const char *name, struct view data, struct err *e)
{
	AUTO(auto_close) int fd = openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);

	if (fd < 0)
		return err_sys(e, ERR_IO, "published/signed/%s", name);
	fchmod(fd, 0644); /* workers are somebody else, whatever the umask says */
	while (data.len) {
		ssize_t n = write(fd, data.p, data.len);
		if (n < 0 && errno != EINTR)
			return err_sys(e, ERR_IO, "writing a signed file");
		data.p += n > 0 ? n : 0;
		data.len -= n > 0 ? (size_t)n : 0;
	}
	return 0;
}

static int keep(struct signer *s, const char *name, struct view data, struct err *e)
{
	char folder[3] = {name[0], name[1]};
	int rc;

	if (s->stats.cache_octets + data.len > SIGNER_MAX_CACHE) {
		walk(s->dir, true);
		s->stats.cache_octets = 0;
	}
	if ((rc = file_mkdir(s->dir, folder, 0755, e)) < 0 || (rc = write_whole(s->dir, TEMP_FILE, data, e)) < 0) {
		unlinkat(s->dir, TEMP_FILE, 0);
		return rc;
	}
	if (renameat(s->dir, TEMP_FILE, s->dir, name) < 0) {
		rc = err_sys(e, ERR_IO, "published/signed/%s", name);
		unlinkat(s->dir, TEMP_FILE, 0);
		return rc;
	}
	s->stats.cache_octets += data.len;
	return 0;
}

/* Is there such a file, and is it whole? One that is not is removed. */
static bool is_kept(struct signer *s, const char *name, struct view payload)
{
	AUTO(auto_free) uint8_t *data = NULL;
	struct tlv_header h;
	size_t len;

	if (faccessat(s->dir, name, F_OK, 0) < 0)
		return false;
	if (file_read(s->dir, name, SIGNER_MAX_FILE + TLV_FILE_MAX, &data, &len, NULL) == 0) {
		struct view file = {data, len};
		if (tlv_header_read(file, &h, NULL) == 0 && view_eq(sgn_payload(file, &h), payload) &&
		    sgn_verify_cert(file, s->cert, NULL) == 0)
			return true;
	}
	unlinkat(s->dir, name, 0);
	return false;
}

static int make(struct signer *s, const char *file_name, struct view payload, const char *name, struct err *e)
{
	struct list_signer signer = list_keystore_signer(&s->key);
	struct sgn_spec spec = {.signer = s->cert,
				.names = s->names,
				.digest = s->digest,
				.timestamp = (uint32_t)clock_wall_s(s->clock),
				.file_name = file_name};
	AUTO(auto_free) uint8_t *data = NULL;
	size_t len;
	int rc = sgn_build(&spec, &signer, payload, &data, &len, e);

	if (rc == 0)
		rc = keep(s, name, (struct view){data, len}, e);
	if (rc == 0)
		s->stats.signed_files++;
	return rc;
}

static int sign(struct signer *s, const char *base, const char *file_name, char name[SIGNER_NAME_MAX], struct err *e)
{
	AUTO(auto_free) uint8_t *payload = NULL;
	AUTO(auto_close) int fd = -1;
	char got[SIGNER_NAME_MAX];
	size_t len;
	int rc;

	if ((rc = check_name(s, base, file_name, e)) < 0 || (rc = load(s, e)) < 0 ||
	    (rc = file_open_beneath(s->provisioning, base, &fd, e)) < 0 ||
	    (rc = file_read_fd(fd, base, SIGNER_MAX_FILE, &payload, &len, e)) < 0 ||
	    (rc = cache_name(s, file_name, (struct view){payload, len}, got, e)) < 0)
		return rc;
	if (is_kept(s, got, (struct view){payload, len}))
		s->stats.from_cache++;
	else
		rc = make(s, file_name, (struct view){payload, len}, got, e);
	if (rc == 0)
		memcpy(name, got, sizeof(got));
	return rc;
}

int signer_sign(struct signer *s, const char *base, const char *file_name, char name[SIGNER_NAME_MAX], struct err *e)
{
	int rc = sign(s, base, file_name, name, e);

	if (rc < 0)
		s->stats.failed++;
	return rc;
}

const struct signer_stats *signer_stats(const struct signer *s)
{
	return &s->stats;
}
