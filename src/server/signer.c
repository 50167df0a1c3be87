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
#include "format/enc.h"
#include "server/signer_config.h"

#define TEMP_FILE ".new" /* the director is the only writer, and writes one at a time */

struct signer {
	struct signer_site site;
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

int signer_new(const struct signer_site *site, struct signer **s, struct err *e)
{
	struct signer *got = calloc(1, sizeof(*got));
	int rc;

	if (!got)
		return err_set(e, ERR_NOMEM, "no memory for the signer of files");
	got->site = *site;
	got->dir = -1;
	rc = file_mkdir(cluster_data_dir(site->cluster), "published/signed", 0755, e);
	if (rc == 0)
		rc = file_open_dir(cluster_data_dir(site->cluster), "published/signed", &got->dir, e);
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
	if ((rc = cluster_signer(s->site.cluster, &cert, s->key.name, e)) < 0)
		return rc;
	cert_unref(s->cert);
	s->cert = cert;
	s->key.ks = cluster_keys(s->site.cluster);
	if ((rc = param_get(s->site.cluster, PARAM_DIGEST, &digest, e)) < 0 ||
	    (rc = param_get(s->site.cluster, PARAM_NAME_FORM, &names, e)) < 0)
		return rc;
	s->digest = strcmp(digest, digest_name(DIGEST_SHA512)) == 0 ? DIGEST_SHA512 : DIGEST_SHA1;
	s->names = strcmp(names, "C") == 0 ? NAME_FORM_C : NAME_FORM_A;
	s->fresh = true;
	return 0;
}

/* --- one file --- */

/* Is want what was asked for, in whatever case? */
static bool is_name(const char *base, const char *suffix, const char *file_name, bool *exact)
{
	char want[SGN_NAME_MAX + 1];

	snprintf(want, sizeof(want), "%s%s", base, suffix);
	*exact = strcmp(want, file_name) == 0;
	return text_same(want, file_name);
}

static int check_name(struct signer *s, const char *base, bool config, const char *file_name, enum signer_form *form,
		      struct err *e)
{
	bool exact;

	if (strlen(base) + sizeof(".enc.sgn") > SGN_NAME_MAX + 1)
		return err_set(e, ERR_LIMIT, "the name of a signed file would be longer than %d octets", SGN_NAME_MAX);
	if (is_name(base, ".sgn", file_name, &exact))
		*form = SIGNER_SIGNED;
	else if (config && is_name(base, ".enc.sgn", file_name, &exact))
		*form = SIGNER_ENCRYPTED;
	else if (config && is_name(base, "", file_name, &exact))
		*form = SIGNER_BARE;
	else
		return err_set(e, ERR_AUTH, "a file is signed under its own name only");
	if (exact)
		return 0;
	/* Of one name there are as many spellings as 2 to the number of its letters, each a signature and a file. */
	uint64_t second = clock_mono_ms(s->site.clock) / 1000;
	if (second != s->variants_ms) {
		s->variants_ms = second;
		s->n_variants = 0;
	}
	if (s->n_variants++ >= SIGNER_VARIANTS_A_SECOND)
		return err_set(e, ERR_LIMIT, "more than %d names a second are asked for in another spelling than the files'",
			       SIGNER_VARIANTS_A_SECOND);
	return 0;
}

/* One file on its way. */
struct job {
	const char *file_name;
	enum signer_form form;
	struct signer_content x;
	char name[SIGNER_NAME_MAX]; /* below published/signed/ */
};

/* name: of everything that the file depends on; the time of signing is not among it, nor are random keys. */
static int cache_name(const struct signer *s, struct job *j, struct err *e)
{
	const uint8_t how[] = {(uint8_t)j->x.digest, (uint8_t)s->names, (uint8_t)j->form};
	const struct view parts[] = {
		{(const uint8_t *)j->file_name, strlen(j->file_name) + 1}, /* with its NUL, so that the parts stay apart */
		{cert_sha256(s->cert), 32},
		{how, sizeof(how)},
		{j->x.device ? cert_sha256(j->x.device) : NULL, j->x.device ? 32 : 0}, /* as its form says */
		{j->x.data, j->x.len},
	};
	uint8_t hash[DIGEST_MAX];
	char hex[33];
	int rc = digest_views(DIGEST_SHA256, parts, sizeof(parts) / sizeof(parts[0]), hash, e);

	if (rc < 0)
		return rc;
	text_hex(hex, sizeof(hex), (struct view){hash, 16}, '\0', false);
	snprintf(j->name, sizeof(j->name), "%.2s/%s", hex, hex + 2);
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

/* Is the file what was to be made? Of an encrypted one the signature says so: its name, that it was made from this. */
static bool is_whole(const struct signer *s, const struct job *j, struct view file)
{
	struct view content = {j->x.data, j->x.len};
	struct tlv_header h;

	if (j->form == SIGNER_BARE)
		return view_eq(file, content);
	return tlv_header_read(file, &h, NULL) == 0 &&
	       (j->form == SIGNER_ENCRYPTED || view_eq(sgn_payload(file, &h), content)) &&
	       sgn_verify_cert(file, s->cert, NULL) == 0;
}

/* Is there such a file, and is it whole? One that is not is removed. */
static bool is_kept(struct signer *s, const struct job *j)
{
	AUTO(auto_free) uint8_t *data = NULL;
	size_t len;

	if (faccessat(s->dir, j->name, F_OK, 0) < 0)
		return false;
	if (file_read(s->dir, j->name, SIGNER_MAX_FILE + TLV_FILE_MAX, &data, &len, NULL) == 0 &&
	    is_whole(s, j, (struct view){data, len}))
		return true;
	unlinkat(s->dir, j->name, 0);
	return false;
}

static int build(struct signer *s, const struct job *j, uint8_t **data, size_t *len, struct err *e)
{
	struct list_signer signer = list_keystore_signer(&s->key);
	struct view content = {j->x.data, j->x.len};
	struct enc_spec spec = {
		.sgn = {.signer = s->cert,
			.names = s->names,
			.digest = j->x.digest,
			.timestamp = (uint32_t)clock_wall_s(s->site.clock),
			.file_name = j->file_name},
		.device = j->x.device,
	};

	return j->form == SIGNER_ENCRYPTED ? enc_build(&spec, &signer, s->site.random, content, data, len, e) :
					     sgn_build(&spec.sgn, &signer, content, data, len, e);
}

static int make(struct signer *s, const struct job *j, struct err *e)
{
	AUTO(auto_free) uint8_t *data = NULL;
	size_t len;
	int rc;

	if (j->form == SIGNER_BARE)
		return keep(s, j->name, (struct view){j->x.data, j->x.len}, e);
	rc = build(s, j, &data, &len, e);
	if (rc == 0)
		rc = keep(s, j->name, (struct view){data, len}, e);
	if (rc == 0) {
		s->stats.signed_files++;
		s->stats.encrypted += j->form == SIGNER_ENCRYPTED;
	}
	return rc;
}

static int sign(struct signer *s, const char *base, struct job *j, struct err *e)
{
	AUTO(auto_close) int fd = -1;
	char device[STORE_NAME_SIZE];
	bool config = signer_config_is(base, device);
	int rc;

	if ((rc = check_name(s, base, config, j->file_name, &j->form, e)) < 0 || (rc = load(s, e)) < 0 ||
	    (rc = file_open_beneath(s->site.provisioning_dir, base, &fd, e)) < 0 ||
	    (rc = file_read_fd(fd, base, SIGNER_MAX_FILE, &j->x.data, &j->x.len, e)) < 0)
		return rc;
	j->x.digest = s->digest;
	if ((config && (rc = signer_config(&s->site, device, j->form, &j->x, e)) < 0) || (rc = cache_name(s, j, e)) < 0)
		return rc;
	if (!is_kept(s, j))
		return make(s, j, e);
	s->stats.from_cache++;
	return 0;
}

int signer_sign(struct signer *s, const char *base, const char *file_name, char name[SIGNER_NAME_MAX], struct err *e)
{
	struct job j = {.file_name = file_name};
	int rc = sign(s, base, &j, e);

	signer_content_clear(&j.x);
	if (rc < 0)
		s->stats.failed++;
	else
		memcpy(name, j.name, sizeof(j.name));
	return rc;
}

const struct signer_stats *signer_stats(const struct signer *s)
{
	return &s->stats;
}
