#include "cmd/offline.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/text.h"

int offline_read(const char *path, struct view *v, struct err *e)
{
	uint8_t *data = NULL;
	size_t len = 0;
	int err;

	if (strcmp(path, "-") == 0)
		err = file_read_fd(STDIN_FILENO, "standard input", TLV_FILE_MAX, &data, &len, e);
	else
		err = file_read(AT_FDCWD, path, TLV_FILE_MAX, &data, &len, e);
	if (!err)
		*v = (struct view){data, len};
	return err;
}

void offline_free(struct view v)
{
	free((void *)(uintptr_t)v.p);
}

int offline_check_out(const char *path, const char *out, bool force, struct err *e)
{
	struct stat in, there;

	if (stat(out, &there) < 0)
		return errno == ENOENT ? 0 : err_sys(e, ERR_IO, "%s", out);
	if (strcmp(path, "-") != 0 && stat(path, &in) == 0 && in.st_dev == there.st_dev && in.st_ino == there.st_ino)
		return err_set(e, ERR_USAGE, "%s is the input itself, which is kept", out);
	if (!S_ISREG(there.st_mode))
		return err_set(e, ERR_USAGE, "%s is no ordinary file", out);
	if (!force)
		return err_set(e, ERR_USAGE, "%s exists; --force replaces it", out);
	return 0;
}

int offline_list(const char *path, struct trust_list **l, struct err *e)
{
	struct trust_list *got = NULL;
	struct view v = {0};
	int err = offline_read(path, &v, e);

	if (err)
		return err;
	err = list_parse(v, LIST_CTL, &got, e);
	offline_free(v);
	if (!err)
		err = list_verify_self(got, e);
	if (err) {
		err_prefix(e, "%s", path);
		list_free(got);
		return err;
	}
	*l = got;
	return 0;
}

static int trust_room(const struct trust *t, struct err *e)
{
	return t->n < TRUST_MAX ? 0 : err_set(e, ERR_USAGE, "more than %d trusted files", TRUST_MAX);
}

int trust_add_list(struct trust *t, const char *path, struct err *e)
{
	int err = trust_room(t, e);

	if (!err)
		err = offline_list(path, &t->of[t->n].list, e);
	if (!err)
		t->of[t->n++].path = path;
	return err;
}

int trust_add_cert(struct trust *t, const char *path, struct err *e)
{
	int err = trust_room(t, e);

	if (!err)
		err = cert_load(AT_FDCWD, path, &t->of[t->n].cert, e);
	if (!err)
		t->of[t->n++].path = path;
	return err;
}

void trust_clear(struct trust *t)
{
	for (size_t i = 0; i < t->n; i++) {
		list_free(t->of[i].list);
		cert_unref(t->of[i].cert);
	}
	*t = (struct trust){0};
}

static void who_record(char *who, size_t size, const char *path, const struct trust_list *l, int i)
{
	const struct tlv_record *rec = &l->records[i];
	const char *role = role_name(rec->function);
	char subject[256];

	text_escape(subject, sizeof(subject), tlv_text(rec->subject));
	snprintf(who, size, "record %d (%s) of %s, %s", i + 1, role ? role : "?", path, subject);
}

/* One trusted thing's opinion. */
static int verify_by(const struct trust *t, size_t i, uint32_t functions, struct view file, const struct tlv_header *h,
		     char *who, size_t size, struct err *e)
{
	const struct cert *c = t->of[i].cert;
	int rec;

	if (t->of[i].list) {
		int err = list_verify_file(t->of[i].list, functions, file, h, &rec, e);
		if (!err)
			who_record(who, size, t->of[i].path, t->of[i].list, rec);
		return err;
	}
	if (!serial_matches_cert(h->serial, cert_serial(c)))
		return err_set(e, ERR_AUTH, "another signer");
	int err = tlv_verify_key(file, h, cert_public_key(c), NULL, e);
	if (!err)
		snprintf(who, size, "the certificate in %s, %s", t->of[i].path, cert_subject(c));
	return err == ERR_AUTH ? ERR_CRYPTO : err;
}

int trust_verify(const struct trust *t, uint32_t functions, struct view file, const struct tlv_header *h, char *who,
		 size_t size, struct err *e)
{
	struct err failed = ERR_INIT;
	int worst = ERR_AUTH;

	for (size_t i = 0; i < t->n; i++) {
		struct err why = ERR_INIT;
		int err = verify_by(t, i, functions, file, h, who, size, &why);
		if (!err)
			return 0;
		if (err == ERR_AUTH)
			continue;
		worst = ERR_CRYPTO;
		err_prefix(&why, "%s", t->of[i].path);
		err_set(&failed, ERR_CRYPTO, "%s", why.text);
	}
	return err_set(e, worst, "%s", worst == ERR_AUTH ? "nobody that is trusted here signed it" : failed.text);
}

bool option_digest(const char *word, enum digest *d)
{
	if (text_same(word, "sha1") || text_same(word, "sha-1"))
		*d = DIGEST_SHA1;
	else if (text_same(word, "sha512") || text_same(word, "sha-512"))
		*d = DIGEST_SHA512;
	else
		return false;
	return true;
}

bool option_names(const char *word, enum name_form *form)
{
	if (!text_same(word, "A") && !text_same(word, "C"))
		return false;
	*form = text_same(word, "A") ? NAME_FORM_A : NAME_FORM_C;
	return true;
}

static const struct role {
	const char *name;
	uint16_t function;
} roles[] = {
	{"SAST", FUNCTION_SAST},
	{"CCM", FUNCTION_CCM},
	{"CCM+TFTP", FUNCTION_CCM_TFTP},
	{"TFTP", FUNCTION_TFTP},
	{"CAPF", FUNCTION_CAPF},
	{"APP-SERVER", FUNCTION_APP_SERVER},
	{"TVS", FUNCTION_TVS},
};

#define N_ROLES (sizeof(roles) / sizeof(roles[0]))

bool option_role(const char *word, size_t len, uint16_t *function)
{
	for (size_t i = 0; i < N_ROLES; i++) {
		if (strlen(roles[i].name) == len && strncasecmp(roles[i].name, word, len) == 0) {
			*function = roles[i].function;
			return true;
		}
	}
	return false;
}

const char *role_name(unsigned function)
{
	for (size_t i = 0; i < N_ROLES; i++)
		if (roles[i].function == function)
			return roles[i].name;
	return NULL;
}

void view_print(FILE *out, struct view v)
{
	char shown[1024];

	text_escape(shown, sizeof(shown), v);
	fputs(shown, out);
}
